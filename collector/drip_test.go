package collector

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"tipline/collector/promtest"
)

// A dripping is a body of which a piece arrives at a time, and the transport of a server whose answers have it.
type dripping struct {
	next  http.RoundTripper
	first int           // bytes that come with the head
	piece int           // bytes that come at once afterwards
	every time.Duration // between two pieces
	body  io.Reader
}

func (d dripping) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := d.next.RoundTrip(req)
	if err == nil {
		d.body = resp.Body
		resp.Body = io.NopCloser(&d)
	}
	return resp, err
}

func (d *dripping) Read(p []byte) (int, error) {
	n := d.first
	if d.first = 0; n == 0 {
		n = d.piece
		time.Sleep(d.every)
	}
	return d.body.Read(p[:min(len(p), n)])
}

// TestEndIsNoDrip holds that what is whole is taken, however little of it came at last.
func TestEndIsNoDrip(t *testing.T) {
	t.Parallel()
	now := noon
	d := &drip{from: iotest.OneByteReader(strings.NewReader("0123456789")), clock: func() time.Time {
		now = now.Add(time.Second)
		return now
	}}
	const window = int(dripWindow / time.Second)
	if got, err := io.ReadAll(io.LimitReader(d, int64(window))); len(got) != window || err != nil {
		t.Fatalf("got %q and %v, want %d bytes", got, err, window)
	}
	d.from = iotest.DataErrReader(strings.NewReader("cd"))
	if got, err := io.ReadAll(d); string(got) != "cd" || err != nil {
		t.Errorf("got %q and %v, want the end", got, err)
	}
}

// TestF04_Drip holds that an answer that trickles in is given up long before the timeout, and asked for once more as after one, and that neither a server that takes its time
// before the first byte or in between, nor a slow line, is taken for that.
func TestF04_Drip(t *testing.T) {
	t.Parallel()
	long := promtest.Answer{Infos: []string{strings.Repeat("x", 5000)}}
	noise := make([]byte, 3000)
	for i := range noise {
		noise[i] = byte('0' + i*i*7919%97%75)
	}
	packed := promtest.Answer{Gzip: true, Infos: []string{strconv.Quote(string(noise))}}
	const timeout = 10 * time.Minute
	for name, tc := range map[string]struct {
		answer promtest.Answer
		drip   dripping
		after  time.Duration // the first byte the answer is given up; 0: it is not
		want   Reason
	}{
		"a byte a second":                               {long, dripping{piece: 1, every: time.Second}, dripWindow, TimedOut},
		"a byte a second of a compressed answer":        {packed, dripping{piece: 1, every: time.Second}, dripWindow, TimedOut},
		"a byte a second of an error":                   {promtest.Status(500, strings.Repeat("x", 5000)), dripping{piece: 1, every: time.Second}, dripWindow, Overloaded},
		"a good beginning and then a byte a second":     {long, dripping{first: 4000, piece: 1, every: time.Second}, 2 * dripWindow, TimedOut},
		"45 bytes a second":                             {long, dripping{piece: 45, every: time.Second}, dripWindow, TimedOut},
		"60 bytes a second, longer than the window":     {long, dripping{piece: 60, every: time.Second}, 0, ""},
		"half a minute before the first byte":           {long, dripping{piece: 1 << 20, every: 30 * time.Second}, 0, ""},
		"a head at once, and the rest after a minute":   {long, dripping{first: 15, piece: 1 << 20, every: time.Minute}, 0, ""},
		"a few bytes now and then are the timeout's":    {promtest.Answer{}, dripping{piece: 4, every: dripPause}, 0, ""},
		"a piece just before a pause would be one":      {long, dripping{piece: 300, every: dripPause - time.Millisecond}, 0, ""},
		"a short answer, a byte a second, is still one": {promtest.JSON(200, `{"data":1}`), dripping{piece: 1, every: time.Second}, 0, BadAnswer},
	} {
		synctest.Test(t, func(t *testing.T) {
			server := promtest.New(func(promtest.Query) promtest.Answer { return tc.answer })
			tc.drip.next = server.Transport()
			c, err := newClient(Settings{URL: "http://prometheus", Client: tc.drip, Timeout: timeout, Clock: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if tc.drip.first == 0 {
				began = began.Add(tc.drip.every)
			}
			_, _, err = c.once(t.Context(), "up", anyRange)
			checkReason(t, name, err, tc.want)
			if took := time.Since(began); tc.after > 0 && took != tc.after {
				t.Errorf("%s: given up after %s, want %s", name, took, tc.after)
			}
			server.Queries()
			_, _, err = c.ask(t.Context(), "up", anyRange)
			if asked := len(server.Queries()); tc.want == TimedOut && (asked != 2 || !strings.Contains(err.Error(), "want at least 512")) {
				t.Errorf("%s: asked %d times, error %v; want two, and how little arrived", name, asked, err)
			}
		})
	}
}
