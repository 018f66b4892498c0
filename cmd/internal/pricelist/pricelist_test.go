package pricelist

import (
	"bytes"
	"compress/gzip"
	"context"
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
