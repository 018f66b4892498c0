package pricelist

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tipline/config"
)

const list = `{"gpt-5-mini": {"litellm_provider": "openai", "input_cost_per_token": 2.5e-07, "output_cost_per_token": 2e-06},
"new": {"litellm_provider": "somebody", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}}`

var now = time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC)

// publisher is a server of a price list.
type publisher struct {
	*httptest.Server
	answer http.HandlerFunc
	asked  []http.Header
}

func publish(t *testing.T) (*publisher, config.PriceSource) {
	t.Helper()
	p := &publisher{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked = append(p.asked, r.Header)
		p.answer(w, r)
	}))
	t.Cleanup(p.Close)
	return p, config.PriceSource{Name: "litellm", From: "litellm", URL: p.URL + "/prices.json", Path: filepath.Join(t.TempDir(), "prices", "litellm.csv")}
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"1"`)
		_, _ = w.Write([]byte(text))
	}
}

func value(t *testing.T, s config.PriceSource, item, field string) config.Row {
	t.Helper()
	book, err := s.Copy()
	if err != nil {
		t.Fatal(err)
	}
	row, _ := book.Value(item, field)
	return row
}

func refresh(t *testing.T, s config.PriceSource, at time.Time, confirmed ...string) (changed bool, bad []config.Quarantined) {
	t.Helper()
	changed, bad, err := Refresh(t.Context(), s, confirmed, at)
	if err != nil {
		t.Fatal(err)
	}
	return changed, bad
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	p, s := publish(t)
	p.answer = says(list)
	if changed, bad := refresh(t, s, now); !changed || len(bad) > 0 {
		t.Errorf("first: changed %v, quarantined %+v", changed, bad)
	}
	if row := value(t, s, "openai/gpt-5-mini", "input"); row.Value != "0.25" || row.Date != "2026-11-20" {
		t.Errorf("got %+v, want today's price", row)
	}
	if row := value(t, s, "h100", "usd_per_hour"); row.Value != "" {
		t.Errorf("got %+v in the copy, want nothing of the built-in book", row)
	}

	p.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") != `"1"` {
			t.Errorf("asked without the tag of the copy: %v", r.Header)
		}
		w.WriteHeader(http.StatusNotModified)
	}
	if changed, _ := refresh(t, s, now.AddDate(0, 0, 1)); changed {
		t.Error("nothing changed, and it says so")
	}
	if row := value(t, s, "openai/gpt-5-mini", "input"); row.Date != "2026-11-21" {
		t.Errorf("got %+v, want it looked at on the day", row)
	}

	p.answer = says(strings.ReplaceAll(strings.ReplaceAll(list, "2.5e-07", "2.5e-06"), `"input_cost_per_token": 1e-06`, `"input_cost_per_token": 1.5e-06`))
	changed, bad := refresh(t, s, now.AddDate(0, 0, 2))
	if !changed || len(bad) != 1 || bad[0].Item != "openai/gpt-5-mini" {
		t.Errorf("ten times as much: changed %v, quarantined %+v", changed, bad)
	}
	if row := value(t, s, "openai/gpt-5-mini", "input"); row.Value != "0.25" || row.Date != "2026-11-21" {
		t.Errorf("got %+v, want the last good price with its own date", row)
	}
	if row := value(t, s, "somebody/new", "input"); row.Value != "1.5" {
		t.Errorf("got %+v, want the new price beside it", row)
	}
	if refresh(t, s, now.AddDate(0, 0, 3), "openai/gpt-5-mini"); value(t, s, "openai/gpt-5-mini", "input").Value != "2.5" {
		t.Error("confirmed, and yet not believed")
	}

	moved := s
	moved.URL = p.URL + "/elsewhere.json"
	refresh(t, moved, now)
	if last := p.asked[len(p.asked)-1]; last.Get("If-None-Match") != "" {
		t.Errorf("another address was asked with the tag of the old one: %v", last)
	}
	if err := os.WriteFile(s.Path, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if refresh(t, s, now); value(t, s, "somebody/new", "input").Value != "1.5" {
		t.Error("a copy that cannot be read was not replaced")
	}
}

// TestRefusedIsToldAsLongAsItIsThere holds that a row that cannot be right is told again where the server says that its list is as it was, after a restart too.
func TestRefusedIsToldAsLongAsItIsThere(t *testing.T) {
	t.Parallel()
	p, s := publish(t)
	p.answer = says(strings.Replace(list, `"input_cost_per_token": 1e-06`, `"input_cost_per_token": -1e-06`, 1))
	_, first := refresh(t, s, now)
	p.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") != `"1"` {
			t.Errorf("asked without the tag of the copy: %v", r.Header)
		}
		w.WriteHeader(http.StatusNotModified)
	}
	for range 2 {
		if changed, again := refresh(t, s, now.AddDate(0, 0, 1)); changed || len(first) == 0 || fmt.Sprint(again) != fmt.Sprint(first) {
			t.Errorf("as it was: changed %v, quarantined %+v, want %+v", changed, again, first)
		}
	}
	p.answer = says(list)
	if _, bad := refresh(t, s, now.AddDate(0, 0, 2)); len(bad) > 0 {
		t.Errorf("repaired: quarantined %+v", bad)
	}
}

// TestNodesThatAreNotSelectedAnyMore holds that a list of other nodes than before has none of those that it had, and that one of the same nodes keeps
// what is not there for a while.
func TestNodesThatAreNotSelectedAnyMore(t *testing.T) {
	t.Parallel()
	list := config.PriceSource{
		Name: "live", From: config.OpenCost, Source: "engines", Path: filepath.Join(t.TempDir(), "live.csv"), Select: map[string]string{"cluster": "a"},
	}
	old, other := config.NodePrice{InstanceType: "p5.48xlarge", USDPerHour: 6}, config.NodePrice{InstanceType: "g6.xlarge", USDPerHour: 1}
	read := func(changed bool, found ...config.NodePrice) {
		t.Helper()
		if got, bad, err := RefreshOpenCost(list, found, nil, now); err != nil || got != changed || len(bad) > 0 {
			t.Fatalf("changed %v, quarantined %+v, %v, want changed %v", got, bad, err, changed)
		}
	}
	has := func(item string) bool { return value(t, list, "live/"+item+"/-/on-demand", "usd_per_hour").Value != "" }
	read(true, old, other)
	if read(false, other); !has("p5.48xlarge") || !has("g6.xlarge") {
		t.Error("a node that is scaled to zero lost its price")
	}
	if err := os.WriteFile(list.Path+".json", []byte(`{"url":""}`), 0o600); err != nil { // as an early version left it
		t.Fatal(err)
	}
	if read(false, other); !has("p5.48xlarge") {
		t.Error("a node that is scaled to zero lost its price by an upgrade")
	}
	list.Select = map[string]string{"cluster": "b"}
	if read(true, other); has("p5.48xlarge") || !has("g6.xlarge") {
		t.Error("a node that is not selected any more kept its price, or one that is lost it")
	}
}

// TestListsByAnyName holds that no name of a list is in the way of what is kept beside another.
func TestListsByAnyName(t *testing.T) {
	t.Parallel()
	p, s := publish(t)
	p.answer = says(list)
	other := s
	other.Path = strings.TrimSuffix(s.Path, ".csv") + ".anchors.csv" // as the list litellm.anchors has it
	refresh(t, s, now)
	p.answer = says(strings.ReplaceAll(list, "1e-06", "3e-06"))
	refresh(t, other, now)
	p.answer = says(list)
	if _, bad := refresh(t, s, now.AddDate(0, 0, 1)); len(bad) > 0 || value(t, other, "somebody/new", "input").Value != "3" || value(t, s, "somebody/new", "input").Value != "1" {
		t.Errorf("quarantined %+v, want each list held against its own prices", bad)
	}
}

// TestHeldBackIsAskedForAgain holds that a list of which something is held back is not taken for known where it stays as it is: it is told again, keeps its own date,
// and is believed once somebody stands for it.
func TestHeldBackIsAskedForAgain(t *testing.T) {
	t.Parallel()
	p, s := publish(t)
	tagged := func(tag, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", tag)
			if r.Header.Get("If-None-Match") == tag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			_, _ = w.Write([]byte(text))
		}
	}
	p.answer = tagged(`"1"`, list)
	refresh(t, s, now)
	p.answer = tagged(`"2"`, strings.ReplaceAll(list, "2.5e-07", "2.5e-06"))
	for days := 1; days < 3; days++ {
		_, bad := refresh(t, s, now.AddDate(0, 0, days))
		if row := value(t, s, "openai/gpt-5-mini", "input"); len(bad) == 0 || row.Value != "0.25" || row.Date != "2026-11-20" {
			t.Errorf("day %d: quarantined %+v and kept %+v, want the last good price with its own date", days, bad, row)
		}
	}
	if _, bad := refresh(t, s, now.AddDate(0, 0, 3), "openai/gpt-5-mini"); len(bad) > 0 || value(t, s, "openai/gpt-5-mini", "input").Value != "2.5" {
		t.Errorf("confirmed, and yet not believed: %+v", bad)
	}
	asked := len(p.asked)
	if changed, _ := refresh(t, s, now.AddDate(0, 0, 4)); changed || p.asked[asked].Get("If-None-Match") != `"2"` {
		t.Error("a list that is believed as a whole was asked for without its tag")
	}
}

// TestRefreshFails holds that whatever goes wrong is said and leaves the copy as it was.
func TestRefreshFails(t *testing.T) {
	t.Parallel()
	p, s := publish(t)
	p.answer = says(list)
	refresh(t, s, now)
	before, err := os.ReadFile(s.Path)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another host was asked") }))
	defer elsewhere.Close()
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"an error":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "500"},
		"not there":    {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, "404"},
		"truncated":    {says(list[:len(list)/2]), "price map"},
		"a login page": {says("<html>"), "price map"},
		"50 MB":        {says(strings.Repeat(" ", 50<<20)), "more than 32 MiB"},
		"another host": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, "redirected to"},
		"a broken wire": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("{"))
		}, "EOF"},
		"a gzip bomb": {func(w http.ResponseWriter, _ *http.Request) {
			var bomb bytes.Buffer
			z := gzip.NewWriter(&bomb)
			_, _ = z.Write(make([]byte, 64<<20))
			_ = z.Close()
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		}, "more than 32 MiB"},
	} {
		p.answer = tc.answer
		changed, _, err := Refresh(t.Context(), s, nil, now.AddDate(0, 0, 1))
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "price list litellm: ") || changed {
			t.Errorf("%s: got %v, %v, want %q", name, changed, err, tc.want)
		}
		if after, err := os.ReadFile(s.Path); err != nil || !bytes.Equal(after, before) {
			t.Errorf("%s: the copy is not as it was", name)
		}
	}
	p.answer = says(list)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Refresh(ctx, s, nil, now); err == nil {
		t.Error("ended while it ran, and no error")
	}
	s.URL = "http://127.0.0.1:1/secret-token"
	if _, _, err := Refresh(t.Context(), s, nil, now); err == nil || strings.Contains(err.Error(), "secret-token") {
		t.Errorf("got %v, want an error without the address", err)
	}
}

// TestOpenCostKeepsTheLastGoodPrice holds that what cannot be right, or moved more than twofold, leaves the copy as it was, and says so.
func TestOpenCostKeepsTheLastGoodPrice(t *testing.T) {
	t.Parallel()
	list := config.PriceSource{Name: "live", From: config.OpenCost, Source: "engines", Path: filepath.Join(t.TempDir(), "prices", "live.csv")}
	node := func(usd float64) []config.NodePrice {
		return []config.NodePrice{{InstanceType: "p5.48xlarge", Region: "us-east-1", USDPerHour: usd}}
	}
	const item = "live/p5.48xlarge/us-east-1/on-demand"
	if changed, bad, err := RefreshOpenCost(list, node(6), nil, now); err != nil || !changed || len(bad) > 0 {
		t.Fatalf("first: changed %v, quarantined %+v, %v", changed, bad, err)
	}
	for _, tc := range []struct {
		name      string
		found     []config.NodePrice
		confirmed []string
		changed   bool
		reason    string // of the quarantine or of the error; empty for none
		value     string // in the copy from then on
	}{
		{"the same an hour later", node(6), nil, false, "", "6"},
		{"dearer", node(7.5), nil, true, "", "7.5"},
		{"more than twice as much", node(16), nil, false, "was 6 on 2026-11-20: a change by more than 2 times", "7.5"},
		{"the same, confirmed", node(16), []string{item}, true, "", "16"},
		{"of a whole fleet", node(2000), []string{item}, false, "more than 200 USD an hour of one GPU", "16"},
		{"next to nothing", node(0.001), []string{item}, false, "less than 0.01 USD an hour of one GPU", "16"},
		{"nothing", node(0), nil, false, "want a price above 0", "16"},
		{"no number", node(math.NaN()), nil, false, "want a number of USD per hour", "16"},
		{"negative", node(-3), nil, false, "want a number of USD per hour", "16"},
		{"a name that is none", []config.NodePrice{{InstanceType: "a\x1b[2Jb", USDPerHour: 3}}, nil, false, "want an instance type and a region", "16"},
		{"none at all", nil, nil, false, "source engines has had no node_total_hourly_cost", "16"},
	} {
		changed, bad, err := RefreshOpenCost(list, tc.found, tc.confirmed, now)
		said := fmt.Sprint(bad, err)
		if changed != tc.changed || tc.reason == "" && (len(bad) > 0 || err != nil) || !strings.Contains(said, tc.reason) || strings.Contains(said, "\x1b") {
			t.Errorf("%s: changed %v, said %s, want %v and %q", tc.name, changed, said, tc.changed, tc.reason)
		}
		if got := value(t, list, item, "usd_per_hour"); got.Value != tc.value {
			t.Errorf("%s: the copy has %s, want %s", tc.name, got.Value, tc.value)
		}
	}
}

// TestCreepingPriceWantsToBeConfirmed holds that a price that changes by a tenth at every read is stopped where it is more than twice what it
// was when it was first seen, that one that was confirmed is held against from then on, and that a list of an address is held alike.
func TestCreepingPriceWantsToBeConfirmed(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "prices")
	live := config.PriceSource{Name: "live", From: config.OpenCost, Source: "engines", Path: filepath.Join(folder, "live.csv")}
	p, published := publish(t)
	published.Path = filepath.Join(folder, "litellm.csv")
	for _, tc := range []struct {
		name        string
		list        config.PriceSource
		item, field string
		first       float64
		read        func(price float64, confirmed ...string) []config.Quarantined
	}{
		{"of a node", live, "live/p5.48xlarge/us-east-1/on-demand", "usd_per_hour", 6, func(price float64, confirmed ...string) []config.Quarantined {
			_, bad, err := RefreshOpenCost(live, []config.NodePrice{{InstanceType: "p5.48xlarge", Region: "us-east-1", USDPerHour: price}}, confirmed, now)
			if err != nil {
				t.Fatal(err)
			}
			return bad
		}},
		{"of a model", published, "somebody/new", "input", 1, func(price float64, confirmed ...string) []config.Quarantined {
			p.answer = says(fmt.Sprintf(`{"new": {"litellm_provider": "somebody", "input_cost_per_token": %.9g, "output_cost_per_token": %.9g}}`, price/1e6, 2*price/1e6))
			_, bad := refresh(t, published, now, confirmed...)
			return bad
		}},
	} {
		price := tc.first
		creep := func(times, limit float64) {
			t.Helper()
			for range 30 {
				before := value(t, tc.list, tc.item, tc.field).Rat()
				price *= times
				bad := tc.read(price)
				far := times > 1 && price > limit || times < 1 && price < limit
				if far != (len(bad) > 0) {
					t.Fatalf("%s: at %v quarantined %+v, want so beyond %v only", tc.name, price, bad, limit)
				}
				if kept := value(t, tc.list, tc.item, tc.field).Rat(); far && kept.Cmp(before) != 0 {
					t.Fatalf("%s: at %v the copy has %s, want the last good one", tc.name, price, kept.FloatString(3))
				}
				if far {
					return
				}
			}
			t.Fatalf("%s: never stopped", tc.name)
		}
		if bad := tc.read(price); len(bad) > 0 {
			t.Fatalf("%s: the first is quarantined: %+v", tc.name, bad)
		}
		creep(1.1, 2*tc.first)
		if bad := tc.read(price, tc.item); len(bad) > 0 {
			t.Fatalf("%s: confirmed, and quarantined: %+v", tc.name, bad)
		}
		creep(1/1.1, price/2)
	}
}
