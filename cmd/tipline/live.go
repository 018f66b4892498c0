package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	prommodel "github.com/prometheus/common/model"

	"tipline/cmd/internal/daemon"
	"tipline/collector"
	"tipline/config"
	"tipline/model"
)

// finding is one thing that a live check found.
type finding struct {
	fix  bool // it keeps verdicts from being right, or from being there at all
	text string
}

// checkLive asks every server of cfg and prints what it finds, with what to do about it. The exit code is 3 when a server does not answer
// and 1 when something must be put right.
func (p *program) checkLive(ctx context.Context, cfg *config.Config, library *collector.Library) int {
	code := exitDone
	found := func(f finding) {
		mark := "  ok    "
		if f.fix {
			mark, code = "  FIX   ", max(code, exitNotRight)
		}
		fmt.Fprintln(p.stdout, mark+model.Printable(f.text))
	}
	for _, s := range cfg.Sources {
		fmt.Fprintf(p.stdout, "\n%s\n", model.Printable(s.Name+", "+s.Prometheus.URL))
		settings, err := daemon.CollectorSettings(s, library)
		var h collector.Health
		if err == nil {
			h, err = collector.Probe(ctx, settings, p.now())
		}
		if err != nil {
			var answered *collector.Error
			if errors.As(err, &answered) && unreachable(answered.Reason) {
				code = exitUnreachable
			}
			found(finding{true, err.Error() + advice(answered)})
			continue
		}
		for _, f := range health(s, library, h) {
			found(f)
		}
	}
	for _, o := range cfg.Options {
		for _, w := range o.Warnings {
			if strings.HasPrefix(w.Code, "UNPRICED_") {
				found(finding{true, "option " + o.Name + ": " + w.Text})
			}
		}
	}
	return code
}

// health says what a probe of s found.
func health(s config.Source, library *collector.Library, h collector.Health) []finding {
	all := []finding{{false, fmt.Sprintf("answers, %d queries sent", h.Sent)}}
	switch {
	case h.Ahead:
		all = append(all, finding{true, "the server has samples a quarter of an hour ahead of this machine: set the clock of one of them"})
	case !h.Scraped:
		all = append(all, finding{false, "nothing called up was scraped in the last five minutes, so the clocks are not compared"})
	}
	for _, r := range h.Readings {
		needed := slices.Contains([]string{"input", "output"}, r.Signal) && !r.Zero
		switch {
		case r.Series > 0:
			text := fmt.Sprintf("%s: %d series of %s", r.Signal, r.Series, count(r.Workloads, "workload"))
			if len(r.Metrics) > 0 {
				text += ", " + strings.Join(r.Metrics, ", ")
			}
			all = append(all, finding{false, text})
		case needed:
			all = append(all, finding{true, r.Signal + ": nothing found" + hint(library, s.Pack)})
		case r.Zero:
			all = append(all, finding{false, r.Signal + ": nothing found, which means none"})
		default:
			all = append(all, finding{false, r.Signal + ": nothing found, so it counts as not known"})
		}
	}
	reach := prommodel.Duration(h.Reaches).String()
	switch {
	case h.Reaches == 0:
		all = append(all, finding{false, "history: less than a day; there is no verdict before the measured hours that policy.min_history asks for"})
	case h.Reaches < s.Backfill:
		all = append(all, finding{false, fmt.Sprintf("history: about %s, %s are asked for (backfill); projections of a young history are wide", reach, prommodel.Duration(s.Backfill))})
	default:
		all = append(all, finding{false, "history: " + reach + " and more"})
	}
	return all
}

// hint says what turns the metrics of a pack on; empty for queries of one's own.
func hint(library *collector.Library, pack string) string {
	d, err := library.Describe(pack)
	if err != nil || pack == "" {
		return ": look at the query"
	}
	text := ": are the metrics of " + d.About + " scraped?"
	if d.Switch != "" {
		text += " They are turned on by " + d.Switch
	}
	return text
}

// remedies say what to do about an error of a server.
var remedies = map[collector.Reason]string{
	collector.Unauthorized:  "give basic_auth, authorization or oauth2 under prometheus",
	collector.Untrusted:     "give tls_config under prometheus",
	collector.NotPrometheus: "is that the address of the API, without /api/v1 and without a login page in front?",
	collector.Unreachable:   "is the address right, and may this machine reach it?",
	collector.TimedOut:      "is the server overloaded, or prometheus.timeout too short?",
	collector.LimitReached:  "raise the limit of the server, or select fewer series",
	collector.TooLarge:      "raise prometheus.max_response_bytes, or select fewer series",
}

// advice says what to do about e; nil has none.
func advice(e *collector.Error) string {
	if e == nil || remedies[e.Reason] == "" {
		return ""
	}
	return ": " + remedies[e.Reason]
}
