package drift

import (
	"fmt"
	"math"
	"slices"
	"time"

	"tipline/model"
)

// A Change is a moment at which the program that counts became another version, whose counter is known to mean something else.
type Change struct {
	At     time.Time // the first full hour at which it was there
	Signal string    // what is counted otherwise: input, output or requests
	Text   string    // which version became which, and what is counted otherwise
}

// leastKnown is the smallest factor that is taken for the change of a counter that is known to have changed then: a little sooner than where nothing is known of it.
var leastKnown = math.Log(1.1)

// rollout is how many hours after a new version is seen the change may come.
const rollout = 3

// Changed looks at all workloads of one source and says for each in the same order whether it changed at one of changes: its counter then counts otherwise, and use did not change.
// Requests, where they are counted, must not have followed; where they are what is counted otherwise, tokens must not have.
func Changed(all []func() model.Usage, changes []Change, now time.Time) []*Fault {
	found := make([]*Fault, len(all))
	if len(changes) == 0 {
		return found
	}
	end := now.UTC().Truncate(time.Hour)
	for i, read := range all {
		u := read()
		for _, c := range changes {
			first := searched - int(end.Sub(c.At)/time.Hour) - 1 // the hour in which it came
			counted, others := against(only(u, c.Signal), end, c.Signal == requestsSignal), against(u, end, c.Signal != requestsSignal)
			largest, at := 0.0, 0
			for k := max(1, first); k < min(searched, first+rollout); k++ {
				by, _, sharp := counted.jump(k)
				if followed, _, _ := others.jump(k); sharp && math.Abs(by) > math.Abs(largest) && math.Abs(followed) < math.Abs(by)/3 {
					largest, at = by, k
				}
			}
			if math.Abs(largest) >= leastKnown {
				factor := math.Exp(largest)
				reading := model.Reading{What: signalWords[c.Signal] + " of an hour over those before", Value: factor}
				if largest > 0 {
					reading.AtLeast = new(math.Exp(leastKnown))
				} else {
					reading.AtMost = new(math.Exp(-leastKnown))
				}
				found[i] = &Fault{Code: MeaningChanged, Text: fmt.Sprintf(
					"%s changed by the factor %.2g around %s, when %s; the counter counts otherwise, not the use", signalWords[c.Signal], factor, moment(c.At), c.Text,
				), Readings: []model.Reading{reading}, Jumped: hourAt(end, at)}
			}
		}
	}
	return found
}

// requestsSignal is the Signal of a Change that is not about tokens.
const requestsSignal = "requests"

// signalWords says the signals of changes in words.
var signalWords = map[string]string{"input": "the prompt tokens", "output": "the generated tokens", requestsSignal: "the requests"}

// only returns u with the tokens of one signal alone.
func only(u model.Usage, signal string) model.Usage {
	u.Hours = slices.Clone(u.Hours)
	for i := range u.Hours {
		t := &u.Hours[i].Tokens
		switch signal {
		case "input":
			t[model.Output] = 0
		case "output":
			*t = model.Volume{model.Output: t[model.Output]}
		}
	}
	return u
}
