package alertmanager

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tipline/alerting"
	"tipline/alerting/words"
	"tipline/model"
)

var morning = time.Date(2026, 11, 12, 6, 0, 0, 0, time.UTC)

// server starts an Alertmanager that keeps what it accepts and can be told to refuse.
func server(t *testing.T) (board *Board, posts *[][]alert, refuse *bool) {
	t.Helper()
	posts, refuse = &[][]alert{}, new(bool)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/prefix/api/v2/alerts" || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("got %s %s with %v", r.Method, r.URL.Path, r.Header)
		}
		if *refuse {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		var alerts []alert
		if err := json.Unmarshal(body, &alerts); err != nil {
			t.Error(err)
		}
		*posts = append(*posts, alerts)
	}))
	t.Cleanup(s.Close)
	return New(s.URL+"/prefix/", s.Client()), posts, refuse
}

func report(because string) *model.Report {
	return &model.Report{Workloads: []model.WorkloadReport{{Workload: "support", Decision: model.Decision{
		ID: "0123", Because: because, AssumedCapacity: &model.AssumedCapacity{USDPerMonth: 5_872, Ratio: 0.16, Numbers: []string{"throughput of fleet"}},
	}}}}
}

// TestShow follows a verdict from its confirmation to its end: what stands is sent again under the same labels, whatever the
// numbers do, and what stands no more is resolved once, even when the Alertmanager was away.
func TestShow(t *testing.T) {
	t.Parallel()
	board, posts, refuse := server(t)
	firing := []alerting.Firing{{Workload: "support", Current: "api", Option: "fleet", Severity: alerting.Warning, Owner: "team-support", Since: morning.Add(-time.Hour)}}
	show := func(f []alerting.Firing, because string, after time.Duration) error {
		return board.Show(t.Context(), f, report(because), morning.Add(after), morning.Add(after+Lasts))
	}
	for i, because := range []string{"it saves $5,000", "it saves $6,000"} {
		if err := show(firing, because, time.Duration(i)*Resend); err != nil {
			t.Fatal(err)
		}
	}
	first, second := (*posts)[0][0], (*posts)[1][0]
	if identity(first.Labels) != identity(second.Labels) || first.Annotations["description"] == second.Annotations["description"] {
		t.Errorf("got %+v and %+v, want one identity with other numbers", first, second)
	}
	if want := "It saves $5,000. 16% of the cost that is compared, $5,900 a month, rests on assumed capacity: throughput of fleet."; first.Annotations["description"] != want {
		t.Errorf("got the description %q, want %q", first.Annotations["description"], want)
	}
	if !first.StartsAt.Equal(morning.Add(-time.Hour)) || first.EndsAt.Sub(morning) < 2*Resend || first.Annotations["receipt"] != "0123" {
		t.Errorf("got %+v, want it to start when it was confirmed and to outlast two resends", first)
	}
	*refuse = true
	if err := show(nil, "", 2*Resend); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("an Alertmanager that is away: got %v", err)
	}
	*refuse = false
	for i := range 2 {
		if err := show(nil, "", time.Duration(3+i)*Resend); err != nil {
			t.Fatal(err)
		}
	}
	if len(*posts) != 3 || len((*posts)[2]) != 1 || !(*posts)[2][0].EndsAt.Equal(morning.Add(3*Resend)) {
		t.Errorf("got %d posts, the last %+v, want it resolved once", len(*posts), (*posts)[len(*posts)-1])
	}
}

func TestNoOption(t *testing.T) {
	t.Parallel()
	board, posts, _ := server(t)
	hostile := "a\nb\u202e<!channel>"
	if err := board.Show(t.Context(), []alerting.Firing{{Workload: hostile, Current: "api", Severity: alerting.Warning, Owner: hostile}}, nil, morning, morning.Add(Lasts)); err != nil {
		t.Fatal(err)
	}
	if err := board.Show(t.Context(), []alerting.Firing{{Workload: "a", Current: "api", Except: []string{"slack", Name}}}, nil, morning, morning.Add(Lasts)); err != nil {
		t.Fatal(err)
	}
	if len(*posts) != 2 || len((*posts)[1]) != 1 || (*posts)[1][0].Labels["workload"] == "a" {
		t.Errorf("got %+v, want one that is not for an Alertmanager left out, and the one before resolved", *posts)
	}
	got := (*posts)[0][0]
	if got.Labels["alertname"] != "TiplineNoOption" || got.Labels["severity"] != "warning" || !got.StartsAt.Equal(morning) {
		t.Errorf("got %+v, want a warning from now on", got)
	}
	if text := got.Labels["workload"] + got.Labels["owner"] + got.Annotations["summary"]; strings.ContainsAny(text, "\n\u202e") {
		t.Errorf("got %q, want no line and no change of direction", text)
	}
}

// FuzzShow holds that no name or sentence from outside is more than the value of a label or an annotation: an alert has the expected keys and no
// others, each value is one line that a terminal can show and as long as is allowed, and what is shown twice is one alert.
func FuzzShow(f *testing.F) {
	f.Add("support", "fleet", "team-support", "it saves $5,000")
	f.Add("a\nb\u202e<!channel>", "{{ .Labels }}\x1b[31m", "\xff", "\u009b2J\"}]")
	f.Add("", " ", "\u200b", strings.Repeat("名前 ", 200))
	f.Fuzz(func(t *testing.T, workload, option, owner, because string) {
		var bodies [][]byte
		client := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			bodies = append(bodies, body)
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, err
		})}
		board := New("http://alertmanager.example", client)
		said := &model.Report{Workloads: []model.WorkloadReport{{Workload: workload, Decision: model.Decision{ID: "0123", Because: because}}}}
		firing := []alerting.Firing{{Workload: workload, Current: option, Option: option, Severity: alerting.Warning, Owner: owner, Since: morning}}
		for range 2 {
			if err := board.Show(t.Context(), firing, said, morning, morning.Add(Lasts)); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(bodies[0], bodies[1]) {
			t.Errorf("got %s and then %s, want the same alert", bodies[0], bodies[1])
		}
		var alerts []struct {
			Labels, Annotations map[string]string
			StartsAt, EndsAt    time.Time
		}
		d := json.NewDecoder(bytes.NewReader(bodies[0]))
		d.DisallowUnknownFields()
		if err := d.Decode(&alerts); err != nil || len(alerts) != 1 {
			t.Fatalf("got %s (%v), want one alert", bodies[0], err)
		}
		names := "alertname current recommended severity workload"
		switch {
		case option == "" && owner == "":
			names = "alertname current severity workload"
		case option == "":
			names = "alertname current owner severity workload"
		case owner != "":
			names = "alertname current owner recommended severity workload"
		}
		for _, is := range []struct {
			values map[string]string
			names  string
		}{{alerts[0].Labels, names}, {alerts[0].Annotations, "description receipt summary"}} {
			if got := strings.Join(slices.Sorted(maps.Keys(is.values)), " "); got != is.names {
				t.Errorf("got the keys %s, want %s", got, is.names)
			}
			for name, value := range is.values {
				if model.Printable(value) != value || utf8.RuneCountInString(value) > 4*words.MaxLine {
					t.Errorf("%s: got %q, want a line of at most %d characters", name, value, 4*words.MaxLine)
				}
			}
		}
		for name, text := range map[string]string{"workload": workload, "current": option, "owner": owner} {
			if text != "" && model.Printable(text) == text && strings.Join(strings.Fields(text), " ") == text && utf8.RuneCountInString(text) <= words.MaxName && !strings.ContainsRune(text, utf8.RuneError) && alerts[0].Labels[name] != text {
				t.Errorf("%s: got %q, want %q as it is", name, alerts[0].Labels[name], text)
			}
		}
	})
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
