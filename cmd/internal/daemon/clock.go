package daemon

import "time"

// stepTold is by how much the clock of the machine may be set between two looks at it without anybody being told.
const stepTold = time.Minute

// A clockLook is what the clock of the machine said, and when that was by one that nobody sets.
type clockLook struct{ wall, at time.Time }

// watchClock logs and counts that the clock of the machine was set since the cycle before, or that the machine slept; it changes no verdict. The caller holds mu.
func (d *Daemon) watchClock() {
	if d.options.Clock == nil {
		return
	}
	was, is := d.looked, clockLook{d.options.Clock().Round(0), time.Now()}
	d.looked = is
	if was.at.IsZero() {
		return
	}
	if step := is.wall.Sub(was.wall) - is.at.Sub(was.at); step.Abs() > stepTold {
		d.options.Log.Warn("the clock was set, or the machine slept", "by", step.Round(time.Second).String())
		d.metrics.clockSteps.Inc()
	}
}
