package model

// DataFault is a reason for which what a source says is not what was used, or what was to be told was not.
type DataFault struct {
	Source   string `json:"source"`             // empty when it is of a notifier
	Notifier string `json:"notifier,omitempty"` // that messages do not reach; empty when it is of a source
	Workload string `json:"workload,omitempty"` // empty when it is of the source as a whole
	Code     string `json:"code"`
	Text     string `json:"text"`

	Readings []Reading `json:"readings,omitempty"` // by which it was found; none when it is not found by numbers
}

// Reading is a number by which a fault was found, and the bounds between which it is one.
type Reading struct {
	What    string   `json:"what"` // with its unit
	Value   float64  `json:"value"`
	AtLeast *float64 `json:"at_least,omitempty"` // absent: no bound
	AtMost  *float64 `json:"at_most,omitempty"`  // absent: no bound
}

// Faulty reports whether r lies between its bounds.
func (r Reading) Faulty() bool {
	return (r.AtLeast == nil || r.Value >= *r.AtLeast) && (r.AtMost == nil || r.Value <= *r.AtMost)
}

// Key names f as long as it lasts, whatever its numbers are meanwhile.
func (f DataFault) Key() string { return f.Code + "\x00" + f.Source + f.Notifier + "\x00" + f.Workload }
