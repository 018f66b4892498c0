package collector

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tipline/collector/promtest"
	"tipline/model"
)

// TestF02_AddressChange holds that a host is looked up again for every connection, so that a server that has moved is found by the retry.
func TestF02_AddressChange(t *testing.T) {
	t.Parallel()
	good := func(promtest.Query) promtest.Answer { return promtest.Answer{} }
	moved := strings.TrimPrefix(promtest.Start(t, good).URL, "http://")
	was := httptest.NewServer(promtest.New(good))
	address := strings.TrimPrefix(was.URL, "http://")
	var lookups atomic.Int32
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		if lookups.Add(1) > 2 {
			address = moved
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	c := newTestClient(t, "http://prometheus.example:9090", transport)
	if _, _, err := c.ask(t.Context(), "up", anyRange); err != nil {
		t.Fatal(err)
	}
	was.Close()
	if _, _, err := c.ask(t.Context(), "up", anyRange); err != nil {
		t.Errorf("after the move: %v", err)
	}
	if n := lookups.Load(); n != 3 {
		t.Errorf("looked up %d times, want one for the first answer, one in vain and one for the second", n)
	}
}

// TestF12_TLS holds that a certificate that is expired, of another name or of an unknown authority is not accepted, nor a server that wants one
// of the client, and that the error says which.
func TestF12_TLS(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	for _, tc := range []struct {
		name    string
		host    string        // in the certificate
		until   time.Duration // from now
		trusted bool
		client  tls.ClientAuthType
		want    Reason
		text    string
	}{
		{"all is well", "127.0.0.1", year, true, tls.NoClientCert, "", ""},
		{"expired", "127.0.0.1", -time.Hour, true, tls.NoClientCert, Untrusted, "expired"},
		{"another name", "192.0.2.1", year, true, tls.NoClientCert, Untrusted, "valid for 192.0.2.1"},
		{"unknown authority", "127.0.0.1", year, false, tls.NoClientCert, Untrusted, "unknown authority"},
		{"certificate wanted", "127.0.0.1", year, true, tls.RequireAnyClientCert, Untrusted, "certificate required"},
	} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		form := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "prometheus"}, IPAddresses: []net.IP{net.ParseIP(tc.host)},
			NotBefore: time.Now().Add(-year), NotAfter: time.Now().Add(tc.until), IsCA: true, BasicConstraintsValid: true,
		}
		der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(promtest.New(func(promtest.Query) promtest.Answer { return promtest.Answer{} }))
		server.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains about the handshake
		server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, ClientAuth: tc.client}
		server.StartTLS()
		roots := x509.NewCertPool()
		if tc.trusted {
			parsed, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			roots.AddCert(parsed)
		}
		_, _, err = newTestClient(t, server.URL, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}).ask(t.Context(), "up", anyRange)
		checkReason(t, tc.name, err, tc.want)
		if err != nil && !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: got %v, want the text %q", tc.name, err, tc.text)
		}
		server.Close()
	}
}

// TestF31_LessThanBefore holds that an hour that was seen is not made less by a later answer that sees less of it, and that one that is settled
// is not asked for again.
func TestF31_LessThanBefore(t *testing.T) {
	t.Parallel()
	seen := 0.9
	server := promtest.New(func(q promtest.Query) promtest.Answer {
		return promtest.Answer{Series: promtest.Each(q, support, func(signal string, _ time.Time) (float64, bool) {
			v, ok := typical[signal]
			if signal != "resets" {
				v *= seen
			}
			return v, ok
		})}
	})
	c := newCollector(t, Settings{Backfill: 6 * time.Hour}, server, newMemory())
	before := collect(t, c, noon).Usage[0].Hours
	seen = 0.4 // part of the data is out of reach
	server.Queries()
	after := collect(t, c, noon.Add(time.Minute)).Usage[0].Hours
	if got := len(server.Queries()[0].Times()); got != 6 {
		t.Fatalf("asked for %d hours again, want the 6 that were not seen whole", got)
	}
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("got %v, want what was seen before, %v", after, before)
	}
	seen = 1 // the late samples are in
	collect(t, c, noon.Add(2*time.Minute))
	server.Queries()
	if got := collect(t, c, noon.Add(3*time.Minute)).Usage[0].Hours; got[0] != typicalHour {
		t.Errorf("got %+v, want %+v", got[0], typicalHour)
	}
	for _, q := range server.Queries() {
		if len(q.Signals()) > 2 {
			t.Errorf("asked for settled hours again: %s to %s", q.Start, q.End)
		}
	}
}

// dated returns an answer that says that it is at by the server's clock.
func dated(a promtest.Answer, at time.Time) promtest.Answer {
	return header(a, "Date", at.Format(http.TimeFormat))
}

// TestF52_Clocks holds that the dates of answers are compared with our clock, to the second: more than a minute is told, and what nobody can know is not.
func TestF52_Clocks(t *testing.T) {
	t.Parallel()
	offset := func(d time.Duration) func(promtest.Answer) promtest.Answer {
		return func(a promtest.Answer) promtest.Answer { return dated(a, noon.Add(d)) }
	}
	kept := false
	for _, tc := range []struct {
		name  string
		dates func(promtest.Answer) promtest.Answer
		want  any // by how much the server is ahead; nil when that is not known
		text  string
	}{
		{"no date", func(a promtest.Answer) promtest.Answer { return a }, nil, ""},
		{"no date that can be read", func(a promtest.Answer) promtest.Answer { return header(a, "Date", "yesterday") }, nil, ""},
		{"the same time", offset(0), time.Duration(0), ""},
		{"the fraction of the second is left out", offset(-time.Second), time.Duration(0), ""},
		{"a minute ahead", offset(time.Minute), time.Minute, ""},
		{"more than a minute ahead", offset(61 * time.Second), 61 * time.Second, "the clock of the server is 1m1s ahead of ours: set the one that is wrong"},
		{"five minutes behind", offset(-5*time.Minute - time.Second), -5 * time.Minute, "the clock of the server is 5m0s behind ours: set the one that is wrong"},
		{"more than that", offset(-7*time.Minute - time.Second), -7 * time.Minute, "the clock of the server is 7m0s behind ours: set the one that is wrong; until then the age of its data is not known"},
		{"one that a cache had kept", func(a promtest.Answer) promtest.Answer {
			if kept = !kept; kept {
				return dated(a, noon.Add(-time.Hour))
			}
			return dated(a, noon)
		}, time.Duration(0), ""},
	} {
		server := promtest.New(func(q promtest.Query) promtest.Answer { return tc.dates(steady(always, never)(q)) })
		c := newCollector(t, Settings{Backfill: 24 * time.Hour, Concurrency: 1, Clock: func() time.Time { return noon }}, server, newMemory())
		r := collect(t, c, noon)
		var got any
		if r.Ahead != nil {
			got = *r.Ahead
		}
		text := ""
		for _, w := range r.Warnings {
			if w.Code == ClockSkew {
				text = w.Text
			}
		}
		if got != tc.want || text != tc.text {
			t.Errorf("%s: got %v and %q, want %v and %q", tc.name, got, text, tc.want, tc.text)
		}
	}
}

// TestF52_NewestSample holds that samples that are still to come by our clock are found, by the query that looks for replicas once a day, and then at every collection until they
// are no more; that more than a minute is told and what the clock of the server explains is not told twice.
func TestF52_NewestSample(t *testing.T) {
	t.Parallel()
	var server, sample time.Duration // ahead of our clock
	ours, refused := noon, ""
	prometheus := promtest.New(func(q promtest.Query) promtest.Answer {
		if refused != "" && strings.Contains(q.Expr, "newest_sample") {
			return dated(promtest.Status(400, refused), ours.Add(server))
		}
		a := promtest.Answer{Series: promtest.Each(q, nil, func(signal string, at time.Time) (float64, bool) {
			newest := ours.Add(sample)
			return float64(newest.UnixMilli()) / 1000, signal == "newest_sample" && !newest.After(at) && at.Sub(newest) < 5*time.Minute
		})}
		a.Series = append(a.Series, steady(always, never)(q).Series...)
		return dated(a, ours.Add(server))
	})
	c := newCollector(t, Settings{Backfill: 24 * time.Hour, Clock: func() time.Time { return ours }}, prometheus, newMemory())
	const day = 24 * time.Hour
	for _, tc := range []struct {
		name           string
		later          time.Duration // than the row before
		server, sample time.Duration
		looked         bool
		ahead          time.Duration
		text           string
	}{
		{"in time", 0, 0, -15 * time.Second, true, 0, ""},
		{"not looked for within a day", day - time.Hour, 0, 4 * time.Minute, false, 0, ""},
		{"a minute", time.Hour, 0, time.Minute, true, 0, ""},
		{"more than a minute", day, 0, 61 * time.Second, true, 61 * time.Second, "the newest sample is 1m1s ahead of our clock: set ours, or that of what scrapes or sends it"},
		{
			"more than five, looked for at once", time.Hour, 0, 330 * time.Second, true, 330 * time.Second,
			"the newest sample is 5m30s ahead of our clock: set ours, or that of what scrapes or sends it; until then the age of its data is not known",
		},
		{
			"not answered", time.Hour, 0, 0, true, 330 * time.Second,
			"the newest sample is 5m30s ahead of our clock: set ours, or that of what scrapes or sends it; until then the age of its data is not known",
		},
		{"as the server's clock", time.Hour, 2 * time.Minute, 2*time.Minute + time.Second, true, 2 * time.Minute, "the clock of the server is 2m0s ahead of ours: set the one that is wrong"},
		{
			"more than the server's clock", time.Hour, 2 * time.Minute, 4 * time.Minute, true, 4 * time.Minute,
			"the newest sample is 4m0s ahead of our clock: set ours, or that of what scrapes or sends it",
		},
		{"set", time.Hour, 0, 0, true, 0, ""},
		{"not looked for within a day again", time.Hour, 0, 4 * time.Minute, false, 0, ""},
	} {
		ours = ours.Add(tc.later)
		server, sample, refused = tc.server, tc.sample, ""
		if tc.name == "not answered" {
			refused = "no"
		}
		r := collect(t, c, ours)
		looked := 0
		for _, q := range prometheus.Queries() {
			if strings.Contains(q.Expr, "newest_sample") {
				looked++
			}
		}
		text := ""
		for _, w := range r.Warnings {
			if w.Code == ClockSkew {
				text = w.Text
			}
		}
		if r.Ahead == nil || *r.Ahead != tc.ahead || text != tc.text || looked > 1 || (looked == 1) != tc.looked {
			t.Errorf("%s: got %v and %q after %d looks, want %v and %q, looked for: %v", tc.name, r.Ahead, text, looked, tc.ahead, tc.text, tc.looked)
		}
	}
}

// TestF52_HoursToCome holds that hours that are still to come by the server's clock are measured once they have come, although ours had them long past; and that hours that are
// to come by ours are not used.
func TestF52_HoursToCome(t *testing.T) {
	t.Parallel()
	at, ours := noon, noon.Add(30*time.Hour)
	server := promtest.New(func(q promtest.Query) promtest.Answer { return dated(steady(always, at)(q), at) })
	c := newCollector(t, Settings{Backfill: 48 * time.Hour, Clock: func() time.Time { return ours }}, server, newMemory())
	collect(t, c, ours.Add(-12*time.Hour))
	if r := collect(t, c, ours); !strings.Contains(codes(r.Warnings), ClockSkew) {
		t.Fatalf("got %q, want %s", codes(r.Warnings), ClockSkew)
	}
	ours, at = noon.Add(10*time.Hour), noon.Add(10*time.Hour) // somebody has set it
	u := collect(t, c, ours).Usage[0]
	if len(u.Hours) == 0 || !u.End().Equal(ours.Truncate(time.Hour)) {
		t.Fatalf("got %d hours up to %s, want those up to %s", len(u.Hours), u.End(), ours)
	}
	for i, h := range u.Hours {
		if !h.Measured() {
			t.Errorf("the hour from %s is not measured", u.Start.Add(time.Duration(i)*time.Hour))
		}
	}
	ours, at = noon.Add(2*time.Hour), noon.Add(2*time.Hour) // both were wrong
	if u := collect(t, c, ours).Usage[0]; u.End().After(ours) {
		t.Errorf("got hours up to %s, want none after %s", u.End(), ours)
	}
}

// TestF68_OldDaysAreDropped holds that days leave the history after 400 days, and workloads with their last day.
func TestF68_OldDaysAreDropped(t *testing.T) {
	t.Parallel()
	h := newMemory()
	s := Settings{Backfill: 48 * time.Hour}
	collect(t, newCollector(t, s, promtest.New(steady(always, never)), h), noon)
	if len(h.rows) < 4 {
		t.Fatalf("got %d rows, want days, a workload and a record", len(h.rows))
	}
	later := noon.Add(500 * 24 * time.Hour)
	c := newCollector(t, s, promtest.New(steady(later.Add(-time.Hour), never)), h)
	collect(t, c, later)
	for key := range h.rows {
		if strings.Contains(key, "/2026-") {
			t.Errorf("%s is still there after 500 days", key)
		}
	}
}

// broken is a transport that panics.
type broken struct{}

func (broken) RoundTrip(*http.Request) (*http.Response, error) { panic("no such token") }

// TestF90_Query holds that a panic in one of the queries that are under way at once comes out of Collect, where its caller can catch it, and that the
// collector works once nothing panics any more.
func TestF90_Query(t *testing.T) {
	t.Parallel()
	c := newCollector(t, Settings{Backfill: 4 * 24 * time.Hour}, promtest.New(steady(always, never)), newMemory())
	was := c.client
	c.client = newTestClient(t, "http://prometheus:9090", broken{})
	func() {
		defer func() {
			p, caught := recover().(*model.Panic)
			if !caught || p.What != "a string" || !strings.Contains(p.Stack, "RoundTrip") {
				t.Errorf("got %+v, want the panic and where it was", p)
			}
		}()
		_, _ = c.Collect(t.Context(), noon)
	}()
	c.client = was
	if _, err := c.Collect(t.Context(), noon); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
