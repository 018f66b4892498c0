package drift

import (
	"math"
	"strconv"
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

// LeastErrors is the share of requests that failed or were sent again up to which there is nothing to tell: half a percent more of them is no news, and a workload without any would
// otherwise alarm at the first.
const LeastErrors = 0.01

// Readings are what was read of a workload once a day, for the last Window days.
type Readings struct {
	Day    string                `json:"day,omitempty"` // of the newest reading, 2006-01-02
	Values map[string][]Measured `json:"values,omitempty"`
}

// Measured is a value that may not be known, as NaN; its JSON form is null then, and has four digits otherwise.
type Measured float64

// MarshalJSON implements json.Marshaler.
func (m Measured) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(m)) || math.IsInf(float64(m), 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(m), 'g', 4, 64), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *Measured) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*m = Measured(math.NaN())
		return nil
	}
	v, err := strconv.ParseFloat(string(data), 64)
	*m = Measured(v)
	return err
}

// With returns r with the reading of a day, of which only the first counts; a kind that is not among the values is not known on that day, and
// so is every day without a reading. r is not changed.
func (r Readings) With(now time.Time, values map[string]float64) Readings {
	today := now.UTC().Truncate(24 * time.Hour)
	missed := 1
	if last, err := time.Parse(time.DateOnly, r.Day); err == nil {
		missed = int(today.Sub(last) / (24 * time.Hour))
	}
	if missed <= 0 {
		return r
	}
	next := Readings{Day: today.Format(time.DateOnly), Values: map[string][]Measured{}}
	for _, kind := range ReadingKinds {
		value, known := values[kind]
		if !known && len(r.Values[kind]) == 0 {
			continue
		}
		days := append([]Measured{}, r.Values[kind]...)
		for range min(missed-1, Window) {
			days = append(days, Measured(math.NaN()))
		}
		if !known {
			value = math.NaN()
		}
		days = append(days, Measured(value))
		next.Values[kind] = days[max(0, len(days)-Window):]
	}
	return next
}

// Gone reports whether all that r holds is too old to be looked at.
func (r Readings) Gone(now time.Time) bool {
	last, err := time.Parse(time.DateOnly, r.Day)
	return err != nil || now.Sub(last) > Window*24*time.Hour
}

// Days returns the readings of a kind, oldest first.
func (r Readings) Days(kind string) []float64 {
	days := make([]float64, len(r.Values[kind]))
	for i, v := range r.Values[kind] {
		days[i] = float64(v)
	}
	return days
}
