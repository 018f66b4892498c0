package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tipline/alerting"
	"tipline/alerting/sample"
	"tipline/alerting/words"
	"tipline/model"
)

var morning = time.Date(2026, 11, 12, 6, 0, 0, 0, time.UTC)

func event() alerting.Event {
	return alerting.Event{
		ID: "0123456789abcdef", Reason: alerting.Switched, Time: morning, Workload: "support-chat <!channel>", Previous: "haiku",
		Report: model.WorkloadReport{
			Workload: "support-chat <!channel>", Current: "haiku",
			Decision: model.Decision{
				ID: "0514a8524d8c", Recommendation: model.Move, Option: "llama", Because: "it costs less",
				AssumedCapacity: &model.AssumedCapacity{USDPerMonth: 5_872, Ratio: 0.16, Numbers: []string{"throughput of llama"}},
			},
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

// TestSaysWhatIsAssumed holds that what rests on capacity that nobody measured is in the words and in the numbers of a request.
func TestSaysWhatIsAssumed(t *testing.T) {
	t.Parallel()
	p := payload(event())
	if a := p.Report.Decision.AssumedCapacity; a == nil || !strings.Contains(p.Text, words.Rests(p.Report)) || !strings.Contains(p.Text, "rests on assumed capacity: throughput of llama.") {
		t.Errorf("got %+v and %q, want both to say it", a, p.Text)
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

// FuzzSend holds that no text from outside is more than a value of the JSON: every one comes back as it was, an object has the expected keys and no
// others, the two sentences are lines that a terminal can show, the signature is that of the body, and neither address nor key is anywhere in it.
func FuzzSend(f *testing.F) {
	f.Add("support-chat <!channel>", "it costs less", "#llm-cost", uint8(0))
	f.Add("a\nb\u202e\u009b31m", "\xff\x00\"}, \"version\": 2", "\u2028</script>", uint8(11))
	f.Add("", strings.Repeat("名前 ", 200), " ", uint8(3))
	const key, path = "k3y-that-signs", "/p4th-that-is-secret"
	keyFile, urlFile := filepath.Join(f.TempDir(), "key"), filepath.Join(f.TempDir(), "url")
	if err := errors.Join(os.WriteFile(keyFile, []byte(key), 0o600), os.WriteFile(urlFile, []byte("http://hook.example"+path), 0o600)); err != nil {
		f.Fatal(err)
	}
	known := map[string]bool{}
	for field := range reflect.TypeFor[Payload]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		known[name] = true
	}
	f.Fuzz(func(t *testing.T, name, sentence, channel string, kind uint8) {
		e, _ := sample.Of(alerting.Kinds[int(kind)%len(alerting.Kinds)])
		e.Workload, e.Owner, e.Previous, e.Channel = name, name, name, channel
		e.Report.Workload, e.Report.Decision.Option, e.Report.Decision.Because = name, name, sentence
		e.Report.Labels = map[string]string{name: sentence}
		for i := range e.Faults {
			e.Faults[i].Source, e.Faults[i].Text = name, sentence
		}
		if e.Answer != nil {
			e.Answer.By, e.Answer.Reason = name, sentence
		}
		var sent request
		status := http.StatusOK
		client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			sent = request{r.Header, body}
			return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(sentence)), Request: r}, err
		})}
		n, err := New(Settings{URLFile: urlFile, SecretFile: keyFile}, client, func() time.Time { return morning })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Send(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if err := Verify(key, sent.header.Get(SignatureHeader), sent.body, morning, time.Minute); err != nil {
			t.Error(err)
		}
		if changed := bytes.Replace(sent.body, []byte(`"version":1`), []byte(`"version":2`), 1); Verify(key, sent.header.Get(SignatureHeader), changed, morning, time.Minute) == nil {
			t.Error("the signature is that of another body too")
		}
		var keys map[string]json.RawMessage
		var p Payload
		if err := errors.Join(json.Unmarshal(sent.body, &keys), json.Unmarshal(sent.body, &p)); err != nil {
			t.Fatalf("got %s: %v", sent.body, err)
		}
		for k := range keys {
			if !known[k] {
				t.Errorf("got the key %q, want none but those of a Payload", k)
			}
		}

		if p.Workload != name && utf8.ValidString(name) || p.Report.Decision.Because != sentence && utf8.ValidString(sentence) || p.ID != e.ID || p.Reason != e.Reason {
			t.Errorf("got %+v, want what was sent", p)
		}
		for _, text := range []string{p.Headline, p.Text} {
			if model.Printable(text) != text || text == "" || utf8.RuneCountInString(text) > 40_000 {
				t.Errorf("got %q, want a line", text)
			}
		}
		status = http.StatusForbidden
		_, err = n.Send(t.Context(), e)
		if err == nil {
			t.Fatal("a refusal: want an error")
		}
		for _, text := range []string{string(sent.body), err.Error()} {
			if strings.Contains(text, key) || strings.Contains(text, path) {
				t.Errorf("got %q, which holds a secret", text)
			}
		}
		if text := err.Error(); model.Printable(text) != text || len(text) > 4096 {
			t.Errorf("got the error %q, want a line", text)
		}
	})
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
