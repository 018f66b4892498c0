package model

// Warning says what is doubtful about a number, in words for a reader and a code for a program.
type Warning struct {
	Code string `json:"code"` // stable, upper case, for example YOUNG_WORKLOAD
	Text string `json:"text"` // one sentence naming the thing and the value
}

// EvaluationFailed is the code of the warning that the evaluation of a workload panicked, so that nothing is known of it.
const EvaluationFailed = "EVALUATION_FAILED"

// Refusals are the codes of warnings about hours of a workload that are not used, or that has none any more.
var Refusals = []string{"DUPLICATE_SERIES", "MISSING_SIGNAL", "NEGATIVE", "NOT_FINITE", "OUT_OF_RANGE", "SAWTOOTH", "VANISHED"}
