package collector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"tipline/collector/promtest"
)

// anyRange is the range that the client tests ask for.
var anyRange = v1.Range{Start: noon.Add(-24 * time.Hour), End: noon, Step: time.Hour}

// testLimit is the most bytes that the test clients read.
const testLimit = 1 << 20

func newTestClient(t testing.TB, address string, next http.RoundTripper) *client {
	t.Helper()
	c, err := newClient(Settings{URL: address, Client: next, Timeout: 2 * time.Second, MaxResponseBytes: testLimit})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestAnswers gives every recorded answer of six backends to the client, and those that no backend sends on purpose.
func TestAnswers(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/promapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded map[string]struct {
		Status      int    `json:"status"`
		ContentType string `json:"content_type"`
		Body        string `json:"body"`
	}
	if err := json.Unmarshal(data, &recorded); err != nil {
		t.Fatal(err)
	}
	const good = Reason("")
	want := map[string]Reason{
		// These were recorded as instant queries, so their vectors are of the wrong type for us unless refused before.
		"info-rate-on-gauge": WrongType, "warning-quantile-2": WrongType, "vector-nan": WrongType, "scalar-nan": WrongType, "scalar-inf": WrongType, "string": WrongType,
		"wrong-tenant": WrongType, "vector-30d-by-workload": WrongType, "empty-unknown-metric": WrongType, "empty-inside-scrape-gap": WrongType, "future-time": WrongType,
		"many-to-many": Refused, "bad-syntax": Refused, "step-zero": Refused, "end-before-start": Refused, "unknown-path": Refused, "no-tenant-header": Unauthorized,
		"too-many-points": LimitReached, "window-40d": LimitReached,
		"store-killed-0.4s": Partial, "store-killed-0.4s-partial_response=false": Partial, "store-frozen-timeout-4s": TimedOut,
		// Some seconds later Thanos has forgotten the store and says nothing of it, unless partial answers are refused.
		"store-killed-15s": WrongType, "store-killed-15s-partial_response=false": Partial,
		"range-daily": good,
	}
	exceptions := map[string]Reason{
		"prometheus-2.42.0/tiny-timeout": TimedOut, "prometheus-3.5.3/tiny-timeout": TimedOut, "prometheus-3.16.0/tiny-timeout": TimedOut,
		"thanos-0.42.4/tiny-timeout": TimedOut, "mimir-3.0.5/tiny-timeout": WrongType, "victoriametrics-1.150.0/tiny-timeout": WrongType,
		"prometheus-2.42.0/window-40d": WrongType, "prometheus-3.5.3/window-40d": WrongType, "prometheus-3.16.0/window-40d": WrongType,
		"thanos-0.42.4/window-40d": WrongType, "victoriametrics-1.150.0/window-40d": WrongType, "victoriametrics-1.150.0/end-before-start": good,
	}
	week := map[string]map[string]float64{} // of each workload, by server
	for name, r := range recorded {
		_, what, _ := strings.Cut(name, "/")
		reason, ok := exceptions[name]
		if !ok {
			reason, ok = want[what]
		}
		if !ok {
			t.Errorf("%s: the table does not say what to expect", name)
			continue
		}
		answer := promtest.JSON(r.Status, r.Body)
		answer.Header = http.Header{"Content-Type": {r.ContentType}}
		c := newTestClient(t, "http://prometheus", promtest.New(func(promtest.Query) promtest.Answer { return answer }).Transport())
		m, _, err := c.once(t.Context(), "up", anyRange)
		checkReason(t, name, err, reason)
		if what == "range-daily" && len(m) != 5 {
			t.Errorf("%s: got %d series, want 5", name, len(m))
		}
		if what == "range-daily" {
			week[name] = map[string]float64{}
			for _, stream := range m {
				for _, point := range stream.Values {
					week[name][string(stream.Metric["workload"])] += float64(point.Value)
				}
			}
		}
	}
	// All six counted the same samples. VictoriaMetrics gives their exact differences, the others extrapolate: those before Prometheus 3
	// from both ends of the window, the later ones without its beginning.
	const tolerance = 0.0025
	exact := week["victoriametrics-1.150.0/range-daily"]
	for server, totals := range week {
		for workload, got := range totals {
			if want := exact[workload]; math.Abs(got-want) > tolerance*want {
				t.Errorf("%s: %s: got %v tokens in the week, want %v within %v", server, workload, got, want, tolerance)
			}
		}
	}
	if len(week) != 6 {
		t.Errorf("got weeks of %d servers, want 6", len(week))
	}
}

func checkReason(t *testing.T, name string, err error, want Reason) {
	t.Helper()
	var e *Error
	switch {
	case want == "" && err == nil:
	case !errors.As(err, &e) || e.Reason != want:
		t.Errorf("%s: got %v, want reason %q", name, err, want)
	case len(err.Error()) > 700 || strings.ContainsAny(err.Error(), "\n\r\x1b\u202e"):
		t.Errorf("%s: got the error %q, want one short line", name, err)
	}
}

// header returns the answer with one more header.
func header(a promtest.Answer, name, value string) promtest.Answer {
	h := a.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set(name, value)
	a.Header = h
	return a
}

func TestFaults(t *testing.T) {
	t.Parallel()
	const (
		nativeHistogram = `[{"metric":{},"histograms":[[1,{"count":"1","sum":"1","buckets":[]}]]}]`
		elsewhere       = "https://u:hunter2@login.example/?token=hunter2"
	)
	matrix := func(result string) string {
		return `{"status":"success","data":{"resultType":"matrix","result":` + result + `}}`
	}
	for name, tc := range map[string]struct {
		answer promtest.Answer
		want   Reason
		text   string // part of the error
	}{
		"an empty matrix is an answer":            {promtest.Answer{}, "", ""},
		"gzip is understood":                      {promtest.Answer{Gzip: true}, "", ""},
		"F08 overloaded":                          {promtest.Status(429, "slow down"), Overloaded, "slow down"},
		"F09 plain text with 503":                 {promtest.Status(503, "frontend\x1b[31m stopped\n"), Overloaded, `frontend\x1b[31m stopped`},
		"F10 login page":                          {promtest.HTML(), NotPrometheus, "Sign in"},
		"empty body":                              {promtest.JSON(200, ""), NotPrometheus, ""},
		"F05 truncated JSON":                      {promtest.JSON(200, matrix(`[{"metric":{},"val`)), BadAnswer, ""},
		"F05 connection lost":                     {promtest.Answer{CutAt: 20}, Unreachable, "EOF"},
		"F06 huge body":                           {promtest.JSON(200, `{"status":"`+strings.Repeat("x", testLimit)), TooLarge, "1048576 bytes"},
		"F07 gzip bomb":                           {promtest.Bomb(64 * testLimit), TooLarge, ""},
		"gzip that is none":                       {header(promtest.JSON(200, "{}"), "Content-Encoding", "gzip"), BadAnswer, "broken gzip"},
		"unknown encoding":                        {header(promtest.Answer{}, "Content-Encoding", "br"), BadAnswer, "br"},
		"success without data":                    {promtest.JSON(200, `{"status":"success"}`), BadAnswer, ""},
		"data is null":                            {promtest.JSON(200, `{"status":"success","data":null}`), BadAnswer, ""},
		"an error with status 200":                {promtest.JSON(200, `{"status":"error","errorType":"x","error":"no"}`), BadAnswer, "no"},
		"F21 VictoriaMetrics says partial":        {promtest.JSON(200, `{"isPartial":true,`+matrix("[]")[1:]), Partial, ""},
		"F18 a warning of a store":                {promtest.Answer{Warnings: []string{"No StoreAPIs matched"}}, Partial, "No StoreAPIs"},
		"F22 info among the warnings":             {promtest.Answer{Warnings: []string{"PromQL info: metric might not be a counter"}}, "", ""},
		"F22 info":                                {promtest.Answer{Infos: []string{"whatever"}}, "", ""},
		"F35 native histogram":                    {promtest.JSON(200, matrix(nativeHistogram)), WrongType, "histogram_sum"},
		"F11 redirect":                            {header(promtest.Status(302, ""), "Location", elsewhere), NotPrometheus, "redirects to https://login.example/"},
		"F106 long complaint with control signs":  {promtest.Status(400, strings.Repeat("\x00💥", 5000)), Refused, ""},
		"a status that nobody sends":              {promtest.Status(599, ""), Overloaded, ""},
		"time stamps that are no numbers":         {promtest.JSON(200, matrix(`[{"metric":{},"values":[["a","1"]]}]`)), BadAnswer, ""},
		"limits in words the server has not used": {promtest.Status(422, "query would load too many samples into memory"), LimitReached, ""},
	} {
		c := newTestClient(t, "http://prometheus", promtest.New(func(promtest.Query) promtest.Answer { return tc.answer }).Transport())
		_, _, err := c.once(t.Context(), "up", anyRange)
		checkReason(t, name, err, tc.want)
		if err != nil && !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: got %v, want the text %q", name, err, tc.text)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, which holds a secret", name, err)
		}
	}
}

// TestF05_CutAtEveryByte holds that nothing of an answer that is cut short is used.
func TestF05_CutAtEveryByte(t *testing.T) {
	t.Parallel()
	const body = `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"b"},"values":[[1795431000,"1"]]}]}}`
	for n := range len(body) {
		c := newTestClient(t, "http://prometheus", promtest.New(func(promtest.Query) promtest.Answer {
			return promtest.JSON(200, body[:n]) // as if the length had been right
		}).Transport())
		if m, _, err := c.once(t.Context(), "up", anyRange); err == nil {
			t.Errorf("cut after %d bytes: got %v and no error", n, m)
		}
	}
}

func TestOnTheWire(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://user:hunter2@" + listener.Addr().String() + "/?token=hunter2"
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains about the handshake
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	answer := func(a promtest.Answer) string {
		return promtest.Start(t, func(promtest.Query) promtest.Answer { return a }).URL
	}
	for name, tc := range map[string]struct {
		address string
		want    Reason
	}{
		"F01 refused":         {closed, Unreachable},
		"F02 no such host":    {"http://nowhere.invalid", Unreachable},
		"F12 unknown CA":      {untrusted.URL, Untrusted},
		"F03 hang":            {answer(promtest.Answer{Hang: true}), TimedOut},
		"F04 slow drip":       {answer(promtest.Answer{Drip: true, Infos: []string{strings.Repeat("x", 5000)}}), TimedOut},
		"F05 connection lost": {answer(promtest.Answer{CutAt: 20}), Unreachable},
		"all is well":         {answer(promtest.Answer{Gzip: true}), ""},
	} {
		c := newTestClient(t, tc.address, http.DefaultTransport)
		c.timeout = 30 * time.Second // more than a busy machine needs
		if tc.want == TimedOut {
			c.timeout = 300 * time.Millisecond
		}
		_, _, err := c.once(t.Context(), "up", anyRange)
		checkReason(t, name, err, tc.want)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, which holds a secret", name, err)
		}
	}
}

// TestF11_RedirectsAreNotFollowed holds that credentials go to no other server.
func TestF11_RedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	other := promtest.Start(t, func(promtest.Query) promtest.Answer { return promtest.Answer{} })
	server := promtest.Start(t, func(promtest.Query) promtest.Answer {
		return promtest.Answer{Status: 307, Header: http.Header{"Location": {other.URL + "/api/v1/query_range"}}}
	})
	_, _, err := newTestClient(t, server.URL, http.DefaultTransport).ask(t.Context(), "up", anyRange)
	checkReason(t, "307", err, NotPrometheus)
	if n := len(other.Queries()); n != 0 {
		t.Errorf("the other server got %d requests, want none", n)
	}
}

// TestF16_PostRefused holds that GET is tried once and remembered.
func TestF16_PostRefused(t *testing.T) {
	t.Parallel()
	for _, status := range []int{403, 405, 501} {
		server := promtest.New(func(q promtest.Query) promtest.Answer {
			if q.Method != http.MethodGet {
				return promtest.Status(status, "no")
			}
			return promtest.Answer{}
		})
		c := newTestClient(t, "http://prometheus/prefix", server.Transport())
		var methods []string
		for range 2 {
			if _, _, err := c.ask(t.Context(), `up{a="+&"}`, anyRange); err != nil {
				t.Errorf("status %d: %v", status, err)
			}
		}
		for _, q := range server.Queries() {
			methods = append(methods, q.Method)
			if q.Expr != `up{a="+&"}` || q.Form.Get("partial_response") != "false" {
				t.Errorf("status %d: got the form %v by %s", status, q.Form, q.Method)
			}
		}
		if got := strings.Join(methods, " "); got != "POST GET GET" {
			t.Errorf("status %d: got %s, want POST GET GET", status, got)
		}
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	date := noon.Format(http.TimeFormat)
	for name, tc := range map[string]struct {
		first   promtest.Answer
		pause   time.Duration // until the second query; 0: there is none
		timeout time.Duration // 0 means 30 seconds
	}{
		"after a second when nothing is said": {promtest.Status(500, ""), time.Second, 0},
		"F08 Retry-After in seconds": {
			promtest.Answer{Status: 429, Header: http.Header{"Retry-After": {"20"}}}, 20 * time.Second, 0,
		},
		"F08 Retry-After as a date": {
			header(header(promtest.Status(503, ""), "Date", date), "Retry-After", noon.Add(15*time.Second).Format(http.TimeFormat)), 15 * time.Second, 0,
		},
		"Retry-After that is just not too long":    {promtest.Answer{Status: 429, Header: http.Header{"Retry-After": {"30"}}}, 30 * time.Second, 0},
		"Retry-After that the cycle does not have": {promtest.Answer{Status: 429, Header: http.Header{"Retry-After": {"3600"}}}, 0, 0},
		"Retry-After that makes no sense":          {promtest.Answer{Status: 429, Header: http.Header{"Retry-After": {"-1 soon"}}}, time.Second, 0},
		"a refusal is final":                       {promtest.Status(401, ""), 0, 0},
		"a login page is final":                    {promtest.HTML(), 0, 0},
		"broken JSON may be an accident":           {promtest.JSON(200, `{"status":`), time.Second, 0},
		"after as long as a query may take":        {promtest.Status(500, ""), time.Second / 2, time.Second / 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			server := promtest.New(func(promtest.Query) promtest.Answer {
				if asked++; asked == 1 {
					return tc.first
				}
				return promtest.Answer{}
			})
			c := newTestClient(t, "http://prometheus", server.Transport())
			c.timeout = 30 * time.Second
			if tc.timeout > 0 {
				c.timeout = tc.timeout
			}
			start := time.Now()
			_, _, err := c.ask(t.Context(), "up", anyRange)
			beyond := time.Since(start) - tc.pause // by chance, see TestF01_Jitter
			if tc.pause == 0 && (err == nil || asked != 1) || tc.pause != 0 && (err != nil || asked != 2 || beyond < 0 || beyond >= pauseBeforeRetry) {
				t.Errorf("%s: asked %d times within %s, error %v; want a pause of %s and less than %s more", name, asked, time.Since(start), err, tc.pause, pauseBeforeRetry)
			}
		})
	}
}

// TestPauseOfAShortTimeout holds that no pause that the server does not ask for is more than twice as long as a query may take.
func TestPauseOfAShortTimeout(t *testing.T) {
	t.Parallel()
	const timeout = 200 * time.Millisecond
	for n := 1; n <= retriesAtMost; n++ {
		if pause := pauseOf("gateway", n, 0, timeout); pause < timeout || pause >= 2*timeout {
			t.Errorf("retry %d: got %s, want from %s to twice that", n, pause, timeout)
		}
	}
}

// TestF01_Jitter holds that pauses grow and have an end, that what sources ask at the same time is spread over the time that they grow by, and that chance is the same every time.
func TestF01_Jitter(t *testing.T) {
	t.Parallel()
	const sources, parts = 200, 4
	for n, least := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 8 * time.Second, 8 * time.Second, 8 * time.Second, 8 * time.Second} {
		for _, asked := range []time.Duration{0, 20 * time.Second} {
			var in [parts]int // the sources whose pause ends in a quarter of the time
			for i := range sources {
				name := fmt.Sprintf("gateway-%d", i)
				pause := pauseOf(name, n+1, asked, time.Minute)
				beyond := pause - max(least, asked)
				if beyond < 0 || beyond >= least || pauseOf(name, n+1, asked, time.Minute) != pause {
					t.Fatalf("%s, retry %d, %s asked for: got %s, want from %s to twice %s more, and always the same", name, n+1, asked, pause, max(least, asked), least)
				}
				in[parts*beyond/least]++
			}
			for _, n := range in {
				if n < sources/parts/2 || n > sources/parts*2 {
					t.Errorf("retry %d, %s asked for: %v sources in the quarters, want about as many in each", n+1, asked, in)
				}
			}
		}
	}
}

// refusing is a transport to a server that takes no connection until an instant.
type refusing struct {
	http.RoundTripper

	until time.Time
}

func (r refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	if time.Now().Before(r.until) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	return r.RoundTripper.RoundTrip(req)
}

// TestF01_ServerStartsMidRun holds that a server that takes no connection is read by the same collection when it starts before the pause is over, and otherwise by the next, and that the history is left alone
// meanwhile.
func TestF01_ServerStartsMidRun(t *testing.T) {
	t.Parallel()
	for starts, up := range map[time.Duration]bool{900 * time.Millisecond: true, time.Minute: false} {
		synctest.Test(t, func(t *testing.T) {
			server := promtest.New(steady(always, never))
			h := newMemory()
			c := newCollector(t, Settings{Backfill: 48 * time.Hour}, server, h)
			before := collect(t, c, noon).Usage[0].Hours
			begun, writes := time.Now(), h.writes
			c.client.guard.next = refusing{server.Transport(), begun.Add(starts)}
			_, err := c.Collect(t.Context(), noon.Add(time.Hour))
			if took := time.Since(begun); took < pauseBeforeRetry || took >= 2*pauseBeforeRetry {
				t.Errorf("took %s, want one pause", took)
			}
			var e *Error
			stored := storedAll(t, c, noon)[0].Hours
			switch {
			case up && err != nil:
				t.Errorf("got error %v, want what the server has once it is there", err)
			case !up && (!errors.As(err, &e) || e.Reason != Unreachable || h.writes != writes || !slices.Equal(stored, before)):
				t.Errorf("got error %v and %d writes, want %s, and that the history stays as it was", err, h.writes-writes, Unreachable)
			}
			time.Sleep(starts)
			if got := collect(t, c, noon.Add(time.Hour)).Usage[0].Measured(); got != 49*time.Hour {
				t.Errorf("got %v, want the hour that was missed", got)
			}
		})
	}
}

// TestF17_RefusedOnce holds that what is refused is sent once in a run, about the same times or older ones, and again in the next run, and that another query, another source and newer times are none of it.
func TestF17_RefusedOnce(t *testing.T) {
	t.Parallel()
	older, newer := anyRange, anyRange
	older.End, newer.End = older.End.Add(-time.Hour), newer.End.Add(time.Hour)
	for name, answer := range map[string]promtest.Answer{
		"the query": promtest.Status(400, "unknown function"), "who asks": promtest.Status(401, "no org id"), "the address": promtest.HTML(),
		"its kind": promtest.JSON(200, `{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}`),
	} {
		server := promtest.New(func(promtest.Query) promtest.Answer { return answer })
		shared := NewServer(1)
		source := func(name string) *client {
			c, err := newClient(Settings{Name: name, URL: "http://prometheus", Client: server.Transport(), Server: shared})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		c, other := source("one"), source("other")
		leave := shared.Enter()
		for _, step := range []struct {
			what string
			by   *client
			expr string
			r    v1.Range
			sent bool
		}{
			{"the first time", c, "up", anyRange, true},
			{"again", c, "up", anyRange, false},
			{"about older hours", c, "up", older, false},
			{"about newer ones", c, "up", newer, true},
			{"about those again", c, "up", newer, false},
			{"another query", c, "down", anyRange, true},
			{"another source", other, "up", anyRange, true},
		} {
			server.Queries()
			_, _, err := step.by.ask(t.Context(), step.expr, step.r)
			e, _ := errors.AsType[*Error](err)
			if n := len(server.Queries()); e == nil || !e.final() || e.Text == "" || (n == 1) != step.sent || strings.Contains(e.Text, "not asked again: ") == step.sent {
				t.Errorf("%s refused, %s: got error %v and %d queries, want it sent: %v", name, step.what, err, n, step.sent)
			}
		}
		leave()
		shared.Enter()
		if _, _, err := c.ask(t.Context(), "up", anyRange); err == nil || len(server.Queries()) != 1 {
			t.Errorf("%s refused: the next run got %v, want that it asks again", name, err)
		}
	}
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ in, want string }{
		{"plain", "plain"},
		{" two\nlines\r\n", `two\nlines`},
		{`say "hi" \ <b>`, `say "hi" \\ <b>`},
		{"\x1b[31mred\u202e", `\x1b[31mred\u202e`},
		{"\xff", `\xff`},
	} {
		if got := oneLine(tc.in); got != tc.want {
			t.Errorf("%q: got %q, want %q", tc.in, got, tc.want)
		}
	}
	for _, long := range []string{strings.Repeat("é", 1000), "x" + strings.Repeat("é", 1000), strings.Repeat("\n\x00", 1000)} {
		if got := oneLine(long); len(got) > 512 || len(got) < 505 {
			t.Errorf("%.10q…: got %d bytes, want about 512 and not more", long, len(got))
		}
	}
}

// TestEncodings holds that answers are compressed where there is a line between the server and us.
func TestEncodings(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"http://prometheus:9090": "gzip", "http://10.0.0.7:9090": "gzip", "http://localhost.example:9090": "gzip",
		"http://localhost:9090": "identity", "http://127.0.0.1:9090": "identity", "http://[::1]:9090": "identity", "http://[::ffff:127.0.0.1]": "identity",
	} {
		server := promtest.New(func(promtest.Query) promtest.Answer { return promtest.Answer{} })
		if _, _, err := newTestClient(t, address, server.Transport()).once(t.Context(), "up", anyRange); err != nil {
			t.Fatal(err)
		}
		for _, q := range server.Queries() {
			if got := q.Header.Get("Accept-Encoding"); got != want {
				t.Errorf("%s: asked for %s, want %s", address, got, want)
			}
		}
	}
}

// cellsOf returns the values of an answer by workload, signal and hour.
func cellsOf(a answer) map[string]map[signal][]float64 {
	all := map[string]map[signal][]float64{}
	for g := range a.all() {
		key := canonical(g.labels)
		all[key] = map[signal][]float64{}
		for _, column := range g.columns {
			for _, c := range column.cells {
				all[key][column.signal] = append(all[key][column.signal], c.value, float64(c.seen))
			}
		}
	}
	return all
}

// FuzzDecodeQuery gives any body to the client and to the reader of answers: an error or numbers, never a crash, and
// never an hour that is measured and not plausible.
func FuzzDecodeQuery(f *testing.F) {
	data, err := os.ReadFile("testdata/promapi.json")
	if err != nil {
		f.Fatal(err)
	}
	var recorded map[string]struct {
		Body string `json:"body"`
	}
	if err := json.Unmarshal(data, &recorded); err != nil {
		f.Fatal(err)
	}
	for _, r := range recorded {
		f.Add([]byte(r.Body))
	}
	s := span{noon.Add(-24 * time.Hour).Truncate(time.Hour), noon.Truncate(time.Hour)}
	for _, v := range []string{"1", "NaN", "+Inf", "-1", "1e18", "1e309", ""} {
		f.Add(fmt.Appendf(nil, `{"status":"success","data":{"resultType":"matrix","result":[`+
			`{"metric":{"a":"x","tipline_signal":"input"},"values":[[%[1]d,"%[2]s"]]},{"metric":{"a":"x","tipline_signal":"output"},"values":[[%[1]d,"1"]]},`+
			`{"metric":{"a":"x","tipline_signal":"coverage"},"values":[[%[1]d,"1"]]}]}}`, s.To.Unix(), v))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		server := promtest.New(func(promtest.Query) promtest.Answer { return promtest.Answer{Body: append([]byte{}, body...)} })
		c := newTestClient(t, "http://prometheus", server.Transport())
		m, _, err := c.once(t.Context(), "up", anyRange)
		a := newAnswer(s, newRoll([]string{"a"}))
		_, _, streamErr := c.once(context.WithValue(t.Context(), takerKey{}, taker(a.take)), "up", anyRange)
		if err != nil && streamErr == nil {
			t.Errorf("a matrix is %v, and its series are taken", err)
		}
		if err != nil || streamErr != nil {
			return
		}
		read, err := readAnswer(m, s, []string{"a"})
		if err != nil {
			return
		}
		if diff := cmp.Diff(cellsOf(read), cellsOf(a), cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("what is taken of %s is not what the client library reads (-library +taken):\n%s", body, diff)
		}
		for g := range a.all() {
			for i := range s.hours() {
				h := judge(rules{includesCache: true}, g, i)
				var d, back day
				d[0] = h
				if err := decodeDay(encodeDay(nil, &d), &back); err != nil || back != d {
					t.Errorf("hour %+v does not survive storage: %v", h, err)
				}
				if h.Measured() && (h.notes&noteRefused != 0 || !(h.Tokens.Total() >= 0 && h.Tokens.Total() <= 2*maxTokensPerHour)) {
					t.Errorf("measured %+v from %s", h, body)
				}
			}
		}
	})
}
