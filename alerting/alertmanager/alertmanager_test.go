package alertmanager

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tipline/alerting"
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
	return &model.Report{Workloads: []model.WorkloadReport{{Workload: "support", Decision: model.Decision{ID: "0123", Because: because}}}}
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
