package alerting

import (
	"time"

	"tipline/model"
)

// Promise is the saving for which a move was advised, and what became of it.
type Promise struct {
	From string    `json:"from"`
	To   string    `json:"to"`
	USD  model.USD `json:"usd_per_month"` // the median of the saving when the move was confirmed
	Made time.Time `json:"made,omitzero"` // the evaluation that found the move made; zero before that
	Told bool      `json:"told,omitempty"`
	streak
}

// Outcome is what a move that was made saves.
type Outcome struct {
	From     string    `json:"from"`
	Made     time.Time `json:"made"`
	Promised model.USD `json:"promised_usd_per_month"`
	Saves    model.USD `json:"saves_usd_per_month"` // negative when it costs more
}

const (
	keptShare  = 0.5                 // of what was promised, below which a move does not hold what it promised
	settling   = 14 * 24 * time.Hour // after the move, in which both options are paid for and nothing is judged
	heldToIt   = 365 * 24 * time.Hour
	leastSaved = model.USD(1) // that can be promised
)

// next returns the promise after an evaluation of w that did what reason says and left standing confirmed, and what is to be told of it: that
// the move saves less than half of what was promised, in as many evaluations in a row as a verdict takes, and once. It is nil when there is
// nothing to hold anybody to. p is not changed.
func (p *Promise) next(w model.WorkloadReport, reason Reason, standing string, now time.Time, policy Policy) (*Promise, *Outcome) {
	d := w.Decision
	switch reason {
	case FirstSeen, Switched, Blocked:
		if s := d.SavingUSDPerMonth; s != nil && s.P50 >= leastSaved && d.Option == standing && standing != w.Current {
			return &Promise{From: w.Current, To: standing, USD: s.P50}, nil
		}
		return nil, nil
	case Followed:
		if p == nil || p.To != w.Current || !p.Made.IsZero() {
			return nil, nil
		}
		return &Promise{From: p.From, To: p.To, USD: p.USD, Made: now}, nil
	case Returned, Restarted, NoOption, Settled:
		return nil, nil
	case NoData:
		return p, nil
	default:
	}
	if p == nil || p.Made.IsZero() {
		return p, nil
	}
	o, known := p.outcome(w)
	switch {
	case now.Sub(p.Made) > heldToIt:
		return nil, nil
	case !known || p.Told || now.Sub(p.Made) < settling:
		return p, nil
	}
	after := *p
	after.streak = p.streak.next(float64(o.Saves) < keptShare*float64(p.USD), now, policy)
	if after.Told = after.holds(policy); !after.Told {
		return &after, nil
	}
	return &after, &o
}

// outcome returns what the move saves at the volume that w is projected to have, and false when one of the two costs is not known.
func (p *Promise) outcome(w model.WorkloadReport) (Outcome, bool) {
	from, to := model.CostOf(w.Options, p.From), model.CostOf(w.Options, p.To)
	if w.Decision.Recommendation == model.Unknown || from == nil || to == nil || p.Made.IsZero() || w.Current != p.To {
		return Outcome{}, false
	}
	return Outcome{From: p.From, Made: p.Made, Promised: p.USD, Saves: from.P50 - to.P50}, true
}

// Outcomes returns what the moves save that were made as advised, by workload, as far as report knows.
func (d *Desk) Outcomes(report *model.Report) map[string]Outcome {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := map[string]Outcome{}
	for _, w := range report.Workloads {
		if r := d.states[w.Workload]; r != nil && r.Promise != nil {
			if o, known := r.Promise.outcome(w); known {
				all[w.Workload] = o
			}
		}
	}
	return all
}
