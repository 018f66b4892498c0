// Package ledger gives every evaluation a receipt from which it can be computed again, and keeps what people answer to it.
package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"tipline/model"
	"tipline/model/decide"
)

// The bucket and its keys: the receipt of a decision lies under the decision's id. Package alerting keeps there what it said of it.
const (
	Bucket   = "ledger"
	answered = "answer/" // before the id of a decision that a person answered
)

// version is the version of the Receipt form written today. Version 1 has no inputs and no samples.
const version = 2

// MaxBytes bounds the receipt of one evaluation. One of five options takes about 20 KB; see Seal for what a larger one loses.
const MaxBytes = 256 << 10

// Receipt is everything that one evaluation of one workload rested on and everything that it found.
type Receipt struct {
	Version    int                    `json:"version"`
	ID         string                 `json:"id"` // hash of all the rest, see Seal
	AsOf       time.Time              `json:"as_of"`
	Engine     string                 `json:"engine"` // version of the tipline that computed it
	ConfigHash string                 `json:"config_hash"`
	Samples    *Samples               `json:"samples"`  // null in version 1
	Capacity   []model.CapacityNumber `json:"capacity"` // what fleets are taken to be able to do, and on whose word

	// Inputs is the decide.Input, in the names of its fields: exact fractions as text, durations in nanoseconds, floats in as
	// many digits as give the same float again. Null when no decision was computed, or when LeftOut says so.
	Inputs json.RawMessage `json:"inputs"`

	// Frozen is the code of the warning for which the verdict is unknown although the costs are known: the measurements are
	// not to be trusted now. Empty otherwise.
	Frozen   string               `json:"frozen,omitempty"`
	Workload model.WorkloadReport `json:"workload"` // what was found

	// SharedFleet or JointMove is what was found, and Pool the decide.Pool or the decide.Joint that it rests on, when the receipt is about several
	// workloads together; Workload is then empty. Pool is null as Inputs may be.
	SharedFleet *model.SharedFleet `json:"shared_fleet,omitempty"`
	JointMove   *model.JointMove   `json:"joint_move,omitempty"`
	Pool        json.RawMessage    `json:"pool,omitempty"`
	LeftOut     []string           `json:"left_out,omitempty"`

	decided *decide.Input // what Seal writes as Inputs; nil leaves Inputs as they are

	Compacted time.Time `json:"compacted,omitzero"` // when it was made a summary, see Compact
}

// Samples says which measurements the projection read, added up.
type Samples struct {
	Source           string                  `json:"source"`
	Expression       string                  `json:"expression"` // PromQL, evaluated at the end of every hour; the workload's labels pick its series
	TTFTExpression   string                  `json:"ttft_expression,omitempty"`
	ServedExpression string                  `json:"served_expression,omitempty"` // how the engines did, evaluated at the end of every hour
	GPUExpression    string                  `json:"gpu_expression,omitempty"`
	From             time.Time               `json:"from"` // start of the first hour
	To               time.Time               `json:"to"`   // end of the last
	MeasuredHours    int                     `json:"measured_hours"`
	CoverageRatio    model.Fraction          `json:"coverage_ratio"` // share of the hours that was measured
	ClassTokens      map[string]model.Tokens `json:"class_tokens"`   // by class name, over the measured hours
	Requests         float64                 `json:"requests"`
}

// SamplesOf adds up what u holds.
func SamplesOf(u model.Usage) *Samples {
	s := &Samples{Source: u.Source, From: u.Start, To: u.End(), ClassTokens: map[string]model.Tokens{}}
	var sum model.Volume
	sum, s.CoverageRatio = u.Between(u.Start, u.End())
	for _, c := range model.Classes {
		s.ClassTokens[c.String()] = sum[c]
	}
	for _, h := range u.Hours {
		if h.Measured() {
			s.MeasuredHours++
			s.Requests += h.Requests
		}
	}
	return s
}

// SetInputs makes in, which must stay as it is until then, the inputs that Seal writes, and keeps the capacity numbers that it leads to.
func (r *Receipt) SetInputs(in *decide.Input) {
	numbers := 1
	for _, o := range r.Workload.Options {
		numbers += len(o.Capacity)
	}
	r.Capacity = make([]model.CapacityNumber, 0, numbers)
	for _, o := range r.Workload.Options {
		for _, n := range o.Capacity {
			if !slices.Contains(r.Capacity, n) { // of a hybrid and its base
				r.Capacity = append(r.Capacity, n)
			}
		}
	}
	if in.TTFTP95 != nil {
		r.Capacity = append(r.Capacity, model.CapacityNumber{
			Option: in.Current, What: "time to first token, 95th percentile", Value: in.TTFTP95.Round(time.Millisecond).String(), Label: model.Measured, From: "the last day",
		})
	}
	r.decided = in
}

// encode writes r with its inputs, which are most of it, in one go.
func (r *Receipt) encode() ([]byte, error) {
	var all any = r
	if r.decided != nil {
		all = struct {
			*Receipt

			Inputs *decide.Input `json:"inputs"` // instead of those of Receipt
		}{r, r.decided}
	}
	data, err := json.Marshal(all)
	return model.EscapeJSON(data), err
}

// SetPool makes r the receipt of the shared fleet that p is.
func (r *Receipt) SetPool(p decide.Pool) error {
	data, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("receipt of a shared fleet: %w", err)
	}
	r.Pool, r.SharedFleet = data, new(p.SharedFleet())
	r.Samples, r.Capacity = nil, []model.CapacityNumber{}
	return nil
}

// SetJoint makes r the receipt of the joint move that j is.
func (r *Receipt) SetJoint(j decide.Joint) error {
	data, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("receipt of a joint move: %w", err)
	}
	r.Pool, r.JointMove = data, new(j.Move())
	r.Samples, r.Capacity = nil, []model.CapacityNumber{}
	return nil
}

// About names what r is about when that is several workloads together; empty when it is one.
func (r Receipt) About() string {
	switch {
	case r.SharedFleet != nil:
		return "a shared fleet"
	case r.JointMove != nil:
		return "a joint move"
	}
	return ""
}

// together returns the workloads that r is about together.
func (r Receipt) together() []string {
	switch {
	case r.SharedFleet != nil:
		return r.SharedFleet.Workloads
	case r.JointMove != nil:
		return r.JointMove.Workloads
	}
	return nil
}

func (r *Receipt) leaveOut(what string) { r.LeftOut = append(r.LeftOut, what) }

// blankID stands in place of the id while the receipt is hashed.
const blankID = "000000000000"

// ids matches what names a decision.
var ids = regexp.MustCompile(`^[0-9a-f]{12}$`)

// ValidID reports whether text could be the id of a decision.
func ValidID(text string) bool { return ids.MatchString(text) }

// Seal gives r its id, which is a hash of everything else in it, and returns r as it is kept. The same inputs and results
// give the same id; a changed receipt no longer fits its own. It tells a change, not who wrote it.
//
// At most maxIntervals intervals of a crossover are kept. What would still take more than MaxBytes loses, in this order and
// with a word in LeftOut: long texts; the inputs; the options other than the current and the best one.
func (r *Receipt) Seal() ([]byte, error) {
	r.Version = version
	r.name(blankID)
	r.Workload.Options = trimmed(r.Workload.Options)
	r.Workload.Crossover = shortened(r.Workload.Crossover)
	data, err := r.encode()
	if err != nil && r.decided != nil {
		r.decided = nil
		r.leaveOut("the inputs, which hold a number that is not finite")
		data, err = r.encode()
	}
	for _, smaller := range []func(){r.shortenTexts, r.dropInputs, r.dropOptions} {
		if err != nil || len(data) <= MaxBytes {
			break
		}
		smaller()
		data, err = r.encode()
	}
	if err != nil {
		return nil, fmt.Errorf("receipt of %s: %w", r.Workload.Workload, err)
	}
	id := hashed(data)
	r.name(id)
	rename(data, blankID, id)
	return data, nil
}

// Written returns r, which Seal gave its id, as it is kept. Nothing of what it is made of may have changed since.
func (r *Receipt) Written() ([]byte, error) { return r.encode() }

// name gives r and what was found its id.
func (r *Receipt) name(id string) {
	r.ID, r.Workload.Decision.ID = id, id
	if r.SharedFleet != nil {
		r.SharedFleet.ID = id
	}
	if r.JointMove != nil {
		r.JointMove.ID = id
	}
}

// hashed returns the id of a receipt whose ids are blank.
func hashed(blank []byte) string {
	sum := sha256.Sum256(blank)
	return hex.EncodeToString(sum[:len(blankID)/2])
}

// rename puts to in the place of from, which is as long, wherever data has it as an id. Inside a JSON text the quotes would be
// escaped, so only keys are met.
func rename(data []byte, from, to string) {
	key := []byte(`"id":"` + from + `"`)
	for at := bytes.Index(data, key); at >= 0; {
		copy(data[at+len(`"id":"`):], to)
		next := bytes.Index(data[at:], key)
		if next < 0 {
			return
		}
		at += next
	}
}

const (
	maxIntervals = 64   // of a crossover: the first ones and the one without end
	maxText      = 2048 // bytes of one text in a receipt that was too large
)

// trimmed returns options without the intervals that a receipt does not keep. The options themselves stay as they are.
func trimmed(options []model.OptionCost) []model.OptionCost {
	long := func(o model.OptionCost) bool { return o.Crossover != nil && len(o.Crossover.Intervals) > maxIntervals }
	if options != nil && !slices.ContainsFunc(options, long) {
		return options
	}
	out := append([]model.OptionCost{}, options...)
	for i := range out {
		out[i].Crossover = shortened(out[i].Crossover)
	}
	return out
}

func shortened(x *model.Crossover) *model.Crossover {
	if x == nil || len(x.Intervals) <= maxIntervals {
		return x
	}
	short := *x
	short.Intervals = slices.Concat(x.Intervals[:maxIntervals-1], x.Intervals[len(x.Intervals)-1:])
	return &short
}

// Open reads a receipt as a store, a server or a file has it; white space between its parts does not matter.
func Open(data []byte) (Receipt, error) {
	if len(data) > 4*MaxBytes {
		return Receipt{}, fmt.Errorf("receipt: got %d bytes, want at most %d", len(data), 4*MaxBytes)
	}
	var r Receipt
	if err := json.Unmarshal(data, &r); err != nil {
		return Receipt{}, fmt.Errorf("receipt: not one that tipline wrote: %w", err)
	}
	if r.Version < 1 || r.Version > version {
		return Receipt{}, fmt.Errorf("receipt: got version %d, want 1 to %d: it is not a receipt, or a newer tipline wrote it", r.Version, version)
	}
	if string(r.Inputs) == "null" {
		r.Inputs = nil
	}
	if r.ID == "" { // version 1
		r.ID = r.Workload.Decision.ID
	}
	return r, nil
}

// errChanged says that a receipt is not as it was written.
var errChanged = errors.New("the id does not fit the content: the receipt was changed after it was written")

// Verify returns an error when data, a receipt of version 2, is not as it was sealed.
func Verify(data []byte) error {
	r, err := Open(data)
	if err != nil {
		return err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		return err
	}
	if !ValidID(r.ID) {
		return errChanged
	}
	rename(compact.Bytes(), r.ID, blankID)
	if hashed(compact.Bytes()) != r.ID {
		return errChanged
	}
	return nil
}
