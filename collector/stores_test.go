package collector

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tipline/collector/promtest"
)

// storing is a Thanos that says which stores it has.
type storing struct {
	http.RoundTripper

	status int    // 0 means 200
	stores string // JSON of them, by kind
	asked  int
	then   func() // called after each answer about stores; nil does nothing
}

// RoundTrip answers for the stores, and leaves everything else to the server behind.
func (s *storing) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(req.URL.Path, storesPath) {
		return s.RoundTripper.RoundTrip(req)
	}
	s.asked++
	rec := httptest.NewRecorder()
	rec.Header().Set("Content-Type", "application/json")
	if s.status != 0 {
		rec.WriteHeader(s.status)
	}
	_, _ = rec.WriteString(`{"status":"success","data":` + s.stores + `}`) // a buffer takes everything
	if s.then != nil {
		s.then()
	}
	return rec.Result(), nil
}

// stores is what a Thanos says of its stores of a kind, and storeOf what it says of each.
func stores(kind string, each ...string) string {
	return `{"` + kind + `":[` + strings.Join(each, ",") + `]}`
}

func storeOf(name, lastError, labels string) string {
	return `{"name":"` + name + `","lastCheck":"2026-11-29T20:30:00Z","lastError":` + lastError + `,"labelSets":[` + labels + `],"minTime":1788220800000,"maxTime":9223372036854775807}`
}

// What Thanos 0.42.4 said of two receivers, and 16 seconds after one of them was killed, when it answered queries with success and half of the series.
const (
	recordedStores = `{"receive":[{"name":"127.0.0.1:41001","lastCheck":"2026-11-29T20:57:56.113684486Z","lastError":null,"labelSets":[{"receiver":"a","tenant_id":"default-tenant"}],` +
		`"minTime":1788220800000,"maxTime":9223372036854775807},{"name":"127.0.0.1:41101","lastCheck":"2026-11-29T20:57:56.113956396Z","lastError":null,` +
		`"labelSets":[{"receiver":"b","tenant_id":"default-tenant"}],"minTime":1788220800000,"maxTime":9223372036854775807}]}`
	recordedStoreDown = `{"receive":[{"name":"127.0.0.1:41001","lastCheck":"2026-11-29T20:58:16.157269719Z","lastError":null,"labelSets":[{"receiver":"a","tenant_id":"default-tenant"}],` +
		`"minTime":1788220800000,"maxTime":9223372036854775807},{"name":"127.0.0.1:41101","lastCheck":"2026-11-29T20:57:56.113956396Z",` +
		`"lastError":"rpc error: code = DeadlineExceeded desc = latest balancer error: connection error: desc = \"transport: Error while dialing: dial tcp 127.0.0.1:41101: connect: connection refused\"",` +
		`"labelSets":[{"receiver":"b","tenant_id":"default-tenant"}],"minTime":1788220800000,"maxTime":9223372036854775807}]}`
)

// TestF19_StoreForgotten holds that hours are not taken from a Thanos that says that it does not reach a store, or no longer has one that it had within a day, though it answers queries
// with success; that they are asked for again; and that a store may move, come and go for good, and have replicas.
func TestF19_StoreForgotten(t *testing.T) {
	t.Parallel()
	const down = `"rpc error: connection refused"`
	a, b := storeOf("10.0.0.1:10901", "null", `{"cluster":"a","replica":"0"}`), storeOf("10.0.0.2:10901", "null", `{"cluster":"b","replica":"0"}`)
	for name, tc := range map[string]struct {
		first, then string // what stores there are
		want        string // in the error; empty for none
	}{
		"as recorded":                      {recordedStores, recordedStoreDown, "it does without a store: receive 127.0.0.1:41101: rpc error: code = DeadlineExceeded"},
		"all there":                        {stores("sidecar", a, b), stores("sidecar", a, b), ""},
		"one is not reached":               {stores("sidecar", a, b), stores("sidecar", a, storeOf("10.0.0.2:10901", down, `{"cluster":"b","replica":"0"}`)), "it does without a store: sidecar 10.0.0.2:10901: rpc error: connection refused"},
		"one was never there":              {"{}", stores("sidecar", a, storeOf("10.0.0.2:10901", down, "")), "sidecar 10.0.0.2:10901"},
		"one is forgotten":                 {stores("sidecar", a, b), stores("sidecar", a), `it does without a store: sidecar {cluster="b"}, last seen at 2026-11-20 12:05, is gone`},
		"all are forgotten":                {stores("sidecar", a, b), "{}", `sidecar {cluster="a"}, last seen at 2026-11-20 12:05, is gone, and believed to be for good after a day; and 1 more`},
		"its past is still in the bucket":  {`{"sidecar":[` + a + `,` + b + `],"store":[` + b + `]}`, `{"sidecar":[` + a + `],"store":[` + b + `]}`, `sidecar {cluster="b"}`},
		"one tenant of a receiver is gone": {stores("receive", storeOf("r", "null", `{"tenant_id":"x"},{"tenant_id":"y"}`)), stores("receive", storeOf("r", "null", `{"tenant_id":"y"}`)), `receive {tenant_id="x"}`},
		"one has moved":                    {stores("sidecar", a, b), stores("sidecar", a, storeOf("10.0.0.9:10901", "null", `{"cluster":"b","replica":"0"}`)), ""},
		"a replica is left":                {stores("sidecar", a, b, storeOf("x", "null", `{"cluster":"b","replica":"1"}`)), stores("sidecar", a, b), ""},
		"one more":                         {stores("sidecar", a), stores("sidecar", a, b), ""},
		"hostile words":                    {stores("sidecar", a), stores("sidecar", storeOf("x", `"\n\u001b[31m`+strings.Repeat("y", 1000)+`"`, "")), `sidecar x: \n\x1b[31myyy`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := promtest.New(steady(always, never))
			c := newCollector(t, Settings{Backfill: 24 * time.Hour}, server, newMemory())
			thanos := &storing{RoundTripper: server.Transport(), stores: tc.first}
			c.client.guard.next = thanos
			collect(t, c, noon)
			thanos.stores = tc.then
			if tc.first == "{}" { // it is not asked again that day
				c.unstored = time.Time{}
			}
			result, err := c.Collect(t.Context(), noon.Add(time.Hour))
			if tc.want == "" {
				if err != nil {
					t.Errorf("got %v, want that nothing is missing", err)
				}
				return
			}
			if ReasonOf(err) != Partial || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "more") != strings.Contains(tc.want, "more") || len(err.Error()) > 700 {
				t.Errorf("got %v, want %s with %q", err, Partial, tc.want)
			}
			if last := c.Read(result.Usage[0], noon.Add(time.Hour)).Hours; last[len(last)-1].Measured() {
				t.Errorf("got %+v of the hour that was answered without a store, want that it is not known", last[len(last)-1])
			}
			thanos.stores = tc.first
			if tc.first == "{}" {
				thanos.stores = stores("sidecar", a, b)
			}
			result, err = c.Collect(t.Context(), noon.Add(2*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			for i, h := range c.Read(result.Usage[0], noon.Add(2*time.Hour)).Hours {
				if h != typicalHour {
					t.Errorf("hour %d once all are back: got %+v, want %+v", i, h, typicalHour)
				}
			}
		})
	}
}

// TestF19_StoreIsLostOnTheWay holds that a store that goes between the look at all and the queries, and one that is away for the queries alone, make none of the answers known, in a cold
// start as well; that a restart forgets no store, and another address has its own; and that one that stays away for a day is gone for good.
func TestF19_StoreIsLostOnTheWay(t *testing.T) {
	t.Parallel()
	a, b := storeOf("a", "null", `{"cluster":"a"}`), storeOf("b", "null", `{"cluster":"b"}`)
	server, history := promtest.New(steady(always, never)), newMemory()
	thanos := &storing{RoundTripper: server.Transport(), stores: stores("sidecar", a, b)}
	open := func() *Collector {
		c := newCollector(t, Settings{Backfill: 24 * time.Hour}, server, history)
		c.client.guard.next = thanos
		return c
	}
	c := open()
	collect(t, c, noon)
	thanos.then = func() { thanos.stores = stores("sidecar", a) }
	if _, err := c.Collect(t.Context(), noon.Add(time.Hour)); ReasonOf(err) != Partial {
		t.Errorf("gone after the first look: got %v, want %s", err, Partial)
	}
	thanos.then = func() { thanos.stores = stores("sidecar", a, b) }
	if _, err := c.Collect(t.Context(), noon.Add(2*time.Hour)); ReasonOf(err) != Partial {
		t.Errorf("back after the first look: got %v, want %s", err, Partial)
	}
	thanos.then = nil
	thanos.stores = stores("sidecar", a)
	for hour := 3; hour < 24; hour++ {
		c = open()
		if _, err := c.Collect(t.Context(), noon.Add(time.Duration(hour)*time.Hour)); ReasonOf(err) != Partial {
			t.Errorf("hour %d: got %v, want %s", hour, err, Partial)
		}
	}
	elsewhere := open()
	elsewhere.client.address = "http://other.example"
	collect(t, elsewhere, noon.Add(23*time.Hour)) // another Thanos never had it
	c = open()
	thanos.stores = stores("sidecar", a, b)
	collect(t, c, noon.Add(24*time.Hour))
	thanos.stores = stores("sidecar", a)
	if _, err := c.Collect(t.Context(), noon.Add(47*time.Hour)); ReasonOf(err) != Partial {
		t.Errorf("23 hours later: got %v, want %s", err, Partial)
	}
	collect(t, open(), noon.Add(48*time.Hour))
}

// TestStoresAreAskedFor holds that a server without stores is asked for them once a day, by one query that may be refused in any way, and a Thanos before and after its hours; that
// one that was a Thanos may be something else; and that one that has trouble with the question is not taken to be whole.
func TestStoresAreAskedFor(t *testing.T) {
	t.Parallel()
	server := promtest.New(steady(always, never))
	c := newCollector(t, Settings{Backfill: 24 * time.Hour}, server, newMemory())
	s := &storing{RoundTripper: server.Transport()}
	c.client.guard.next = s
	some := stores("sidecar", storeOf("a", "null", `{"cluster":"a"}`))
	for i, day := range []struct {
		status      int
		stores      string
		first, next int // times that it is asked in the first hour, and in the others
		review      int // and beside those at midnight, about closed days
	}{
		{404, "", 1, 0, 0}, {400, "{}", 1, 0, 0}, {403, "{}", 1, 0, 0}, {0, "{}", 1, 0, 0}, {0, `["none"]`, 1, 0, 0}, {0, some, 1, 2, 2}, {404, "", 1, 0, 0}, {0, some, 1, 2, 4},
	} {
		s.status, s.stores = day.status, day.stores
		for hour := range 24 {
			s.asked = 0
			collect(t, c, noon.Add(time.Duration(24*i+hour)*time.Hour))
			want := day.next
			if hour == 0 {
				want = day.first
			}
			if hour == 12 {
				want += day.review
			}
			if s.asked != want {
				t.Errorf("day %d, hour %d: asked %d times, want %d", i, hour, s.asked, want)
			}
		}
	}
	s.status = 503
	if _, err := c.Collect(t.Context(), noon.Add(8*24*time.Hour)); ReasonOf(err) != Overloaded {
		t.Errorf("a Thanos that does not say: got %v, want %s", err, Overloaded)
	}
}

// TestF19_StoreIsLostBeforeEngines holds that how the engines did is not taken from a Thanos that has lost a store since it gave the hours, and is asked for again.
func TestF19_StoreIsLostBeforeEngines(t *testing.T) {
	t.Parallel()
	a, b := storeOf("a", "null", `{"cluster":"a"}`), storeOf("b", "null", `{"cluster":"b"}`)
	server := promtest.New(fleet(1, map[string]float64{"ttft_p95": 0.75, "waiting": 0, "replicas": 2}))
	thanos := &storing{RoundTripper: server.Transport(), stores: stores("sidecar", a, b)}
	c := newCollector(t, Settings{Pack: "vllm", Backfill: 24 * time.Hour}, server, newMemory())
	c.client.guard.next = thanos
	collect(t, c, noon)
	for _, tc := range []struct {
		after  time.Duration
		lost   bool
		warned bool
		want   float64
	}{{time.Hour, true, true, 0}, {2 * time.Hour, false, false, 2}} {
		thanos.stores, thanos.asked = stores("sidecar", a, b), 0
		thanos.then = func() {
			if tc.lost && thanos.asked == 2 { // before and after the hours
				thanos.stores = stores("sidecar", a)
			}
		}
		r := collect(t, c, noon.Add(tc.after))
		if got := strings.Contains(codes(r.Warnings), ServingFailed); got != tc.warned {
			t.Errorf("after %s: got the warnings %v, want one of engines: %t", tc.after, r.Warnings, tc.warned)
		}
		if got := r.Usage[0].Serving[24].Replicas; got != tc.want {
			t.Errorf("after %s: got %g replicas in the hour in which a store was lost, want %g", tc.after, got, tc.want)
		}
	}
}

// TestF19_StoresCannotBeAskedFor holds that a server that has trouble with the question for stores, of which it may have none, is asked once in a collection however many batches that has, and
// that a Thanos that forbids to ask is not read for a day, which says what it forbids, and is as any other server then.
func TestF19_StoresCannotBeAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := promtest.New(steady(always, never))
		c := newCollector(t, Settings{}, server, newMemory())
		s := &storing{RoundTripper: server.Transport(), status: 503}
		c.client.guard.next = s
		for hour := range 2 {
			s.asked = 0
			r := collect(t, c, noon.Add(time.Duration(hour)*time.Hour))
			if s.asked != 2 || len(r.Usage[0].Hours) != 60*24+hour { // once, and again a moment later
				t.Errorf("hour %d: asked %d times, and got %d hours, want 2 and %d", hour, s.asked, len(r.Usage[0].Hours), 60*24+hour)
			}
		}
		s.status, s.stores = 0, stores("sidecar", storeOf("a", "null", `{"cluster":"a"}`))
		collect(t, c, noon.Add(2*time.Hour))
		s.status = 403
		for hour := 3; hour < 26; hour++ {
			if _, err := c.Collect(t.Context(), noon.Add(time.Duration(hour)*time.Hour)); ReasonOf(err) != Unauthorized || !strings.Contains(err.Error(), storesPath) {
				t.Fatalf("hour %d: got %v, want %s and %s", hour, err, Unauthorized, storesPath)
			}
		}
		r := collect(t, c, noon.Add(26*time.Hour))
		for i, h := range r.Usage[0].Hours {
			if h != typicalHour {
				t.Fatalf("a day later: hour %d: got %+v, want %+v", i, h, typicalHour)
			}
		}
	})
}
