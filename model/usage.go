package model

import (
	"slices"
	"time"
)

// CoverageFloor is the share of an hour's samples below which the hour counts as not measured:
// its increase is then mostly extrapolation or a gap, never a quiet hour.
const CoverageFloor Fraction = 0.5

// Hour is what one workload used in one hour.
type Hour struct {
	Tokens   Volume   `json:"tokens"`
	Requests float64  `json:"requests"`
	Coverage Fraction `json:"coverage"` // share of the hour that was seen, 0 to 1; 0 means nobody measured
}

// Measured reports whether enough of the hour was seen to trust its numbers. It does not copy the hour, since histories ask it of thousands.
func (h *Hour) Measured() bool { return h.Coverage >= CoverageFloor }

// Total returns the tokens of the hour, those of all classes together. It copies nothing either.
func (h *Hour) Total() Tokens {
	return h.Tokens[Input] + h.Tokens[CacheRead] + h.Tokens[CacheWrite] + h.Tokens[CacheWrite1h] + h.Tokens[Output]
}

// Serving is how the engines of one workload did in one hour. The zero value says that nothing is known.
type Serving struct {
	TTFTP95  time.Duration // 95th percentile of the time to first token, an hour when it was longer than can be told; 0 when not known
	Replicas float64       // 0 when not known, or when they came or went
	GPUs     float64       // attached to the workload alone; 0 when not known, or when they came or went
	Waiting  float64       // requests in the queue, on average over all replicas together; see Queued
	Queued   bool          // Waiting is known
}

// A Day has a number for each of 24 hours in a row, at the hour of the day in UTC at which it ends, wherever the day begins.
type Day [24]float64

// Mean returns the mean of d.
func (d Day) Mean() float64 {
	sum := 0.0
	for _, n := range d {
		sum += n
	}
	return sum / float64(len(d))
}

// Usage is what one workload used, hour by hour.
type Usage struct {
	Workload string            // name, unique in a configuration
	Source   string            // name of the source that counted it
	Layer    string            // where on their way the source counts tokens, such as gateway or engine; empty when it does not say
	Labels   map[string]string // the group_by labels and values that make the workload
	Names    int               // how many names it sums up that are too many to be workloads of their own; 0 of a workload
	Start    time.Time         // start of Hours[0], a whole hour in UTC
	Hours    []Hour            // consecutive hours; an hour nobody measured has Coverage 0
	Serving  []Serving         // of each of Hours; empty when the source says nothing of engines
	GPUScope string            // what the GPU metrics of the source are about that cover the workload, for example "namespace chat"; empty when it reads none
	GPU      *GPU              // nil when the source has no GPU metrics for the workload
	// GPUDevices are the GPUs of every scope that the source's GPU metrics show, whether a workload is there or not, by what tells one GPU from another, each as often as it was
	// seen there in every hour of the last day; nil when not known. It is shared by all workloads of the source.
	GPUDevices map[string]map[string]Day
	GPUsBy     string         // what those are and by which labels they are joined: "cards by namespace", or "containers by app" that hold cards; empty without GPUScope
	TTFTP95    *time.Duration // 95th percentile of time to first token over the last day; nil when unknown
	Prompts    *Prompts       // how long the prompts were over the last day; nil when unknown
	Failed     *float64       // requests that failed over the last day; nil when unknown
	Retried    *float64       // times that a request was sent again over the last day; nil when unknown
	Warnings   []Warning
}

// End returns the first instant after the last hour.
func (u Usage) End() time.Time { return u.Start.Add(time.Duration(len(u.Hours)) * time.Hour) }

// Last returns the end of the last measured hour, the zero time when none was.
func (u Usage) Last() time.Time {
	for i := len(u.Hours) - 1; i >= 0; i-- {
		if u.Hours[i].Measured() {
			return u.Start.Add(time.Duration(i+1) * time.Hour)
		}
	}
	return time.Time{}
}

// LongestGap returns the longest time between two measured hours of u in which none was measured.
func (u Usage) LongestGap() time.Duration {
	longest, last := 0, -1
	for i, h := range u.Hours {
		if !h.Measured() {
			continue
		}
		if last >= 0 {
			longest = max(longest, i-last-1)
		}
		last = i
	}
	return time.Duration(longest) * time.Hour
}

// Ended returns u with nothing used after its last measured hour: a series that is over, of a workload that goes on in others.
func (u Usage) Ended() Usage {
	u.Hours = slices.Clone(u.Hours)
	for i := len(u.Hours) - 1; i >= 0 && !u.Hours[i].Measured(); i-- {
		u.Hours[i] = Hour{Coverage: 1}
	}
	return u
}

// Measured returns for how long u was measured, gaps left out.
func (u Usage) Measured() time.Duration {
	var measured time.Duration
	for _, h := range u.Hours {
		if h.Measured() {
			measured += time.Hour
		}
	}
	return measured
}

// Until returns u without the hours that end after t, so that nothing after t can be read.
func (u Usage) Until(t time.Time) Usage {
	n := int(t.Sub(u.Start) / time.Hour)
	u.Hours = u.Hours[:max(0, min(n, len(u.Hours)))]
	u.Serving = u.Serving[:min(len(u.Hours), len(u.Serving))]
	return u
}

// Since returns u without the hours that start before t.
func (u Usage) Since(t time.Time) Usage {
	n := u.startedBefore(t)
	u.Start = u.Start.Add(time.Duration(n) * time.Hour)
	u.Hours, u.Serving = u.Hours[n:], u.Serving[min(n, len(u.Serving)):]
	return u
}

// Between adds up the measured hours that start in [from, to) and returns the share of that span that was measured.
func (u Usage) Between(from, to time.Time) (Volume, Fraction) {
	var sum Volume
	var measured int
	end := u.startedBefore(to)
	for _, h := range u.Hours[min(end, u.startedBefore(from)):end] {
		if h.Measured() {
			sum = sum.Add(h.Tokens)
			measured++
		}
	}
	span := to.Sub(from).Hours()
	if span <= 0 {
		return sum, 0
	}
	return sum, Fraction(float64(measured) / span)
}

// startedBefore returns how many hours of u start before t.
func (u Usage) startedBefore(t time.Time) int {
	n := t.Sub(u.Start) / time.Hour
	if t.Sub(u.Start)%time.Hour > 0 {
		n++
	}
	return int(max(0, min(n, time.Duration(len(u.Hours)))))
}

// Merge returns the usage of u and v together: two series that the configuration counts as one workload.
// An hour before the later one began is the earlier one's alone; any other is seen as far as the worse of the two was. GPUs are added up,
// so each must have its share only. Whether the same engines serve both is not known, so nothing is said of engines.
func (u Usage) Merge(v Usage) Usage {
	u.GPU = bothGPUs(u, v)
	if v.Start.Before(u.Start) {
		u.Start, v.Start = v.Start, u.Start
		u.Hours, v.Hours = v.Hours, u.Hours
	}
	offset := int(v.Start.Sub(u.Start) / time.Hour)
	hours := make([]Hour, max(len(u.Hours), offset+len(v.Hours)))
	copy(hours, u.Hours)
	for i, h := range v.Hours {
		at := &hours[offset+i]
		at.Tokens = at.Tokens.Add(h.Tokens)
		at.Requests += h.Requests
		at.Coverage = min(at.Coverage, h.Coverage)
	}
	for i := offset + len(v.Hours); i < len(hours); i++ {
		hours[i].Coverage = 0 // the later one ended, or was not read that far
	}
	u.Hours, u.Serving = hours, nil
	u.Labels = commonLabels(u.Labels, v.Labels)
	if u.TTFTP95 == nil || v.TTFTP95 != nil && *v.TTFTP95 > *u.TTFTP95 {
		u.TTFTP95 = v.TTFTP95
	}
	u.Prompts = u.Prompts.merge(v.Prompts)
	u.Failed, u.Retried = both(u.Failed, v.Failed), both(u.Retried, v.Retried)
	u.Warnings = append([]Warning{}, u.Warnings...)
	for _, w := range v.Warnings {
		if !slices.Contains(u.Warnings, w) {
			u.Warnings = append(u.Warnings, w)
		}
	}
	return u
}

// bothGPUs returns the GPUs of u and v, of each its share, together: not known when those of one are not that was used in the last day.
func bothGPUs(u, v Usage) *GPU {
	end := u.End()
	if v.End().After(end) {
		end = v.End()
	}
	var sum *GPU
	for _, one := range [...]Usage{u, v} {
		used, _ := one.Between(end.Add(-24*time.Hour), end)
		switch {
		case one.GPU == nil && used.Total() > 0:
			return nil
		case one.GPU == nil:
		case sum == nil:
			sum = one.GPU
		default:
			sum = sum.with(*one.GPU)
		}
	}
	return sum
}

// both returns the sum of a and b, nil unless both are known.
func both(a, b *float64) *float64 {
	if a == nil || b == nil {
		return nil
	}
	sum := *a + *b
	return &sum
}

// Follow returns the usage of u and of v, what the same workload was called before u began: both are added up, and an hour in which only one of them was seen is that one's
// alone, since nobody would say that the other is missing from it. What is known of the last day is that of u, but for the GPUs, of which v may have had a part.
func (u Usage) Follow(v Usage) Usage {
	u.GPU = bothGPUs(u, v)
	start, end := u.Start, u.End()
	if v.Start.Before(start) {
		start = v.Start
	}
	if v.End().After(end) {
		end = v.End()
	}
	hours := make([]Hour, end.Sub(start)/time.Hour)
	serving := make([]Serving, len(hours)) // of an hour in which both were seen nothing is known
	for _, one := range [...]Usage{u, v} {
		for i, h := range one.Hours {
			at := &hours[int(one.Start.Sub(start)/time.Hour)+i]
			at.Tokens = at.Tokens.Add(h.Tokens)
			at.Requests += h.Requests
			if at.Coverage == 0 && i < len(one.Serving) {
				serving[int(one.Start.Sub(start)/time.Hour)+i] = one.Serving[i]
			} else if h.Coverage > 0 {
				serving[int(one.Start.Sub(start)/time.Hour)+i] = Serving{}
			}
			at.Coverage = min(1, at.Coverage+h.Coverage)
		}
	}
	if len(u.Serving)+len(v.Serving) == 0 {
		serving = nil
	}
	u.Start, u.Hours, u.Serving = start, hours, serving
	u.Warnings = append(append([]Warning{}, u.Warnings...), v.Warnings...)
	return u
}

// commonLabels returns the labels that a and b agree on.
func commonLabels(a, b map[string]string) map[string]string {
	common := map[string]string{}
	for name, value := range a {
		if b[name] == value {
			common[name] = value
		}
	}
	return common
}

// GPU is what the GPU exporter says of the GPUs that a workload runs on, averaged over the last day.
type GPU struct {
	Count       float64   // GPUs attached, on average; of those that others run on too only its share, once they are shared out
	Nobodys     float64   // GPUs more that it would have if pods of no workload did not run on some of them too
	Utilization *Fraction // share of time in which the GPU was busy, of what is known of it, see Busy; nil when nothing is. Busy is not used well: see cost model 4.5
	Coverage    Fraction  // share of the hours of Count of which that is known, 0 to 1
	USDPerHour  *float64  // what Count of them cost by the word of OpenCost; nil when unknown
	Unsure      []string  // why Count is unsure, sorted: mig, partition, dra or shared; nil when nothing says that it is
}

// with returns g and o together.
func (g *GPU) with(o GPU) *GPU {
	sum := GPU{Count: g.Count + o.Count, Nobodys: g.Nobodys + o.Nobodys, USDPerHour: both(g.USDPerHour, o.USDPerHour)}
	sum.Unsure = slices.Concat(g.Unsure, o.Unsure)
	slices.Sort(sum.Unsure)
	sum.Unsure = slices.Compact(sum.Unsure)
	if known := g.known() + o.known(); known > 0 {
		var busy float64
		for _, one := range []*GPU{g, &o} {
			if one.Utilization != nil {
				busy += one.known() * float64(*one.Utilization)
			}
		}
		sum.Utilization, sum.Coverage = new(Fraction(busy/known)), Fraction(known/sum.Count)
	}
	return &sum
}

// known returns how many GPUs it would be of whose every hour it is known how busy they are.
func (g *GPU) known() float64 { return g.Count * float64(g.Coverage) }

// Busy returns the share of time in which the GPUs were busy; nil when that is known of less than CoverageFloor of their hours.
func (g *GPU) Busy() *Fraction {
	if g.Coverage < CoverageFloor {
		return nil
	}
	return g.Utilization
}
