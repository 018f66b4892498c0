package daemon

import (
	"context"
	"slices"
	"time"

	"tipline/model"
)

const (
	// atOnce is the history that a cycle waits for when older hours are read in the background: enough for a verdict.
	atOnce = 60 * 24 * time.Hour

	// fillAgain is the pause after a source has nothing more to give for now.
	fillAgain = 10 * time.Minute

	// fillLog is how often the log says how far a history is.
	fillLog = 0.1
)

// keepFilling reads the history that the cycles do not wait for, until ctx ends, each source a few queries at a time so that a cycle that
// is due meanwhile waits for no more than those.
func (d *Daemon) keepFilling(ctx context.Context) {
	logged := map[string]model.Fraction{}
	rested := map[string]time.Time{} // until when a source is left alone that had nothing more, or refused to give it
	for ctx.Err() == nil {
		d.mu.Lock()
		sources := slices.Clone(d.setup.sources)
		d.mu.Unlock()
		more := false
		for _, s := range sources {
			if time.Now().Before(rested[s.cfg.Name]) {
				continue
			}
			var filled model.Fraction
			again, err := false, errPanicked
			d.guarded(inSource, func() { filled, again, err = d.fill(ctx, s) }, "source", s.cfg.Name)
			if ctx.Err() != nil {
				return
			}
			if !again || err != nil {
				rested[s.cfg.Name] = time.Now().Add(fillAgain)
			}
			if err != nil {
				d.options.Log.Error("older hours not kept", "source", s.cfg.Name, "error", err)
				continue
			}
			more = more || again
			if before, told := logged[s.cfg.Name]; again && filled >= before+fillLog || !again && told {
				d.options.Log.Info("reading the history", "source", s.cfg.Name, "filled_ratio", float64(filled))
				logged[s.cfg.Name] = filled
			}
			if !again {
				delete(logged, s.cfg.Name)
			}
			d.showFilled(s.cfg.Name, filled)
		}
		if more {
			continue
		}
		pause := time.NewTimer(fillAgain)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// fill reads some of the older history of s, and says how much of it there is and whether there may be more.
func (d *Daemon) fill(ctx context.Context, s source) (filled model.Fraction, again bool, err error) {
	d.history.Lock()
	defer d.history.Unlock()
	return s.collector.Fill(ctx, d.options.Now().UTC())
}

// showFilled publishes the last report with another share of a source's history.
func (d *Daemon) showFilled(source string, filled model.Fraction) {
	d.mu.Lock()
	defer d.mu.Unlock()
	last := d.report.Load()
	if last == nil {
		return
	}
	next := *last
	next.Sources = slices.Clone(last.Sources)
	for i := range next.Sources {
		if next.Sources[i].Source == source && next.Sources[i].Up {
			next.Sources[i].FilledRatio = &filled
		}
	}
	d.report.Store(&next)
}
