package model

// DataFault is a reason for which what a source says is not what was used, or what was to be told was not.
type DataFault struct {
	Source   string `json:"source"`             // empty when it is of a notifier
	Notifier string `json:"notifier,omitempty"` // that messages do not reach; empty when it is of a source
	Workload string `json:"workload,omitempty"` // empty when it is of the source as a whole
	Code     string `json:"code"`
	Text     string `json:"text"`
}

// Key names f as long as it lasts, whatever its numbers are meanwhile.
func (f DataFault) Key() string { return f.Code + "\x00" + f.Source + f.Notifier + "\x00" + f.Workload }
