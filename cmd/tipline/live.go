package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	prommodel "github.com/prometheus/common/model"

	"tipline/alerting/slack"
	"tipline/cmd/internal/daemon"
	"tipline/cmd/internal/store"
	"tipline/collector"
	"tipline/config"
	"tipline/model"
)

// finding is one thing that a live check found.
type finding struct {
	Fix  bool   `json:"fix"` // it keeps verdicts from being right, or from being there at all
	Text string `json:"text"`
}

// section is what a live check found about one server, all of them together, or one notifier.
type section struct {
	Name     string      `json:"name"`
	URL      string      `json:"url,omitempty"` // of a server
	Findings []finding   `json:"findings"`
	Queries  []queryCost `json:"queries,omitempty"` // of a source, in the order in which they are sent
}

// liveReport is everything that a live check found.
type liveReport struct {
	Config    string    `json:"config"`
	Sources   []section `json:"sources"`
	All       section   `json:"all_sources"`
	Notifiers []section `json:"notifiers"`
}

// rehearsed is how far back a live check reads the hours, beside the data file: as far as traffic that is counted twice is told by them.
const rehearsed = 4 * 7 * 24 * time.Hour

// checkLive asks every server of cfg and prints what it finds, with what to do about it: as text one section after the other, or all at once as JSON. The exit code is 3 when a
// server does not answer and 1 when something must be put right.
func (p *program) checkLive(ctx context.Context, cfg *config.Config, library *collector.Library, asJSON bool) int {
	scratch, forget, err := openScratch()
	if err != nil {
		return p.fail(err)
	}
	defer forget()
	notifiers, err := daemon.Notifiers(cfg.Notify, p.now, nil)
	if err != nil {
		return p.fail(err)
	}
	report := liveReport{Config: p.configFile, Sources: []section{}, Notifiers: []section{}}
	code := exitDone
	done := func(s section, about string, timeout time.Duration) section {
		for _, f := range s.Findings {
			if f.Fix {
				code = max(code, exitNotRight)
			}
		}
		if !asJSON {
			p.printSection(s, about, timeout)
		}
		return s
	}
	var usage []model.Usage
	sources := map[string]reader{}
	for _, s := range cfg.Sources {
		found, read, hours, err := p.checkSource(ctx, cfg, s, library, scratch)
		if err != nil {
			var answered *collector.Error
			if errors.As(err, &answered) && unreachable(answered.Reason) {
				code = exitUnreachable
			}
			found.Findings = append(found.Findings, finding{true, err.Error() + advice(answered)})
		}
		report.Sources = append(report.Sources, done(found, s.Name+", "+s.Prometheus.URL, s.Prometheus.Timeout))
		usage, sources[s.Name] = append(usage, read...), hours
	}
	report.All = section{Name: "all sources", Findings: doubles(cfg, usage, func(u model.Usage) model.Usage { return sources[u.Source](u) }, p.now())}
	report.All.Findings = append(report.All.Findings, p.unread(ctx, cfg, library)...)
	for _, o := range cfg.Options {
		for _, w := range o.Warnings {
			if strings.HasPrefix(w.Code, "UNPRICED_") {
				report.All.Findings = append(report.All.Findings, finding{true, "option " + o.Name + ": " + w.Text})
			}
		}
	}
	done(report.All, report.All.Name, 0)
	for _, n := range notifiers {
		to, ok := n.(*slack.Notifier)
		if !ok {
			continue
		}
		const more = "; notify test sends a message to every channel"
		found := finding{false, "takes the token" + more}
		switch err := to.Reachable(ctx); {
		case err != nil:
			code, found = max(code, failureCode(err)), finding{true, err.Error()}
		case to.Listens():
			found.Text = "takes the token, and offers a connection for buttons" + more
		case cfg.Notify.Slack.TokenFile == "":
			found.Text = "a webhook cannot be asked" + more
		}
		report.Notifiers = append(report.Notifiers, done(section{Name: n.Name(), Findings: []finding{found}}, n.Name(), 0))
	}
	if asJSON {
		if err := printJSON(p.stdout, report); err != nil {
			return p.fail(err)
		}
	}
	return code
}

// printSection prints what was found under a line that says about what, queries with the time that each may take.
func (p *program) printSection(s section, about string, timeout time.Duration) {
	fmt.Fprintf(p.stdout, "\n%s\n", model.Printable(about))
	line := func(mark, text string) { fmt.Fprintf(p.stdout, "  %-6s%s\n", mark, model.Printable(text)) }
	for _, f := range s.Findings {
		mark := "ok"
		if f.Fix {
			mark = "FIX"
		}
		line(mark, f.Text)
	}
	for _, row := range queryTable(s.Queries, timeout) {
		line("", row)
	}
	for _, q := range s.Queries {
		for _, text := range q.Near {
			line("near", text)
		}
	}
}

// health says what a probe of s found.
func health(s config.Source, library *collector.Library, h collector.Health) []finding {
	all := []finding{{false, fmt.Sprintf("answers, %d queries sent", h.Sent)}}
	switch {
	case h.Ahead:
		all = append(all, finding{true, "the server has samples a quarter of an hour ahead of this machine: set the clock of one of them"})
	case !h.Scraped && !slices.ContainsFunc(h.Readings, func(r collector.Reading) bool { return r.Series > 0 }):
		all = append(all, finding{true, "nothing was scraped in the last five minutes, not even `up`: is it the right tenant (http_headers under prometheus), and does it scrape anything?"})
	case !h.Scraped:
		all = append(all, finding{false, "no series `up` was scraped in the last five minutes: what is there was sent to the server, or it scrapes no more"})
	}
	for i, r := range h.Readings {
		if instead := i > 0 && h.Readings[i-1].Series > 0 && r.Signal == "cache_read_doubtful"; instead && r.Series == 0 {
			continue // nobody needs the worse one
		}
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
	if h.Replicas > 0 {
		all = append(all, finding{true, collector.PerReplica(h.Replicas)})
	} else if h.Twice > 0 {
		all = append(all, finding{true, count(h.Twice, "engine") + " scraped twice, so that everything they count is doubled: remove one of the jobs or monitors that scrape them, or select one of them"})
	}
	reach := prommodel.Duration(h.Reaches).String()
	switch {
	case h.Reaches == 0:
		all = append(all, finding{false, "history: less than a day; there is no verdict before the measured hours that policy.min_history asks for"})
	case h.Reaches < s.Backfill:
		all = append(all, finding{false, fmt.Sprintf("history: %s, %s are asked for (backfill); projections of a young history are wide", reach, prommodel.Duration(s.Backfill))})
	default:
		all = append(all, finding{false, "history: " + reach + " and more"})
	}
	return all
}

// A reader gives usage its hours, see collector.Collector.Read.
type reader func(model.Usage) model.Usage

// checkSource asks the server of s, and then for its hours as the daemon does, which it keeps in scratch, from where the reader has them.
func (p *program) checkSource(ctx context.Context, cfg *config.Config, s config.Source, library *collector.Library, scratch *store.Store) (found section, usage []model.Usage, read reader, err error) {
	found = section{Name: s.Name, URL: s.Prometheus.URL, Findings: []finding{}}
	settings, err := daemon.CollectorSettings(s, library)
	if err != nil {
		return found, nil, nil, err
	}
	h, err := collector.Probe(ctx, settings, p.now())
	if err != nil {
		return found, nil, nil, err
	}
	found.Findings = health(s, library, h)
	settings.Backfill, settings.Siblings, settings.Clock = min(settings.Backfill, rehearsed), cfg.Siblings(s), p.now
	settings.Costs = true
	c, err := collector.New(settings, scratch, slog.New(slog.DiscardHandler))
	if err != nil {
		return found, nil, nil, err
	}
	now := p.now()
	result, err := c.Collect(ctx, now)
	for tries := 1; tries < collections && timedOut(err); tries++ { // each asks for half as many hours at once as the one before
		result, err = c.Collect(ctx, now)
	}
	found.Queries = queryCosts(s, c.Costs())
	if err != nil {
		return found, nil, nil, err
	}
	read = func(u model.Usage) model.Usage { return c.Read(u, now) }
	for _, m := range result.Missing {
		if m.Needed && (s.Queries != nil || m.Signal == collector.GPUsMissing) { // the probe has looked at a pack
			found.Findings = append(found.Findings, finding{true, "nothing is found of " + m.Text()})
		}
	}
	found.Findings = append(found.Findings, rehearsal(result, read, settings.Backfill, p.now().Sub(now), now)...)
	return found, result.Usage, read, nil
}

// collections is how often a live check collects the hours of a source for which the server has no time, as the daemon does once an hour.
const collections = 3

// timedOut tells whether err is that a server took too long.
func timedOut(err error) bool {
	var answered *collector.Error
	return errors.As(err, &answered) && answered.Reason == collector.TimedOut
}

// leastCoverage is the share of the hours of a workload that must have been measured for nothing to be wrong with how it is scraped.
const leastCoverage = 0.9

// rehearsal says what was found in the hours that were read as the daemon reads them, in the time that it took.
func rehearsal(r collector.Result, read reader, backfill, took time.Duration, now time.Time) []finding {
	all := []finding{{false, fmt.Sprintf("%s read over %s, %d queries in %s", count(len(r.Usage), "workload"), prommodel.Duration(backfill), r.Queries, took.Round(10*time.Millisecond))}}
	for _, w := range r.Warnings {
		if !slices.Contains([]string{collector.NoData, collector.NeverMatched, collector.StoredPerReplica}, w.Code) { // which has been said
			all = append(all, finding{w.Code != collector.ServerNote, w.Code + ": " + w.Text})
		}
	}
	if share, known := covered(r.Usage, read, now); known {
		f := finding{share < leastCoverage, "coverage: " + model.FormatPercent(share) + " of the hours of the last week"}
		if f.Fix {
			f.Text += "; the others count as not measured: is everything scraped, at least every five minutes?"
		}
		all = append(all, f)
	}
	about := map[string][]string{} // workloads by code
	first := map[string]string{}   // what is said of the first
	for _, u := range r.Usage {
		for _, w := range read(u).Warnings {
			first[w.Code] = cmp.Or(first[w.Code], w.Text)
			about[w.Code] = append(about[w.Code], u.Workload)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(about)) {
		text := code + ": " + about[code][0]
		if others := len(about[code]) - 1; others > 0 {
			text += fmt.Sprintf(" and %d more", others)
		}
		all = append(all, finding{collector.Refuses(code), text + ": " + first[code]})
	}
	return all
}

// covered returns the share of the hours of the week before now that were measured, of every workload those after its first to its last; false when there are none.
func covered(usage []model.Usage, read reader, now time.Time) (model.Fraction, bool) {
	var hours, measured float64
	for _, u := range usage {
		u = read(u)
		from, to := now.Add(-7*24*time.Hour).Truncate(time.Hour), u.Last()
		if begun := u.Start.Add(time.Hour); from.Before(begun) { // in the middle of its first hour
			from = begun
		}
		if to.IsZero() { // none was
			to = u.End()
		}
		if span := to.Sub(from).Hours(); span > 0 {
			_, share := u.Between(from, to)
			hours, measured = hours+span, measured+span*float64(share)
		}
	}
	return model.Fraction(measured / hours), hours > 0
}

// doubles says which traffic of all sources is counted twice.
func doubles(cfg *config.Config, usage []model.Usage, read reader, now time.Time) []finding {
	var all []finding
	for _, d := range daemon.Doubles(cfg, usage, read, now) {
		all = append(all, finding{len(d.Primary) == 0, "metered twice: " + d.Because})
	}
	if all == nil {
		text := "no traffic was found that two meters count"
		young := 0
		for _, u := range usage {
			if read(u).Measured() < 2*7*24*time.Hour {
				young++
			}
		}
		if young > 0 {
			text += fmt.Sprintf("; of %s less than the two weeks are known that tell it", count(young, "workload"))
		}
		all = append(all, finding{false, text})
	}
	return all
}

// unread says which tokens are counted on the servers of cfg that none of its sources reads: they are in no workload, and in no share of a source that no workload has.
func (p *program) unread(ctx context.Context, cfg *config.Config, library *collector.Library) []finding {
	var all []finding
	for _, s := range cfg.Sources {
		if cfg.Server(s) != s.Name {
			continue // it has been looked at
		}
		settings, err := daemon.CollectorSettings(s, library)
		var d collector.Discovery
		if err == nil {
			d, err = collector.Discover(ctx, settings, p.now())
		}
		if err != nil {
			all = append(all, finding{false, s.Prometheus.URL + ": what no source reads is not known: " + err.Error()})
			continue
		}
		for _, m := range d.Metered {
			if len(daemon.Readers(cfg, s, m)) == 0 {
				all = append(all, finding{false, fmt.Sprintf("not read: %s tokens in 28 days of the pack %s (%s): if no source counts the same traffic elsewhere, add the one that tipline discover prints",
					model.FormatTokens(m.Tokens()), m.Pack, strings.Join(m.Metrics, ", "))})
			}
		}
		for _, u := range d.Unplaced {
			all = append(all, finding{false, "not read: " + strings.Join(u.Metrics, ", ") + ": " + u.Why})
		}
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
	collector.NoCredentials: "name a file that is there and may be read",
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
