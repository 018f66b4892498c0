package daemon

import (
	"slices"
	"time"

	"tipline/alerting"
	"tipline/model"
	"tipline/model/drift"
)

const (
	// lately is how long a workload that began is new.
	lately = 7 * 24 * time.Hour

	// sureAfter is how long a workload is there, or is not measured any more, before that is told: by then a rename is known, and what was late has come.
	sureAfter = 24 * time.Hour
)

// sightings returns what the evaluation that made report found out about whether its workloads are there. gaps are the longest times, by workload, in which it was not measured and was again
// afterwards: a batch that runs once a week has not ended on the second day. While a source is down, or all that it counts is gone, nothing of it is known; nor is it of a workload
// with a gap, or that was last measured when a gap of another may have begun, which may not be over for it; nor
// of traffic that is priced at another meter, or of the sum of many names.
func sightings(report *model.Report, gaps map[string]time.Duration) map[string]alerting.Sighting {
	faulty := map[string]bool{}  // workloads
	unread := map[string]bool{}  // sources
	gap := map[string]bool{}     // sources
	renamed := map[string]bool{} // workloads
	for _, f := range report.DataFaults {
		switch {
		case f.Workload != "":
			faulty[f.Workload] = true
			gap[f.Source] = gap[f.Source] || f.Code == drift.ScrapeGap
		case f.Source != "":
			unread[f.Source] = true
		}
	}
	for _, s := range report.Sources {
		unread[s.Source] = unread[s.Source] || !s.Up
	}
	for _, r := range report.Renames {
		for _, name := range slices.Concat(r.Was, r.Is) {
			renamed[name] = true
		}
	}
	began, measured := map[string]time.Time{}, map[string]bool{} // of every source its first hour, and whether something is measured there
	for _, w := range report.Workloads {
		if first := w.Usage.FirstSample; first != nil && (began[w.Source].IsZero() || first.Before(began[w.Source])) {
			began[w.Source] = *first
		}
		measured[w.Source] = measured[w.Source] || w.Usage.LastSample != nil && report.AsOf.Sub(*w.Usage.LastSample) <= staleAfter
	}
	all := map[string]alerting.Sighting{}
	for _, w := range report.Workloads {
		first, last := w.Usage.FirstSample, w.Usage.LastSample
		least := max(sureAfter, gaps[w.Workload]+time.Hour) // that it must be away
		if gap[w.Source] {
			least = max(least, staleAfter+drift.GapReach)
		}
		switch {
		case renamed[w.Workload]:
			all[w.Workload] = alerting.Renamed
		case faulty[w.Workload] || Secondary(w) || w.Names > 0 || first == nil || last == nil:
		case report.AsOf.Sub(*last) <= staleAfter:
			all[w.Workload] = alerting.There
			if age := report.AsOf.Sub(*first); age >= sureAfter && age <= lately && first.Sub(began[w.Source]) >= sureAfter {
				all[w.Workload] = alerting.Began
			}
		case report.AsOf.Sub(*last) >= least && measured[w.Source] && !unread[w.Source]:
			all[w.Workload] = alerting.Gone
		}
	}
	return all
}
