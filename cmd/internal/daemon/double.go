package daemon

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"tipline/alerting"
	"tipline/config"
	"tipline/model"
	"tipline/model/metering"
)

// Codes of the warnings of workloads whose traffic another meter counts too.
const (
	doubleMetered  = "DOUBLE_METERED"  // and the configuration does not say which of the two is priced
	secondaryMeter = "SECONDARY_METER" // and that one is priced
)

// Secondary reports whether the traffic of w is priced by another meter.
func Secondary(w model.WorkloadReport) bool { return warned(w, secondaryMeter) }

// firing returns the confirmed verdicts that stand, without those on workloads that report has no more, or that are priced at another meter by now. The sum of many names may be called
// what a workload was that is gone, and has no verdict. Before the first report nothing is known of that.
func (d *Daemon) firing(report *model.Report) []alerting.Firing {
	firing := d.desk.Firing()
	if report == nil {
		return firing
	}
	priced := map[string]bool{}
	for _, w := range report.Workloads {
		priced[w.Workload] = !Secondary(w) && w.Names == 0
	}
	return slices.DeleteFunc(firing, func(f alerting.Firing) bool { return !priced[f.Workload] })
}

// warned reports whether w has a warning of a code.
func warned(w model.WorkloadReport, code string) bool {
	return slices.ContainsFunc(w.Warnings, func(warning model.Warning) bool { return warning.Code == code })
}

// Doubles returns the traffic of usage, which read gives its hours, that two meters count, as an evaluation at now would find it.
func Doubles(cfg *config.Config, usage []model.Usage, read func(model.Usage) model.Usage, now time.Time) []model.DoubleMeter {
	var found []metered
	for _, u := range usage {
		if stanza := stanzaFor(cfg, u); !stanza.Drop {
			found = append(found, metered{usage: u, read: read, stanza: stanza})
		}
	}
	return findDoubles(named(found), now)
}

// findDoubles returns the traffic that two meters count, and leaves with the workloads of the secondary one, or with those of both while none is the primary one, why they
// are not priced: to add the two up would be to pay for the same tokens twice.
func findDoubles(all []metered, now time.Time) []model.DoubleMeter {
	usage := make([]func() model.Usage, len(all))
	for i, m := range all {
		usage[i] = func() model.Usage { return m.recent(now) } // of which the four weeks are a part
		if m.stanza.Meter == config.Secondary {
			all[i].unpriced = &model.Warning{Code: secondaryMeter, Text: "the configuration says that another meter counts the same traffic (meter: secondary): it is priced there"}
		}
	}
	every := func(places []int, is func(metered) bool) bool {
		return !slices.ContainsFunc(places, func(i int) bool { return !is(all[i]) })
	}
	says := func(places []int, meter string) bool {
		return every(places, func(m metered) bool { return m.stanza.Meter == meter })
	}
	settled := func(places []int) bool {
		return every(places, func(m metered) bool { return m.unpriced != nil && m.unpriced.Code == secondaryMeter })
	}
	mark := func(places []int, code, text string) {
		for _, i := range places {
			if all[i].unpriced == nil {
				all[i].unpriced = &model.Warning{Code: code, Text: text}
			}
		}
	}
	priced := map[int][]string{} // names of the workloads at which those at a secondary meter are priced; not known of those that only the configuration calls so
	reports := []model.DoubleMeter{}
	report := func(d metering.Double, primary []string, second []int) {
		for _, i := range second {
			priced[i] = primary
		}
		r := describe(all, d)
		r.Primary = primary
		r.Because += ": it is priced at " + list(primary)
		reports = append(reports, r)
	}
	var open []metering.Double
	for _, d := range metering.Doubles(usage, now) {
		if !every(slices.Concat(d.One, d.Other), func(m metered) bool { return m.stanza.Meter != config.Separate }) {
			continue
		}
		one := says(d.One, config.Primary) || says(d.Other, config.Secondary)
		other := says(d.Other, config.Primary) || says(d.One, config.Secondary)
		if one == other {
			open = append(open, d)
			continue
		}
		primary, second := d.One, d.Other
		if other {
			primary, second = d.Other, d.One
		}
		at := workloads(all, primary)
		mark(second, secondaryMeter, "the same traffic is priced at the primary meter, "+list(at))
		report(d, at, second)
	}
	// What a secondary meter counts is priced elsewhere, and so is what a third one counts of the same.
	for before := len(open) + 1; before > len(open); {
		before = len(open)
		open = slices.DeleteFunc(open, func(d metering.Double) bool {
			one, other := settled(d.One), settled(d.Other)
			if one == other {
				return one
			}
			second, third := d.One, d.Other
			if other {
				second, third = d.Other, d.One
			}
			var at []string
			for _, i := range second {
				at = append(at, priced[i]...)
			}
			slices.Sort(at)
			mark(third, secondaryMeter, "the same traffic as that of "+list(workloads(all, second))+" is priced at its primary meter")
			report(d, slices.Compact(at), third)
			return true
		})
	}
	for _, d := range open {
		r := describe(all, d)
		r.Because += ": neither is priced until a stanza of workloads says meter: primary of one of them, or meter: separate if they are not the same"
		mark(slices.Concat(d.One, d.Other), doubleMetered, r.Because)
		reports = append(reports, r)
	}
	slices.SortFunc(reports, func(a, b model.DoubleMeter) int {
		return cmp.Or(slices.Compare(a.Workloads, b.Workloads), slices.Compare(a.AlsoAt, b.AlsoAt))
	})
	return reports
}

// describe says which workloads of all count d, and how sure that is.
func describe(all []metered, d metering.Double) model.DoubleMeter {
	report := model.DoubleMeter{
		Workloads: workloads(all, d.One), AlsoAt: workloads(all, d.Other), Primary: []string{},
		TokensRatio: d.Ratio, Correlation: d.Correlation, Weeks: d.Weeks,
	}
	report.Because = fmt.Sprintf("%s (%s) and %s (%s) count the same traffic, %s as many tokens and hours that move together in %d weeks (correlation %.2f)",
		list(report.Workloads), sources(all, d.One), list(report.AlsoAt), sources(all, d.Other), model.FormatPercent(model.Fraction(d.Ratio)), d.Weeks, d.Correlation)
	return report
}

// workloads returns the names of the workloads at places.
func workloads(all []metered, places []int) []string {
	names := make([]string, len(places))
	for k, i := range places {
		names[k] = all[i].usage.Workload
	}
	return names
}

// sources says where the workloads at places are counted.
func sources(all []metered, places []int) string {
	var names []string
	for _, i := range places {
		names = append(names, all[i].usage.Source)
	}
	slices.Sort(names)
	return "source " + strings.Join(slices.Compact(names), " and ")
}

// list says names, three at most.
func list(names []string) string {
	const most = 3
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	if last := len(names) - 1; last > 0 {
		return strings.Join(names[:last], ", ") + " and " + names[last]
	}
	return names[0]
}
