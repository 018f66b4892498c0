package decide

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"slices"
	"sort"
	"strings"
	"time"

	"tipline/model"
	"tipline/model/cost"
)

// hoursOfWeek is how many hours from Monday 00:00 UTC a load profile has.
const hoursOfWeek = 168

// Pool is what the verdict on a shared fleet rests on, and all that is needed to compute it again.
type Pool struct {
	Option                                       string
	Hosting                                      model.Hosting
	ReplicasPerBlock, MinReplicas, SpareReplicas int64
	BlockCost                                    *big.Rat             // USD a month of a block of replicas; nil for a fleet that follows its load
	Scaled                                       *cost.Autoscaled     // how that does so, in blocks; nil for one that runs all month
	Hours                                        *big.Rat             // of a month of Scaled
	Fixed                                        *big.Rat             // USD a month of operations
	Load                                         [hoursOfWeek]float64 // replicas that all tenants together take in every hour of the week, from Monday 00:00 UTC
	Tenants                                      []Tenant             // those that alone cost most for each replica that they take first
}

// Tenant is a workload of a Pool. Its load is in replicas, so that workloads whose requests take a replica differently long can be added up.
type Tenant struct {
	Workload  string
	Decision  string   // id of the decision on it alone; empty when it has none
	Peak      float64  // replicas that its own peak takes
	Variable  float64  // USD a month that really vary with its volume
	Alone     float64  // USD a month of the best option without sharing
	Now       *float64 // USD a month of the current option; nil when that is not known
	Migration float64  // USD to move there, once
	There     bool     // it is what serves the workload now
	FleetPays bool     // alone it is best served by replicas of its own, in part or in whole
}

// tenant is a Tenant that looks for others to share with.
type tenant struct {
	Tenant
	key     string // the same for those that may share replicas
	option  string
	hosting model.Hosting
	fleet   *cost.Fleet           // nil for one that follows its load
	scaled  *scaledFleet          // that follows its load; nil for one that runs all month
	profile *[hoursOfWeek]float64 // how its load spreads over a week; nil for work that can wait, which fills the hours evenly
	load    *[hoursOfWeek]float64 // replicas in every hour of the week; nil for a fleet that runs all month
	fixed   *big.Rat              // USD a month of operations
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
		load[h] += t.Peak * share
	}
}

// Share returns the shared fleets of Pools.
func Share(verdicts []Verdict) []model.SharedFleet {
	fleets := []model.SharedFleet{}
	for _, p := range Pools(verdicts) {
		fleets = append(fleets, p.SharedFleet())
	}
	return fleets
}

// Pools returns the fleets that the workloads of verdicts would pay less for together than each does for its best option alone,
// the largest saving first (cost model, section 4.11). Workloads may share replicas when the same option may serve them with the
// same weights, in the same regions and within the same limit of latency. The fleet is sized for the hour of the week in which
// their loads together are highest, never for the sum of their peaks, one that follows its load for every hour of the week, and its
// operations are paid once. A workload is in
// one fleet at most. The order of verdicts does not matter.
func Pools(verdicts []Verdict) []Pool {
	groups := map[string][]tenant{}
	for _, v := range verdicts {
		for _, t := range v.tenants {
			groups[t.key] = append(groups[t.key], t)
		}
	}
	var pools []Pool
	for {
		best := mostSaving(groups)
		if best == nil {
			return pools
		}
		pools = append(pools, *best)
		taken := map[string]bool{}
		for _, t := range best.Tenants {
			taken[t.Workload] = true
		}
		for key, group := range groups {
			groups[key] = slices.DeleteFunc(group, func(t tenant) bool { return taken[t.Workload] })
		}
	}
}

// mostSaving returns what saves most of all that the groups allow, nil when none saves anything.
func mostSaving(groups map[string][]tenant) (best *Pool) {
	bestKey, most := "", 0.0
	for key, group := range groups {
		p, saving := pool(group)
		if p == nil {
			continue
		}
		if best == nil || saving > most || saving == most && key < bestKey {
			best, bestKey, most = p, key, saving
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
		replicas := c.option.Hosting != model.Hybrid && c.option.Jobs == nil && (c.fleet != nil || c.scaled != nil)
		if !replicas || c.problem != "" || len(c.blocked) > 0 {
			continue
		}
		operations, variable := c.operations()
		t := tenant{
			key:    strings.Join([]string{c.option.Name, e.weights(c), strings.Join(e.regions(c), ","), class}, "\x00"),
			option: c.option.Name, hosting: c.option.Hosting, fleet: c.fleet, scaled: c.scaled, fixed: operations,
			Tenant: Tenant{
				Workload: e.in.Workload, Variable: volume * float(variable) / 1e6,
				Alone: float(e.best.due), FleetPays: e.best.option.Hosting != model.API, There: c == e.now,
			},
		}
		if e.now.due != nil {
			t.Now = new(float(e.now.due))
		}
		if !t.There {
			t.Migration = float(orZero(c.option.MigrationCost))
		}
		if !e.in.Constraints.Batch {
			t.profile = &e.in.Forecast.HourOfWeek
		}
		if t.scaled != nil {
			t.load = c.week(volume, t.profile)
			t.Peak = slices.Max(t.load[:])
		} else {
			t.Peak = volume / float(c.fleet.PerReplica)
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
func pool(group []tenant) (best *Pool, most float64) {
	sorted := slices.Clone(group)
	slices.SortFunc(sorted, func(a, b tenant) int {
		if by := cmp.Compare((b.Alone-b.Variable)/b.Peak, (a.Alone-a.Variable)/a.Peak); by != 0 {
			return by
		}
		return cmp.Compare(a.Workload, b.Workload)
	})
	var load [hoursOfWeek]float64
	var tenants []Tenant
	var alone, variable float64
	for _, t := range sorted {
		t.addTo(&load)
		tenants = append(tenants, t.Tenant)
		alone, variable = alone+t.Alone, variable+t.Variable
		p := t.pool(load, tenants)
		z := p.size()
		saving := alone - (z.capacity + float(p.Fixed) + variable)
		if len(tenants) > 1 && t.allows(z) && saving > 0 && (best == nil || saving > most) {
			best, most = &p, saving
		}
	}
	return best, most
}

// pool returns the fleet of t's option that tenants with this load share.
func (t tenant) pool(load [hoursOfWeek]float64, tenants []Tenant) Pool {
	p := Pool{Option: t.option, Hosting: t.hosting, Fixed: t.fixed, Load: load, Tenants: tenants}
	if t.scaled != nil {
		p.Scaled, p.Hours, p.ReplicasPerBlock = &t.scaled.Autoscaled, t.scaled.hours, t.scaled.perBlock
		return p
	}
	s := t.fleet.Shape()
	p.BlockCost, p.ReplicasPerBlock, p.MinReplicas, p.SpareReplicas = t.fleet.BlockCost, s.ReplicasPerBlock, s.MinReplicas, s.SpareReplicas
	return p
}

// size is how large a shared fleet is.
type size struct {
	replicas int64
	needed   float64 // replicas without spares
	peak     float64 // replicas that the highest hour takes
	hour     int     // of the week, in which that is
	capacity float64 // USD a month
}

// size returns the fleet that the loads of the hours of the week take.
func (p Pool) size() (z size) {
	for h, replicas := range p.Load {
		if replicas > z.peak {
			z.peak, z.hour = replicas, h
		}
	}
	if p.Scaled != nil {
		s := scaledFleet{Autoscaled: *p.Scaled, hours: p.Hours, perBlock: p.ReplicasPerBlock}
		z.replicas, z.capacity = s.over(p.Load)
		return z
	}
	z.needed = math.Ceil(z.peak * (1 - snap))
	z.replicas = int64(max(float64(p.MinReplicas), z.needed)) + p.SpareReplicas
	blocks := math.Ceil(float64(z.replicas) / float64(p.ReplicasPerBlock))
	z.capacity = blocks * float(p.BlockCost)
	return z
}

// allows reports whether the quota of t's option allows z.
func (t tenant) allows(z size) bool {
	if t.scaled != nil {
		return !math.IsNaN(z.capacity)
	}
	f := t.fleet
	s := f.Shape()
	if z.needed > 1<<53 { // see cost.Fleet.At
		return false
	}
	if s.MaxVolume != nil {
		most := math.Floor(float(s.MaxVolume)/float(f.PerReplica)*(1+snap)) + float64(s.SpareReplicas)
		return float64(z.replicas) <= most
	}
	return true
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
	var hours [hoursOfWeek]float64
	month, volume := float(s.hours), 0.0
	for h := range hours {
		hours[h] = month / hoursOfWeek
		volume += load[h] * hours[h]
	}
	inReplicas := s.Autoscaled // not in tokens
	inReplicas.PerReplica = big.NewRat(s.perBlock, 1)
	f := inReplicas.FollowHours(load[:], hours[:])
	return int64(f.Most(volume)) * s.perBlock, f.Capacity(volume)
}

// SharedFleet says what p is and what it saves.
func (p Pool) SharedFleet() model.SharedFleet {
	z := p.size()
	f := model.SharedFleet{
		Option: p.Option, Hosting: p.Hosting, Workloads: []string{}, AlreadyThere: []string{}, Replicas: z.replicas, PeakReplicas: z.peak,
		PeakHour: hourText(z.hour), CapacityUSDPerMonth: model.USD(z.capacity), OperationsUSDPerMonth: usd(p.Fixed),
	}
	now, known := 0.0, true
	pays := 0
	for _, t := range p.Tenants {
		f.Workloads = append(f.Workloads, t.Workload)
		f.SumOfPeaksReplicas += t.Peak
		f.AloneUSDPerMonth += model.USD(t.Alone)
		f.VariableUSDPerMonth += model.USD(t.Variable)
		f.MigrationUSD += model.USD(t.Migration)
		if t.Now == nil {
			known = false
		} else {
			now += *t.Now
		}
		if t.FleetPays {
			pays++
		}
		if t.There {
			f.AlreadyThere = append(f.AlreadyThere, t.Workload)
		}
	}
	f.USDPerMonth = f.CapacityUSDPerMonth + f.OperationsUSDPerMonth + f.VariableUSDPerMonth
	f.SavingUSDPerMonth = f.AloneUSDPerMonth - f.USDPerMonth
	slices.Sort(f.Workloads)
	slices.Sort(f.AlreadyThere)
	if known {
		f.CurrentUSDPerMonth = new(model.USD(now))
	}
	f.Because = because(f, pays, p.Scaled != nil)
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
		listed(f.Workloads), f.Option, alone, most, replicas, model.FormatUSDAbout(f.USDPerMonth), model.FormatUSDAbout(f.AloneUSDPerMonth),
		model.FormatUSDAbout(f.SavingUSDPerMonth), f.SumOfPeaksReplicas, f.PeakHour, f.PeakReplicas, there)
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
