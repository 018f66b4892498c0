package daemon

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"tipline/collector"
	"tipline/model"
)

// gpuShared is the code of the warning that a workload has a share of GPUs on which others run too.
const gpuShared = "GPU_SHARED"

// shareGPUs gives every series of found its share of the GPUs that it runs on, which others may run on too that another source counts on the same server, by the same labels or by
// others: by the tokens of the day before now that were not read from a cache, in equal parts when there were none. What a source counts that is away keeps what it had in the
// last day that was read. The shares of the series that were measured in that day add up to one; the others have no GPUs.
func shareGPUs(found []metered, now time.Time) {
	scopes := map[string]*scope{}  // by server and name
	read := map[string]time.Time{} // up to when a source was read that is away
	shown := map[string]bool{}     // whose GPUs are in scopes, by source
	for i, m := range found {
		if m.usage.GPUScope == "" {
			continue
		}
		key := m.server + "\x00" + m.usage.GPUScope
		s := scopes[key]
		if s == nil {
			s = &scope{name: m.usage.GPUScope, server: m.server, by: m.usage.GPUsBy, part: 1}
			scopes[key] = s
		}
		s.places = append(s.places, i)
		if m.outage != "" {
			read[m.usage.Source] = latest(read[m.usage.Source], m.whole().Last())
		}
		if shown[m.usage.Source] {
			continue // they are the same for all of a source
		}
		shown[m.usage.Source] = true
		for name, devices := range m.usage.GPUDevices { // of scopes without a workload too
			key := m.server + "\x00" + name
			if scopes[key] == nil {
				scopes[key] = &scope{name: name, server: m.server, by: m.usage.GPUsBy, part: 1}
			}
			if scopes[key].devices == nil {
				scopes[key].devices = devices
			}
		}
	}
	all := make([]*scope, 0, len(scopes))
	for _, key := range slices.Sorted(maps.Keys(scopes)) {
		s := scopes[key]
		all = append(all, s)
		s.weigh(found, read, now)
	}
	overlap(all)
	for _, s := range all {
		s.alone(found)
	}
	for _, s := range all {
		s.shareOut(found)
	}
	doubt(all, found)
}

// A scope is what the GPU metrics of a server are about that cover some series, or none.
type scope struct {
	name, server string
	by           string               // what its devices are, and by which labels they are joined, see model.Usage
	places       []int                // of its series
	devices      map[string]model.Day // its GPUs, see model.Usage; nil when they are not known one by one
	running      []int                // the places that were measured in the last day
	weights      []float64            // their tokens
	total        float64              // of weights
	each         float64              // of them for one of its GPUs
	beside       []*scope             // others that had some of its GPUs at the same time
	idle         []*scope             // those without a workload that had some of its GPUs at the same time
	part         float64              // of its GPUs that is its own share, 0 to 1; the rest is that of beside and nobody's
	nobodys      float64              // of its GPUs that it would have too if there were no idle
}

// weigh finds which series of s were measured in the day before now, or before their source was away, and with how many tokens; the others have no GPUs.
func (s *scope) weigh(found []metered, read map[string]time.Time, now time.Time) {
	for _, i := range s.places {
		u := &found[i].usage
		to := now
		if found[i].outage != "" {
			to = read[u.Source]
		}
		v, measured := found[i].whole().Between(to.Add(-24*time.Hour), to)
		if measured == 0 {
			u.GPU = nil
			continue
		}
		w := float64(v.Total() - v[model.CacheRead])
		s.running, s.weights, s.total = append(s.running, i), append(s.weights, w), s.total+w
	}
}

// overlap finds which of all had GPUs in common on their server, and gives each its part of them: of every GPU in every hour of the last day, by the tokens that each of the
// scopes that had it then has for one of its own. A GPU that went from one scope to another is that of each in its hours. A scope without a workload that was measured in that
// day has no tokens, so it takes an equal part of the hour, which is nobody's; but not where another source joins the GPU by other labels, which may be those of the same pods.
func overlap(all []*scope) {
	holders := map[string][]*scope{} // by server and device
	for _, s := range all {
		var gpus float64
		for _, device := range slices.Sorted(maps.Keys(s.devices)) { // in order, since sums of floats depend on it
			gpus += s.devices[device].Mean()
			holders[s.server+"\x00"+device] = append(holders[s.server+"\x00"+device], s)
		}
		s.each = s.total / gpus
	}
	for _, s := range all {
		if len(s.running) == 0 {
			continue
		}
		var mine, nobodys, seen float64
		for _, device := range slices.Sorted(maps.Keys(s.devices)) {
			for hour, own := range s.devices[device] {
				if own == 0 {
					continue
				}
				var most, held, tokens float64
				var running, idle []*scope
				for _, o := range holders[s.server+"\x00"+device] {
					n := o.devices[device][hour]
					switch {
					case n == 0:
					case len(o.running) == 0:
						idle = append(idle, o)
					default:
						running = append(running, o)
						most, held, tokens = max(most, n), held+n, tokens+n*o.each
					}
				}
				if slices.ContainsFunc(running, func(o *scope) bool { return o.by != s.by }) {
					idle = nil
				} else {
					idle = slices.DeleteFunc(idle, func(o *scope) bool { return o.by != s.by })
				}
				share := most * own / held
				if tokens > 0 {
					share = most * own * s.each / tokens
				}
				nobody := share * float64(len(idle)) / float64(len(idle)+len(running))
				mine, nobodys, seen = mine+share-nobody, nobodys+nobody, seen+own
				s.beside, s.idle = union(s.beside, running), union(s.idle, idle)
			}
		}
		s.beside = slices.DeleteFunc(s.beside, func(o *scope) bool { return o == s })
		if len(s.beside)+len(s.idle) > 0 {
			s.part, s.nobodys = mine/seen, nobodys/seen
		}
	}
}

// union returns some with those of more that are not among them.
func union(some, more []*scope) []*scope {
	for _, s := range more {
		if !slices.Contains(some, s) {
			some = append(some, s)
		}
	}
	return some
}

// name tells the workload that m is part of from those of other sources too.
func (m metered) name() string {
	return m.usage.Source + "\x00" + cmp.Or(m.stanza.Name, m.usage.Workload)
}

// shareOut gives the series of s their shares of its GPUs.
func (s *scope) shareOut(found []metered) {
	shares := map[string]float64{} // by workload
	for k, i := range s.running {
		if s.weights[k] /= s.total; s.total == 0 {
			s.weights[k] = 1 / float64(len(s.running))
		}
		shares[found[i].name()] += s.weights[k]
	}
	workloads := len(shares)
	for k, i := range s.running {
		u := &found[i].usage
		if u.GPU == nil || len(s.running) == 1 && len(s.beside)+len(s.idle) == 0 {
			continue
		}
		gpu := *u.GPU
		var texts []string
		if len(s.beside) > 0 {
			texts = append(texts, fmt.Sprintf("some of the %.4g GPUs in %s are those in %s too: %.4g of them are counted here, by the tokens of the last day", gpu.Count, s.name, names(s.beside), gpu.Count*s.part))
		}
		if len(s.idle) > 0 {
			texts = append(texts, fmt.Sprintf("some of the %.4g GPUs in %s are those in %s too, without a workload that was measured: %.4g of them are nobody's, an equal part of every hour", gpu.Count, s.name, names(s.idle), gpu.Count*s.nobodys))
		}
		gpu.Nobodys = gpu.Count * s.nobodys * s.weights[k]
		gpu.Count *= s.part
		if share, untold := shares[found[i].name()]; untold { // once, however many series it is made of
			delete(shares, found[i].name())
			if workloads > 1 {
				texts = append(texts, fmt.Sprintf("%d workloads run on the %.4g GPUs in %s: %s of them are this one's, by its tokens of the last day",
					workloads, gpu.Count, s.name, model.FormatPercent(model.Fraction(share))))
			}
			if len(texts) > 0 {
				u.Warnings = append(slices.Clip(u.Warnings), model.Warning{Code: gpuShared, Text: strings.Join(texts, "; ")})
			}
		}
		gpu.Count *= s.weights[k]
		if gpu.USDPerHour != nil {
			usd := *gpu.USDPerHour * s.part * s.weights[k]
			gpu.USDPerHour = &usd
		}
		u.GPU = &gpu
	}
}

// doubt says of the series of scopes whose GPUs may be those of others too that their number is unsure: where one source knows cards and another the containers that
// hold some, on one server and joined by other labels, nothing tells which are the same.
func doubt(all []*scope, found []metered) {
	ways := map[string][]string{} // in which GPUs are counted on a server
	for _, s := range all {
		if len(s.running) > 0 && !slices.Contains(ways[s.server], s.by) {
			ways[s.server] = append(ways[s.server], s.by)
		}
	}
	for _, s := range all {
		what, labels, _ := strings.Cut(s.by, " by ")
		i := slices.IndexFunc(ways[s.server], func(by string) bool {
			other, others, _ := strings.Cut(by, " by ")
			return other != what && others != labels
		})
		if i < 0 {
			continue
		}
		said := map[string]bool{} // by workload
		for _, k := range s.running {
			u := &found[k].usage
			if u.GPU == nil {
				continue
			}
			gpu := *u.GPU
			gpu.Unsure = slices.Compact(slices.Sorted(slices.Values(append(slices.Clip(gpu.Unsure), "shared"))))
			u.GPU = &gpu
			if name := found[k].name(); !said[name] {
				said[name] = true
				u.Warnings = append(slices.Clip(u.Warnings), model.Warning{Code: collector.GPUUnsure, Text: fmt.Sprintf(
					"how many GPUs there are in %s is unsure (shared): they are counted as %s here and as %s by another source, which do not say which of them are the same", s.name, s.by, ways[s.server][i],
				)})
			}
		}
	}
}

// names says which scopes all are.
func names(all []*scope) string {
	var texts []string
	for _, s := range all {
		texts = append(texts, s.name)
	}
	slices.Sort(texts)
	return list(texts)
}

// alone forgets the GPUs of the hours of the series of s in which one was measured that another source counts and that has some of the same: they were not those of one alone.
func (s *scope) alone(found []metered) {
	places := slices.Clone(s.places)
	for _, o := range s.beside {
		places = append(places, o.places...)
	}
	numbers := map[string]uint16{} // of their sources, from 1 on
	for _, i := range places {
		if source := found[i].usage.Source; numbers[source] == 0 {
			numbers[source] = uint16(len(numbers) + 1)
		}
	}
	if len(numbers) == 1 {
		return
	}
	const several = math.MaxUint16
	by := map[int64]uint16{} // number of the source of what was measured in an hour, counted from 1970
	hourOf := func(u model.Usage, h int) int64 { return u.Start.Unix()/3600 + int64(h) }
	for _, i := range places {
		u := found[i].whole()
		for h := range u.Hours {
			switch at, own := by[hourOf(u, h)], numbers[u.Source]; {
			case !u.Hours[h].Measured() || at == own:
			case at == 0:
				by[hourOf(u, h)] = own
			default:
				by[hourOf(u, h)] = several
			}
		}
	}
	for _, i := range s.places {
		found[i].then(func(u model.Usage) model.Usage {
			u.Serving = slices.Clone(u.Serving)
			for h := range u.Serving {
				if source := by[hourOf(u, h)]; source != 0 && source != numbers[u.Source] {
					u.Serving[h].GPUs = 0
				}
			}
			return u
		})
	}
}
