package daemon

import (
	"fmt"
	"slices"
	"time"

	"tipline/model"
)

// gpuShared is the code of the warning that a workload has a share of GPUs on which others run too.
const gpuShared = "GPU_SHARED"

// shareGPUs gives every workload of all its share of the GPUs that it runs on, which others may run on too that another source counts on the same server: by the tokens of the day
// before now that were not read from a cache, in equal parts when there were none. The shares of those that were measured in that day add up to one; the others have no GPUs.
func shareGPUs(all []metered, now time.Time) {
	together := map[string][]int{} // places by what they run on
	for i, m := range all {
		if m.usage.GPU == nil {
			continue
		}
		if _, measured := m.usage.Between(now.Add(-24*time.Hour), now); measured == 0 {
			all[i].usage.GPU = nil
			continue
		}
		key := m.server + "\x00" + m.usage.GPU.Scope
		together[key] = append(together[key], i)
	}
	for _, places := range together {
		if len(places) == 1 {
			continue
		}
		weights, total := make([]float64, len(places)), 0.0
		for k, i := range places {
			v, _ := all[i].usage.Between(now.Add(-24*time.Hour), now)
			weights[k] = float64(v.Total() - v[model.CacheRead])
			total += weights[k]
		}
		for k, i := range places {
			share := 1 / float64(len(places))
			if total > 0 {
				share = weights[k] / total
			}
			u := &all[i].usage
			gpu := *u.GPU
			text := fmt.Sprintf("%d workloads run on the %.4g GPUs in %s: %s of them are this one's, by its tokens of the last day", len(places), gpu.Count, gpu.Scope, model.FormatPercent(model.Fraction(share)))
			gpu.Count *= share
			if gpu.USDPerHour != nil {
				usd := *gpu.USDPerHour * share
				gpu.USDPerHour = &usd
			}
			u.GPU = &gpu
			u.Warnings = append(slices.Clip(u.Warnings), model.Warning{Code: gpuShared, Text: text})
			all[i].alone(all, places)
		}
	}
}

// alone forgets the GPUs of the hours of m in which one of those at places was measured that another source counts: they were not those of m alone.
func (m *metered) alone(all []metered, places []int) {
	serving := slices.Clone(m.usage.Serving)
	for h := range serving {
		at := m.usage.Start.Add(time.Duration(h) * time.Hour)
		for _, i := range places {
			o := all[i].usage
			if k := int(at.Sub(o.Start) / time.Hour); o.Source != m.usage.Source && !at.Before(o.Start) && k < len(o.Hours) && o.Hours[k].Measured() {
				serving[h].GPUs = 0
			}
		}
	}
	m.usage.Serving = serving
}
