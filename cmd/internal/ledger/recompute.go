package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"tipline/model/decide"
)

// ErrNoInputs says that a receipt does not hold what a decision is computed from.
var ErrNoInputs = errors.New("it does not hold the inputs of the decision")

// hugeExponent matches a text from which a fraction of thousands of digits would be made. No receipt holds one.
var hugeExponent = regexp.MustCompile(`"[+-]?[_.]*[0-9][0-9_.]*[eEpP][+-]?[0-9_]{4,}"`)

// named matches where ids and names stand, one of which may look like such a text, and from which none is made.
var named = regexp.MustCompile(`"(?i:id|hash|receipt|decision|case|event|workload|source|option|current|previous|was|is|before|after|owner|budget|notifier|name)":\s*"[^"\\]*"|"(?:receipts|rest|unknown|closer)":\s*\[[^\]]*\]`)

// huge reports whether data has a number that no receipt holds.
func huge(data []byte) bool { return hugeExponent.Match(named.ReplaceAll(data, nil)) }

// Input returns the inputs that r holds. A field that this tipline does not know is an error: leaving it out would compute
// something else.
func (r Receipt) Input() (decide.Input, error) {
	var in decide.Input
	err := r.decode(r.Inputs, &in)
	return in, err
}

// Shared returns what the shared fleet of r rests on; the errors are those of Input.
func (r Receipt) Shared() (decide.Pool, error) {
	var p decide.Pool
	if err := r.decode(r.Pool, &p); err != nil {
		return p, err
	}
	if p.Fixed == nil || p.ReplicasPerBlock < 1 || p.Scaled == nil && p.BlockCost == nil || p.Scaled != nil && p.Hours == nil {
		return p, errors.New("pool: want what a block costs, how many replicas it has and what operations cost")
	}
	return p, nil
}

// Joint returns what the joint move of r rests on; the errors are those of Input.
func (r Receipt) Joint() (decide.Joint, error) {
	var j decide.Joint
	if err := r.decode(r.Pool, &j); err != nil {
		return j, err
	}
	return j, j.Validate()
}

func (r Receipt) decode(data json.RawMessage, into any) error {
	if len(data) == 0 {
		return ErrNoInputs
	}
	if huge(data) {
		return errors.New("inputs: got a number of thousands of digits, which tipline does not write")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("inputs, written by tipline %s: %w", r.Engine, err)
	}
	return nil
}

// Comparison is what computing a receipt again gave.
type Comparison struct {
	Amounts     int      // amounts of money that were compared
	Numbers     int      // numbers that were compared, amounts among them
	Differences []string // what the receipt says and what it should say, in words; empty when all of it agrees
}

// Recompute decides again from the inputs of r, offline, and compares every number and code with what r says was found.
// Sentences are left out: their wording may change from version to version.
func (r Receipt) Recompute() (c Comparison, err error) {
	defer func() { // the file may be a stranger's
		if p := recover(); p != nil {
			c, err = Comparison{}, fmt.Errorf("inputs: nothing can be computed from them: %v", p)
		}
	}()
	if r.SharedFleet != nil {
		p, err := r.Shared()
		if err != nil {
			return c, err
		}
		c.compare("", generic(r.SharedFleet), generic(p.SharedFleet()))
		return c, nil
	}
	if r.JointMove != nil {
		j, err := r.Joint()
		if err != nil {
			return c, err
		}
		c.compare("", generic(r.JointMove), generic(j.Move()))
		return c, nil
	}
	in, err := r.Input()
	if err != nil {
		return c, err
	}
	v, evens := decide.WithBreakEvens(in)
	found := map[string]any{"options": r.Workload.Options, "crossover": r.Workload.Crossover, "decision": r.Workload.Decision}
	again := map[string]any{"options": trimmed(v.Options), "crossover": shortened(v.Crossover), "decision": v.Decision}
	if ahead := r.Workload.CostAhead; ahead != nil { // an early version has none
		names := make([]string, len(ahead))
		for i, a := range ahead {
			names[i] = a.Option
		}
		found["cost_ahead"], again["cost_ahead"] = ahead, v.Ahead(names...)
	}
	if kept := r.Workload.BreakEvens; kept != nil { // an early version has none
		found["break_evens"], again["break_evens"] = kept, evens
	}
	if r.Frozen != "" {
		delete(found, "decision") // the measurements overruled it
	}
	c.compare("", generic(found), generic(again))
	return c, nil
}

// generic returns v as JSON has it.
func generic(v any) any {
	data, err := json.Marshal(v)
	if err != nil {
		return map[string]any{"error": err.Error()}
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		return nil
	}
	return out
}

// prose are the keys under which sentences stand.
var prose = []string{"because", "would_change", "formula", "warnings", "infeasible", "id"}

// closeEnough is the relative error that another processor's arithmetic may make: far below a cent in a billion dollars.
const closeEnough = 1e-12

// compare adds what is in found and not so in again.
func (c *Comparison) compare(path string, found, again any) {
	switch found := found.(type) {
	case map[string]any:
		other, ok := again.(map[string]any)
		if !ok {
			c.differs(path, found, again)
			return
		}
		for _, key := range sortedKeys(found) {
			if !slices.Contains(prose, key) && !(key == "from" && found["label"] != nil) {
				c.compare(strings.TrimPrefix(path+"."+key, "."), found[key], other[key])
			}
		}
	case []any:
		other, ok := again.([]any)
		if !ok || len(other) != len(found) {
			c.differs(path, found, again)
			return
		}
		for i := range found {
			c.compare(path+place(found[i], i), found[i], other[i])
		}
	case float64:
		c.Numbers++
		if strings.Contains(path, "usd") {
			c.Amounts++
		}
		if other, ok := again.(float64); !ok || math.Abs(found-other) > closeEnough*math.Abs(found) {
			c.differs(path, found, again)
		}
	default:
		if found != again {
			c.differs(path, found, again)
		}
	}
}

// place names an element of a list, by its option where it has one.
func place(element any, i int) string {
	if m, ok := element.(map[string]any); ok {
		if name, ok := m["option"].(string); ok {
			return "[" + name + "]"
		}
	}
	return fmt.Sprintf("[%d]", i)
}

func (c *Comparison) differs(path string, found, again any) {
	c.Differences = append(c.Differences, fmt.Sprintf("%s: the receipt says %s, computed again it is %s", path, brief(found), brief(again)))
}

// brief writes v on one short line.
func brief(v any) string {
	if v == nil {
		return "nothing"
	}
	data, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	if text := string(data); len(text) <= 80 {
		return text
	}
	return string(data[:77]) + "..."
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
