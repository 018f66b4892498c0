package model

// Warning says what is doubtful about a number, in words for a reader and a code for a program.
type Warning struct {
	Code string `json:"code"` // stable, upper case, for example YOUNG_WORKLOAD
	Text string `json:"text"` // one sentence naming the thing and the value
}
