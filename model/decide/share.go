package decide

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"tipline/model"
	"tipline/model/cost"
)

// hoursOfWeek is how many hours from Monday 00:00 UTC a load profile has.
const hoursOfWeek = 168

// tenant is a workload as a fleet that it may share sees it. The load is in replicas, so that workloads whose requests take a replica
// differently long can be added up.
type tenant struct {
	key       string // the same for those that may share replicas
	workload  string
	option    string
	hosting   model.Hosting
	fleet     *cost.Fleet           // nil for one that follows its load
	scaled    *scaledFleet          // that follows its load; nil for one that runs all month
	operation float64               // USD a month that a fleet costs once, beside its GPU hours and what varies
	peak      float64               // replicas that its own peak takes
	profile   *[hoursOfWeek]float64 // how its load spreads over a week; nil for work that can wait, which fills the hours evenly
	load      *[hoursOfWeek]float64 // replicas in every hour of the week; nil for a fleet that runs all month
	variable  float64               // USD a month that really vary with its volume
	alone     float64               // USD a month of the best option without sharing
	now       float64               // USD a month of the current option; NaN when that is not known
	migration float64               // USD to move there, once
	there     bool                  // it is what serves the workload now
	fleetPays bool                  // alone it is best served by replicas of its own, in part or in whole
}

// addTo adds the replicas that t takes in every hour of the week to load. A workload's own peak is above that of its average week: the
// ratio of the two is kept in every hour.
func (t tenant) addTo(load *[hoursOfWeek]float64) {
	if t.load != nil {
		for h, replicas := range t.load {
			load[h] += replicas
		}
		return
	}
	highest := 0.0
	if t.profile != nil {
		highest = slices.Max(t.profile[:])
	}
	for h := range load {
		share := 1.0
		if highest > 0 {
			share = t.profile[h] / highest
		}
		load[h] += t.peak * share
	}
}

// pooled is a fleet with the tenants it serves best.
type pooled struct {
	tenants  []tenant
	replicas int64
	peak     float64 // replicas that the highest hour takes
	hour     int     // of the week, in which that is
	capacity float64 // USD a month
	usd      float64 // a month, operations and variable cost included
	saving   float64 // USD a month against the best option of each tenant alone
}

// Share returns the fleets that the workloads of verdicts would pay less for together than each does for its best option alone,
// the largest saving first (cost model, section 4.11). Workloads may share replicas when the same option may serve them with the
// same weights, in the same regions and within the same limit of latency. The fleet is sized for the hour of the week in which
// their loads together are highest, never for the sum of their peaks, one that follows its load for every hour of the week, and its
// operations are paid once. A workload is in
// one fleet at most. The order of verdicts does not matter.
func Share(verdicts []Verdict) []model.SharedFleet {
	groups := map[string][]tenant{}
	for _, v := range verdicts {
		for _, t := range v.tenants {
			groups[t.key] = append(groups[t.key], t)
		}
	}
	fleets := []model.SharedFleet{}
	for {
		best := mostSaving(groups)
		if best == nil {
			return fleets
		}
		fleets = append(fleets, best.report())
		taken := map[string]bool{}
		for _, t := range best.tenants {
			taken[t.workload] = true
		}
		for key, group := range groups {
			groups[key] = slices.DeleteFunc(group, func(t tenant) bool { return taken[t.workload] })
		}
	}
}

// mostSaving returns what saves most of all that the groups allow, nil when none saves anything.
func mostSaving(groups map[string][]tenant) (best *pooled) {
	bestKey := ""
	for key, group := range groups {
		p := pool(group)
		if p == nil {
			continue
		}
		if best == nil || p.saving > best.saving || p.saving == best.saving && key < bestKey {
			best, bestKey = p, key
		}
	}
	return best
}

// tenants returns the workload as a tenant of every fleet that it may use; none when its best option has no cost. How far a replica
// may be loaded is what tells one class of latency from another.
func (e *explanation) tenants() []tenant {
	if e.best == nil {
		return nil
	}
	volume, class := float(e.demand.median), targetUtilization(e.in.Constraints).RatString()
	var tenants []tenant
	for _, c := range e.all {
		replicas := c.option.Hosting != model.Hybrid && (c.fleet != nil || c.scaled != nil)
		if !replicas || c.problem != "" || len(c.blocked) > 0 {
			continue
		}
		operations, variable := c.operations()
		t := tenant{
			key:      strings.Join([]string{c.option.Name, e.weights(c), strings.Join(e.regions(c), ","), class}, "\x00"),
			workload: e.in.Workload, option: c.option.Name, hosting: c.option.Hosting, fleet: c.fleet, scaled: c.scaled,
			operation: float(operations), variable: volume * float(variable) / 1e6,
			alone: float(e.best.due), now: math.NaN(), fleetPays: e.best.option.Hosting != model.API,
		}
		if e.now.due != nil {
			t.now = float(e.now.due)
		}
		if t.there = c == e.now; !t.there {
			t.migration = float(orZero(c.option.MigrationCost))
		}
		if !e.in.Constraints.Batch {
			t.profile = &e.in.Forecast.HourOfWeek
		}
		if t.scaled != nil {
			t.load = c.week(volume, t.profile)
			t.peak = slices.Max(t.load[:])
		} else {
			t.peak = volume / float(c.fleet.PerReplica)
		}
		tenants = append(tenants, t)
	}
	return tenants
}

// weights names the weights that c would have to hold for the workload.
func (e *explanation) weights(c *costed) string {
	demanded := e.in.Constraints.Model
	switch {
	case e.in.Constraints.FineTuned && demanded == "":
		return "of " + e.in.Workload // its own, whatever they are
	case e.in.Constraints.FineTuned:
		return "fine-tuned " + demanded
	case demanded == "" && len(c.option.Models) > 0:
		return c.option.Models[0]
	}
	return demanded
}

// regions returns in which of its regions c may serve the workload.
func (e *explanation) regions(c *costed) []string {
	regions := slices.Clone(c.option.Regions)
	if demanded := e.in.Constraints.Residency; len(demanded) > 0 {
		regions = slices.DeleteFunc(regions, func(r string) bool { return !slices.Contains(demanded, r) })
	}
	slices.Sort(regions)
	return regions
}

// pool returns the fleet for those of the group that save most by sharing it, nil when no two of them save anything. Those whose
// best option alone costs most for each replica that they take come first; every number of them is tried.
func pool(group []tenant) *pooled {
	sorted := slices.Clone(group)
	slices.SortFunc(sorted, func(a, b tenant) int {
		if by := cmp.Compare((b.alone-b.variable)/b.peak, (a.alone-a.variable)/a.peak); by != 0 {
			return by
		}
		return cmp.Compare(a.workload, b.workload)
	})
	var best *pooled
	var load [hoursOfWeek]float64
	var alone, variable float64
	for i, t := range sorted {
		t.addTo(&load)
		alone, variable = alone+t.alone, variable+t.variable
		p, feasible := t.sized(load)
		p.usd = p.capacity + t.operation + variable
		p.saving = alone - p.usd
		if i > 0 && feasible && p.saving > 0 && (best == nil || p.saving > best.saving) {
			p.tenants = sorted[:i+1]
			best = &p
		}
	}
	return best
}

// sized returns the fleet of t's option that the loads of the hours of a week take, and false when its quota does not allow it.
func (t tenant) sized(load [hoursOfWeek]float64) (p pooled, feasible bool) {
	for h, replicas := range load {
		if replicas > p.peak {
			p.peak, p.hour = replicas, h
		}
	}
	if t.scaled != nil {
		p.replicas, p.capacity = t.scaled.over(load)
		return p, !math.IsNaN(p.capacity)
	}
	f := t.fleet
	s := f.Shape()
	needed := math.Ceil(p.peak * (1 - snap))
	p.replicas = int64(max(float64(s.MinReplicas), needed)) + s.SpareReplicas
	blocks := math.Ceil(float64(p.replicas) / float64(s.ReplicasPerBlock))
	p.capacity = blocks * float(f.BlockCost)
	if needed > 1<<53 { // see cost.Fleet.At
		return p, false
	}
	if s.MaxVolume != nil {
		most := math.Floor(float(s.MaxVolume)/float(f.PerReplica)*(1+snap)) + float64(s.SpareReplicas)
		return p, float64(p.replicas) <= most
	}
	return p, true
}

// week returns the replicas that volume tokens a month take in every hour of the week on a fleet that follows its load: the hours that are
// used most have the highest loads of the curve, the highest of each part of it. Work that can wait, which has no profile, fills the
// hours evenly.
func (c *costed) week(volume float64, profile *[hoursOfWeek]float64) *[hoursOfWeek]float64 {
	f, load := c.fast, new([hoursOfWeek]float64)
	perReplica := f.capacity / float64(c.scaled.perBlock)
	if profile == nil {
		for h := range load {
			load[h] = volume / f.month / perReplica
		}
		return load
	}
	var hours [hoursOfWeek]int // the most used first
	for h := range hours {
		hours[h] = h
	}
	slices.SortStableFunc(hours[:], func(a, b int) int { return cmp.Compare(profile[b], profile[a]) })
	scale := volume / (f.total * f.month / f.all)
	for rank, h := range hours {
		begins := float64(rank) / hoursOfWeek * f.all
		i := sort.Search(len(f.hours)-1, func(i int) bool { return f.hours[i] > begins*(1+snap) })
		load[h] = f.rates[i] * scale / perReplica
	}
	return load
}

// over returns how many replicas the highest hour of a week takes when s follows load, in replicas, and what its GPU hours cost a month; NaN
// when the quota does not allow them.
func (s *scaledFleet) over(load [hoursOfWeek]float64) (replicas int64, usd float64) {
	slices.SortFunc(load[:], func(a, b float64) int { return cmp.Compare(b, a) })
	f := fast{scaled: newFastScaled(s), month: float(s.hours), all: hoursOfWeek, capacity: float64(s.perBlock), rates: load[:]}
	var hours [hoursOfWeek]float64
	for h, rate := range load {
		f.total += rate
		hours[h] = float64(h + 1)
	}
	f.hours = hours[:]
	blocks := max(math.Ceil(load[0]/f.capacity*(1-snap)), f.scaled.minBlocks) + f.scaled.spares
	return int64(blocks) * s.perBlock, f.following(f.total * f.month / f.all)
}

// report says what p is and what it saves.
func (p *pooled) report() model.SharedFleet {
	first := p.tenants[0]
	f := model.SharedFleet{
		Option: first.option, Hosting: first.hosting, Workloads: []string{}, AlreadyThere: []string{}, Replicas: p.replicas, PeakReplicas: p.peak,
		PeakHour: hourText(p.hour), CapacityUSDPerMonth: model.USD(p.capacity), OperationsUSDPerMonth: model.USD(first.operation),
		USDPerMonth: model.USD(p.usd), SavingUSDPerMonth: model.USD(p.saving),
	}
	var now float64
	pays := 0
	for _, t := range p.tenants {
		f.Workloads = append(f.Workloads, t.workload)
		f.SumOfPeaksReplicas += t.peak
		f.AloneUSDPerMonth += model.USD(t.alone)
		f.VariableUSDPerMonth += model.USD(t.variable)
		f.MigrationUSD += model.USD(t.migration)
		now += t.now
		if t.fleetPays {
			pays++
		}
		if t.there {
			f.AlreadyThere = append(f.AlreadyThere, t.workload)
		}
	}
	slices.Sort(f.Workloads)
	slices.Sort(f.AlreadyThere)
	if !math.IsNaN(now) {
		f.CurrentUSDPerMonth = new(model.USD(now))
	}
	f.Because = because(f, pays, first.scaled != nil)
	return f
}

// because says in one sentence what sharing saves.
func because(f model.SharedFleet, pays int, follows bool) string {
	alone := "none of them is served best by a fleet alone"
	if pays > 0 {
		alone = fmt.Sprintf("alone %d of them are served best by a fleet of their own", pays)
		if pays == 1 {
			alone = "alone 1 of them is served best by a fleet of its own"
		}
	}
	replicas := "1 replica"
	if f.Replicas != 1 {
		replicas = fmt.Sprintf("%d replicas", f.Replicas)
	}
	most := ""
	if follows {
		most = "at most "
	}
	there := ""
	if n := len(f.AlreadyThere); n > 1 {
		there = fmt.Sprintf("; %d of them run on it now, and the verdict on each counts a fleet of its own", n)
	}
	return fmt.Sprintf("%s may share %s: %s; together on %s%s they cost %s a month instead of %s, a saving of %s "+
		"(their peaks add up to %.2f replicas, the highest hour together, %s, takes %.2f)%s",
		listed(f.Workloads), f.Option, alone, most, replicas, model.FormatUSD(f.USDPerMonth), model.FormatUSD(f.AloneUSDPerMonth),
		model.FormatUSD(f.SavingUSDPerMonth), f.SumOfPeaksReplicas, f.PeakHour, f.PeakReplicas, there)
}

// listed names the first of names and how many more there are.
func listed(names []string) string {
	const most = 4
	if len(names) == 1 {
		return names[0]
	}
	if len(names) <= most {
		return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most-1], ", "), len(names)-most+1)
}

// hourText names an hour of the week, counted from Monday 00:00 UTC.
func hourText(h int) string {
	return fmt.Sprintf("%s %02d:00 UTC", time.Weekday((h/24+1)%7), h%24)
}
