package drift

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The kinds of drift that only readings tell, since the history holds no hours of them.
const (
	TTFT                = "ttft_p95"             // seconds, of the day before the reading
	Throughput          = "throughput"           // tokens an hour of a GPU that is busy
	GPUUtilization      = "gpu_utilization"      // share of the time in which GPUs were busy
	EconomicUtilization = "economic_utilization" // tokens served over tokens that the fleet could serve
	ErrorShare          = "error_share"          // failed requests over requests, of the day before the reading; LeastErrors and below are the same
	RetryShare          = "retry_share"          // times that a request was sent again over requests, likewise; 1 and above are the same too
)

// ReadingKinds are those kinds.
var ReadingKinds = []string{TTFT, Throughput, GPUUtilization, EconomicUtilization, ErrorShare, RetryShare}

// scaleOf returns how the values of a kind are compared.
func scaleOf(kind string) Scale {
	switch kind {
	case Volume, Peak, TTFT, Throughput:
		return Ratio
	}
	return Share
}

// LeastErrors is the share of requests that failed or were sent again up to which there is nothing to tell: half a percent more of them is no news, and a workload without any would
// otherwise alarm at the first.
const LeastErrors = 0.01

// Readings are what was read of a workload once a day, for the last Window days, and what became of it.
type Readings struct {
	Day    string              `json:"day,omitempty"` // of the newest reading, 2006-01-02
	Values map[string]Measured `json:"values,omitempty"`
	Found  map[string]Finding  `json:"found,omitempty"` // of the kinds of which enough is known, since nothing changes until the next reading
}

// Measured are values of which some may not be known, as NaN; their JSON form is null then, and has four digits otherwise.
type Measured []float64

// MarshalJSON implements json.Marshaler.
func (m Measured) MarshalJSON() ([]byte, error) {
	data := []byte{'['}
	for i, v := range m {
		if i > 0 {
			data = append(data, ',')
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			data = append(data, "null"...)
		} else {
			data = strconv.AppendFloat(data, v, 'g', 4, 64)
		}
	}
	return append(data, ']'), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *Measured) UnmarshalJSON(data []byte) error {
	*m = nil
	list := strings.Trim(string(data), "[] ")
	if list == "" {
		return nil
	}
	for text := range strings.SplitSeq(list, ",") {
		v := math.NaN()
		if text != "null" {
			var err error
			if v, err = strconv.ParseFloat(text, 64); err != nil {
				return err
			}
		}
		*m = append(*m, v)
	}
	return nil
}

// With returns r with the reading of a day, of which only the first counts; a kind that is not among the values is not known on that day, and
// so is every day without a reading. r is not changed.
func (r Readings) With(now time.Time, values map[string]float64) Readings {
	today := now.UTC().Truncate(24 * time.Hour)
	missed := 1
	if last, err := time.Parse(time.DateOnly, r.Day); err == nil {
		missed = int(today.Sub(last) / (24 * time.Hour))
	}
	if missed <= 0 && r.Found != nil {
		return r
	}
	next := Readings{Day: r.Day, Values: r.Values, Found: map[string]Finding{}}
	if missed > 0 {
		next.Day, next.Values = today.Format(time.DateOnly), r.after(missed, values)
	}
	for kind, days := range next.Values {
		if f, known := Find(days, scaleOf(kind), false); known {
			next.Found[kind] = f
		}
	}
	return next
}

// after returns the values of r and those of the day that comes so many days later.
func (r Readings) after(days int, values map[string]float64) map[string]Measured {
	next := map[string]Measured{}
	for _, kind := range ReadingKinds {
		value, known := values[kind]
		if !known && len(r.Values[kind]) == 0 {
			continue
		}
		if !known {
			value = math.NaN()
		}
		all := slices.Clone(r.Values[kind])
		for range min(days-1, Window) {
			all = append(all, math.NaN())
		}
		all = append(all, value)
		next[kind] = all[max(0, len(all)-Window):]
	}
	return next
}

// Gone reports whether all that r holds is too old to be looked at.
func (r Readings) Gone(now time.Time) bool {
	last, err := time.Parse(time.DateOnly, r.Day)
	return err != nil || now.Sub(last) > Window*24*time.Hour
}
