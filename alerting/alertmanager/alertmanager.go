// Package alertmanager shows confirmed verdicts as firing alerts in an Alertmanager (API v2), as long as they stand.
package alertmanager

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"tipline/alerting"
	"tipline/alerting/post"
	"tipline/alerting/words"
	"tipline/model"
)

const (
	// Resend is how often what stands is sent again. An Alertmanager forgets an alert at its end, so a tipline that is gone leaves
	// nothing firing for ever.
	Resend = 5 * time.Minute

	// Lasts is how long after a resend an alert ends: two resends may be lost.
	Lasts = 3 * Resend
)

// alert is one alert as the API v2 takes it. Labels are its identity, so numbers stand in the annotations alone: two tiplines that
// see the same verdict send one alert.
type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

// Name is that of an Alertmanager among the notifiers.
const Name = "alertmanager"

// A Board posts to one Alertmanager. Its methods are not to be called at the same time.
type Board struct {
	address string
	client  *http.Client
	shown   map[string]alert // by identity, what was accepted and has not been resolved
}

// New returns a Board for the Alertmanager at url that sends through client. It opens no connection.
func New(url string, client *http.Client) *Board {
	return &Board{address: strings.TrimSuffix(url, "/") + "/api/v2/alerts", client: post.Client(client), shown: map[string]alert{}}
}

// Show sends what is firing at now, not snoozed and not for others alone, with what the newest report says of it and to end at ends unless it is sent again, and
// resolves what was shown and stands no more. When that fails, what would have been resolved is resolved the next time.
func (b *Board) Show(ctx context.Context, firing []alerting.Firing, report *model.Report, now, ends time.Time) error {
	next := map[string]alert{}
	var alerts []alert
	for _, f := range firing {
		if f.Snoozed || slices.Contains(f.Except, Name) {
			continue
		}
		a := alert{Labels: labels(f), Annotations: annotations(f, report), StartsAt: f.Since, EndsAt: ends}
		if a.StartsAt.IsZero() {
			a.StartsAt = now // confirmed by a version that did not keep when
		}
		next[identity(a.Labels)] = a
		alerts = append(alerts, a)
	}
	for _, id := range slices.Sorted(maps.Keys(b.shown)) {
		if _, stands := next[id]; !stands {
			gone := b.shown[id]
			gone.EndsAt = now
			alerts = append(alerts, gone)
		}
	}
	if len(alerts) == 0 {
		return nil
	}
	if err := b.send(ctx, alerts); err != nil {
		return err
	}
	b.shown = next
	return nil
}

// Test sends an alert that says no more than that it arrives, and that ends a minute after now.
func (b *Board) Test(ctx context.Context, now time.Time) error {
	e := alerting.NewTest("", now)
	text, _ := words.AboutNone(e)
	return b.send(ctx, []alert{{
		Labels:      map[string]string{"alertname": "TiplineTest", "severity": "none"},
		Annotations: map[string]string{"summary": words.Headline(e), "description": strings.Join(text, " ")},
		StartsAt:    now, EndsAt: now.Add(time.Minute),
	}})
}

func (b *Board) send(ctx context.Context, alerts []alert) error {
	body, err := json.Marshal(alerts)
	if err == nil {
		err = post.JSON(ctx, b.client, b.address, nil, body)
	}
	if err != nil {
		return fmt.Errorf("alertmanager: %w", err)
	}
	return nil
}

func labels(f alerting.Firing) map[string]string {
	l := map[string]string{
		"alertname": "TiplineHosting", "severity": string(f.Severity), "workload": words.Clean(f.Workload, words.MaxLine),
		"current": words.Clean(f.Current, words.MaxName), "recommended": words.Clean(f.Option, words.MaxName),
	}
	if f.Option == "" {
		l["alertname"] = "TiplineNoOption"
		delete(l, "recommended")
	}
	if f.Owner != "" {
		l["owner"] = words.Clean(f.Owner, words.MaxName)
	}
	return l
}

// annotations says in words what the newest evaluation found, or no more than the verdict while there is none.
func annotations(f alerting.Firing, report *model.Report) map[string]string {
	summary := fmt.Sprintf("%s: move from %s to %s", f.Workload, f.Current, f.Option)
	switch {
	case f.Option == "":
		summary = fmt.Sprintf("%s: no option may serve it", f.Workload)
	case f.Must:
		summary = fmt.Sprintf("%s: must move from %s to %s", f.Workload, f.Current, f.Option)
	}
	notes := map[string]string{"summary": words.Clean(summary, words.MaxLine)}
	if report == nil {
		return notes
	}
	for _, w := range report.Workloads {
		if w.Workload == f.Workload {
			notes["description"] = words.Clean(strings.TrimSpace(words.Sentence(w.Decision.Because)+" "+words.Volume(w)+" "+words.Rests(w)), 4*words.MaxLine)
			notes["receipt"] = cmp.Or(f.Decision, w.Decision.ID) // that of the newest evaluation is gone with the next
		}
	}
	return notes
}

// identity writes labels in one way.
func identity(labels map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(&b, "%s=%q,", name, labels[name])
	}
	return b.String()
}
