package daemon

import (
	"cmp"
	"fmt"
	"math"
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
			if m.outage != "" {
				read[m.usage.Source] = latest(read[m.usage.Source], m.whole().Last())
			}
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
			v, measured := found[i].whole().Between(to.Add(-24*time.Hour), to)
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
	for _, i := range places {
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
