package daemon

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tipline/model"
)

// gpuShared is the code of the warning that a workload has a share of GPUs on which others run too.
const gpuShared = "GPU_SHARED"

// shareGPUs gives every series of found its share of the GPUs that it runs on, which others may run on too that another source counts on the same server: by the tokens of the
// day before now that were not read from a cache, in equal parts when there were none. What a source counts that is away keeps what it had in the last day that was read. The
// shares of the series that were measured in that day add up to one; the others have no GPUs.
func shareGPUs(found []metered, now time.Time) {
	together := map[string][]int{} // places by what they run on
	read := map[string]time.Time{} // up to when a source was read that is away
	for i, m := range found {
		if m.usage.GPUScope != "" {
			key := m.server + "\x00" + m.usage.GPUScope
			together[key] = append(together[key], i)
		}
		if last := m.usage.Last(); m.outage != "" && last.After(read[m.usage.Source]) {
			read[m.usage.Source] = last
		}
	}
	for _, places := range together {
		alone(found, places)
		var running []int
		var weights []float64
		total := 0.0
		for _, i := range places {
			u := &found[i].usage
			to := now
			if found[i].outage != "" {
				to = read[u.Source]
			}
			v, measured := u.Between(to.Add(-24*time.Hour), to)
			if measured == 0 {
				u.GPU = nil
				continue
			}
			w := float64(v.Total() - v[model.CacheRead])
			running, weights, total = append(running, i), append(weights, w), total+w
		}
		shares := map[string]float64{} // by workload
		name := func(m metered) string { return m.usage.Source + "\x00" + cmp.Or(m.stanza.Name, m.usage.Workload) }
		for k, i := range running {
			if weights[k] /= total; total == 0 {
				weights[k] = 1 / float64(len(running))
			}
			shares[name(found[i])] += weights[k]
		}
		workloads := len(shares)
		for k, i := range running {
			u := &found[i].usage
			if u.GPU == nil || len(running) == 1 {
				continue
			}
			gpu := *u.GPU
			if share, untold := shares[name(found[i])]; untold && workloads > 1 {
				delete(shares, name(found[i])) // once, however many series it is made of
				u.Warnings = append(slices.Clip(u.Warnings), model.Warning{Code: gpuShared, Text: fmt.Sprintf("%d workloads run on the %.4g GPUs in %s: %s of them are this one's, by its tokens of the last day",
					workloads, gpu.Count, u.GPUScope, model.FormatPercent(model.Fraction(share)))})
			}
			gpu.Count *= weights[k]
			if gpu.USDPerHour != nil {
				usd := *gpu.USDPerHour * weights[k]
				gpu.USDPerHour = &usd
			}
			u.GPU = &gpu
		}
	}
}

// alone forgets the GPUs of the hours of the series at places, which run on the same, in which one was measured that another source counts: they were not those of one alone.
func alone(found []metered, places []int) {
	const several = "\x00"
	begin, end := found[places[0]].usage.Start, time.Time{}
	for _, i := range places {
		u := found[i].usage
		if u.Start.Before(begin) {
			begin = u.Start
		}
		if u.End().After(end) {
			end = u.End()
		}
	}
	by := make([]string, end.Sub(begin)/time.Hour) // source of what was measured in an hour
	for _, i := range places {
		u := found[i].usage
		first := int(u.Start.Sub(begin) / time.Hour)
		for h := range u.Hours {
			switch at := &by[first+h]; {
			case !u.Hours[h].Measured() || *at == u.Source:
			case *at == "":
				*at = u.Source
			default:
				*at = several
			}
		}
	}
	for _, i := range places {
		u := &found[i].usage
		first := int(u.Start.Sub(begin) / time.Hour)
		u.Serving = slices.Clone(u.Serving)
		for h := range u.Serving {
			if source := by[first+h]; source != "" && source != u.Source {
				u.Serving[h].GPUs = 0
			}
		}
	}
}
