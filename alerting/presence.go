package alerting

import (
	"time"

	"tipline/model"
)

// Sighting is what an evaluation found out about whether a workload is there.
type Sighting int

// The sightings.
const (
	Uncertain Sighting = iota // nothing that could be told, or held against what was
	There                     // it is measured as ever
	Began                     // it was not there before, while its source was
	Gone                      // it is not measured any more, while its source is
	Renamed                   // it began or ended under another name, so that it neither began nor ended
)

// presence is what is known of whether a workload is there.
type presence struct {
	Began bool            `json:"began,omitempty"` // that it did is no news any more
	Gone  bool            `json:"gone,omitempty"`  // the same of its end, until it is measured again
	News  *model.Presence `json:"news,omitempty"`  // told last
}

// next returns the presence after an evaluation of w that made a sighting, and the reason to tell it; empty when that is no news. What ended before the first evaluation of it is none.
func (p presence) next(s Sighting, w model.WorkloadReport, first bool) (presence, Reason) {
	switch s {
	case There:
		p.Gone = false
	case Began:
		p.Gone = false
		if !p.Began && w.Usage.FirstSample != nil {
			p.Began = true
			return p, WorkloadNew
		}
	case Gone:
		if news := !p.Gone && !first && w.Usage.LastSample != nil; news {
			p.Gone = true
			return p, WorkloadGone
		}
		p.Gone = true
	case Renamed:
		p.Began, p.Gone = true, true
	case Uncertain:
	}
	return p, ""
}

// since returns when what a message with the reason r about w tells was so.
func since(r Reason, w model.WorkloadReport) time.Time {
	if r == WorkloadGone {
		return *w.Usage.LastSample
	}
	return *w.Usage.FirstSample
}

// newsFor is how long the news that a workload began or ended stays in reports and digests: a digest comes once a week.
const newsFor = 7 * 24 * time.Hour

// Presences returns the news about whether the workloads of report are there, in their order; nil where there is none in the week before.
func (d *Desk) Presences(report *model.Report) []*model.Presence {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*model.Presence, len(report.Workloads))
	for i, w := range report.Workloads {
		r := d.states[w.Workload]
		if r == nil || r.Presence.News == nil {
			continue
		}
		if age := report.AsOf.Sub(r.Presence.News.Found); age >= 0 && age <= newsFor {
			all[i] = new(*r.Presence.News)
		}
	}
	return all
}
