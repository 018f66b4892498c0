package daemon

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"tipline/alerting"
	"tipline/cmd/internal/ledger"
	"tipline/collector"
	"tipline/config"
	"tipline/model"
	"tipline/model/drift"
)

// silentFor is how long a source may not be read before that is a fault of the data: hours that come late are fetched later.
const silentFor = 3 * time.Hour

// silence returns the sources that could not be read for long, in their order. A source that was never read in this life of the daemon is
// silent since its newest measured hour.
func (d *Daemon) silence(sources []model.SourceReport, workloads []model.WorkloadReport, now time.Time) []model.DataFault {
	faults := []model.DataFault{}
	newest := maps.Clone(d.readAt)
	for _, w := range workloads {
		if last := w.Usage.LastSample; last != nil && last.After(newest[w.Source]) {
			newest[w.Source] = *last
		}
	}
	for _, s := range sources {
		last, read := newest[s.Source]
		if s.Up || read && now.Sub(last) < silentFor {
			continue
		}
		since := "nothing was ever read"
		var readings []model.Reading
		if read {
			readings = []model.Reading{{What: "hours since it was last read", Value: now.Sub(last).Hours(), AtLeast: new(silentFor.Hours())}}
			since = "nothing was read since " + last.Format("2 Jan 2006, 15:04 UTC")
		}
		faults = append(faults, model.DataFault{Source: s.Source, Code: "SOURCE_DOWN", Text: fmt.Sprintf("%s: %s", since, s.Error), Readings: readings})
	}
	return faults
}

// dataFaults returns why what was read of sources and of workloads is not what was used, in their order.
func dataFaults(sources []model.SourceReport, workloads []metered) (faults []model.DataFault) {
	for _, s := range sources {
		for _, w := range s.Warnings {
			switch w.Code {
			case collector.StoredPerReplica, collector.ReplicasDiffer, collector.TooManyWorkloads, collector.NotACounter:
				faults = append(faults, model.DataFault{Source: s.Source, Code: w.Code, Text: w.Text})
			case collector.ClockSkew:
				faults = append(faults, model.DataFault{Source: s.Source, Code: w.Code, Text: w.Text, Readings: []model.Reading{{
					What: "seconds between the clock of the server and ours", Value: math.Abs(*s.ClockAheadSeconds), AtLeast: new(collector.SkewTold.Seconds()),
				}}})
			}
		}
	}
	for _, m := range workloads {
		for _, f := range m.faults {
			faults = append(faults, model.DataFault{Source: m.usage.Source, Workload: m.usage.Workload, Code: f.Code, Text: f.Text, Readings: f.Readings})
		}
	}
	return faults
}

// tellFaults queues what is to be said of faults.
func (d *Daemon) tellFaults(faults []model.DataFault, now time.Time) error {
	g := &ledger.Grounds{}
	to := now.UTC().Truncate(time.Hour)
	for _, s := range d.setup.sources {
		if slices.ContainsFunc(faults, func(f model.DataFault) bool { return f.Source == s.cfg.Name }) {
			g.Asked = append(g.Asked, ledger.Asked{Source: s.cfg.Name, Expression: s.collector.Expressions().Hourly, From: to.Add(-drift.FaultsWithin), To: to})
		}
	}
	return d.desk.Faults(faults, g, d.fleetRoute(alerting.DataFaulty, ""), now)
}

// undelivered returns which notifiers messages do not reach: those that wait until somebody acts, and those that were dropped in the last week. What the
// ledger cannot say is logged.
func (d *Daemon) undelivered(now time.Time) (faults []model.DataFault) {
	parked := d.desk.Parked()
	for _, n := range slices.Sorted(maps.Keys(parked)) {
		faults = append(faults, model.DataFault{Notifier: n, Code: "NOT_DELIVERED", Text: "wait until somebody acts: " + model.Printable(parked[n])})
	}
	unsent, err := d.desk.Unsent(now.Add(-lately))
	if err != nil {
		d.options.Log.Error("what was not sent is not known", "error", err)
	}
	dropped, last := map[string]int{}, map[string]time.Time{}
	for _, u := range unsent {
		dropped[u.Notifier]++
		last[u.Notifier] = u.Time
	}
	for _, n := range slices.Sorted(maps.Keys(dropped)) {
		faults = append(faults, model.DataFault{Notifier: n, Code: "MESSAGES_DROPPED", Text: fmt.Sprintf(
			"dropped after 30 days without delivery: %d, the last of %s; the ledger names them", dropped[n], model.FormatDate(last[n]),
		), Readings: []model.Reading{{What: "messages dropped in the last 7 days", Value: float64(dropped[n]), AtLeast: new(1.0)}}})
	}
	return faults
}

// fleetRoute returns where a message about no single workload goes: to the channel own, if nothing says otherwise.
func (d *Daemon) fleetRoute(r alerting.Reason, own string) alerting.Route {
	return alerting.Route(d.setup.cfg.Route(config.Message{Kind: string(r), Severity: string(r.Of(model.WorkloadReport{}, false)), Own: own}))
}
