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
	There bool            `json:"there,omitempty"` // an evaluation saw it, and none since then that it was gone
	News  *model.Presence `json:"news,omitempty"`  // told last
}

// next returns the presence after an evaluation of w that made a sighting, and the reason to tell it; empty when that is no news. What ended before an evaluation
// saw it is none, also where that was an evaluation by an early version, which looked at no presence.
func (p presence) next(s Sighting, w model.WorkloadReport) (presence, Reason) {
	switch s {
	case There:
		p.There = true
	case Began:
		p.There = true
		if !p.Began && w.Usage.FirstSample != nil {
			p.Began = true
			return p, WorkloadNew
		}
	case Gone:
		if p.There && w.Usage.LastSample != nil {
			p.There = false
			return p, WorkloadGone
		}
	case Renamed:
		p.Began, p.There = true, false
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
