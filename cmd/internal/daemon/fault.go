package daemon

import (
	"fmt"
	"time"

	"tipline/alerting"
	"tipline/model"
)

// silentFor is how long a source that cannot be read may be silent before that is a fault of the data: hours that come late are fetched later.
const silentFor = 3 * time.Hour

// dataFaults returns why what the sources of report say is not what was used: of those that cannot be read, and of workloads, in their orders.
func dataFaults(report *model.Report, workloads []metered) []model.DataFault {
	faults := []model.DataFault{}
	newest := map[string]time.Time{}
	for _, w := range report.Workloads {
		if last := w.Usage.LastSample; last != nil && last.After(newest[w.Source]) {
			newest[w.Source] = *last
		}
	}
	for _, s := range report.Sources {
		last, read := newest[s.Source]
		if s.Up || read && report.AsOf.Sub(last) < silentFor {
			continue
		}
		since := "nothing was ever read"
		if read {
			since = "nothing was read since " + last.Format("2 Jan 2006, 15:04 UTC")
		}
		faults = append(faults, model.DataFault{Source: s.Source, Code: "SOURCE_DOWN", Text: fmt.Sprintf("%s: %s", since, s.Error)})
	}
	for _, m := range workloads {
		for _, f := range m.faults {
			faults = append(faults, model.DataFault{Source: m.usage.Source, Workload: m.usage.Workload, Code: f.Code, Text: f.Text})
		}
	}
	return faults
}

// fleetChannel returns where a message about no single workload goes.
func (d *Daemon) fleetChannel(r alerting.Reason) string {
	return d.setup.cfg.Channel(string(r), nil, "", "")
}
