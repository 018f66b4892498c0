package webhook

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/model"
)

var morning = time.Date(2026, 11, 12, 6, 0, 0, 0, time.UTC)

func event() alerting.Event {
	return alerting.Event{
		ID: "0123456789abcdef", Reason: alerting.Switched, Time: morning, Workload: "support-chat <!channel>", Previous: "haiku",
		Report: model.WorkloadReport{
			Workload: "support-chat <!channel>", Current: "haiku",
			Decision: model.Decision{ID: "0514a8524d8c", Recommendation: model.Move, Option: "llama", Because: "it costs less"},
		},
	}
}

type request struct {
	header http.Header
	body   []byte
}

// receiver starts a server that keeps what it accepts.
func receiver(t *testing.T) (*httptest.Server, *[]request) {
	t.Helper()
	var got []request
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = append(got, request{r.Header, body})
	}))
	t.Cleanup(server.Close)
	return server, &got
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSend(t *testing.T) {
	t.Parallel()
	server, got := receiver(t)
	n, err := New(Settings{URLFile: write(t, "url", server.URL+"\n"), SecretFile: write(t, "key", "k3y\n")}, server.Client(),
		func() time.Time { return morning })
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := n.Send(t.Context(), event()); err != nil {
			t.Fatal(err)
		}
	}
	first, second := (*got)[0], (*got)[1]
	if string(first.body) != string(second.body) {
		t.Error("one event was sent as two different bodies")
	}
	if err := Verify("k3y", first.header.Get(SignatureHeader), first.body, morning.Add(time.Minute), 5*time.Minute); err != nil {
		t.Error(err)
	}
	var p Payload
	if err := json.Unmarshal(first.body, &p); err != nil {
		t.Fatal(err)
	}
	if p.Version != PayloadVersion || p.ID != first.header.Get(IDHeader) || p.Reason != alerting.Switched || p.Report.Decision.Option != "llama" {
		t.Errorf("got %+v, want the event", p)
	}
	if want := "support-chat <!channel>: move to llama"; p.Headline != want || !strings.HasPrefix(p.Text, want) {
		t.Errorf("got %q and %q, want both to begin with %q: JSON escapes, not the words", p.Headline, p.Text, want)
	}
}

// TestVerify holds that neither another body, nor another key, nor an old recording passes.
func TestVerify(t *testing.T) {
	t.Parallel()
	body := []byte(`{"version":1}`)
	signature := Sign("key", morning, body)
	for _, tc := range []struct {
		name, key, signature, body string
		now                        time.Time
		good                       bool
	}{
		{"its own", "key", signature, string(body), morning, true},
		{"at the edge of the window", "key", signature, string(body), morning.Add(5 * time.Minute), true},
		{"from a clock that is ahead", "key", signature, string(body), morning.Add(-5 * time.Minute), true},
		{"an old recording", "key", signature, string(body), morning.Add(6 * time.Minute), false},
		{"another body", "key", signature, `{"version":2}`, morning, false},
		{"another key", "kez", signature, string(body), morning, false},
		{"another time", "key", strings.Replace(signature, "t=1", "t=2", 1), string(body), morning, false},
		{"none", "key", "", string(body), morning, false},
		{"not hexadecimal", "key", "t=1,v1=zz", string(body), morning, false},
	} {
		if err := Verify(tc.key, tc.signature, []byte(tc.body), tc.now, 5*time.Minute); (err == nil) != tc.good {
			t.Errorf("%s: got %v", tc.name, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []Settings{{}, {URL: "http://a.example", URLFile: "b"}} {
		if _, err := New(s, http.DefaultClient, time.Now); err == nil {
			t.Errorf("%+v: want an error", s)
		}
	}
	n, err := New(Settings{URL: "http://a.example", SecretFile: write(t, "key", "")}, http.DefaultClient, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	var failed *alerting.SendError
	if _, err := n.Send(t.Context(), event()); !errors.As(err, &failed) || failed.Remedy != alerting.FixSettings {
		t.Errorf("an empty key: got %v, want to be told to fix it, and nothing sent unsigned", err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("t=1,v1=00", "{}")
	f.Fuzz(func(t *testing.T, signature, body string) {
		if Verify("key", signature, []byte(body), morning, time.Hour) == nil {
			t.Errorf("%q passes for %q", signature, body)
		}
	})
}
