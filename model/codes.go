package model

import (
	"cmp"
	"strings"
)

// obstacles says the codes of constraints in words (cost model, section 9).
var obstacles = map[string]string{
	"DATA_REGULATED":     "regulated data, and no agreement on record",
	"RESIDENCY":          "runs in no region that the data may be in",
	"RESIDENCY_UNKNOWN":  "does not declare where it runs",
	"TTFT_SLA":           "first token later than the limit",
	"NO_OPS_CAPACITY":    "nobody to operate it",
	"MODEL_UNAVAILABLE":  "does not serve the model",
	"FINE_TUNED_WEIGHTS": "cannot host weights of one's own",
	"CLOSED_WEIGHTS":     "the weights are not available",
	"NO_GPU":             "has no GPUs",
	"BATCH_ONLY":         "serves only work that can wait",
	"RETIRED":            "its model is retired before a move would be made",
}

// BlockedText says in words why an option is not allowed.
func BlockedText(codes []string) string {
	said := make([]string, len(codes))
	for i, code := range codes {
		said[i] = inWords(obstacles, code)
	}
	return strings.Join(said, "; ")
}

// waived says what an option could be if the constraint of a code were not demanded.
var waived = map[string]string{
	"DATA_REGULATED":     "if an agreement on regulated data were on record",
	"RESIDENCY":          "if the data might be in other regions",
	"RESIDENCY_UNKNOWN":  "if it need not be known where it runs",
	"TTFT_SLA":           "if the first token might be later",
	"NO_OPS_CAPACITY":    "if there were somebody to operate it",
	"MODEL_UNAVAILABLE":  "if another model might serve",
	"FINE_TUNED_WEIGHTS": "if the weights need not be one's own",
	"CLOSED_WEIGHTS":     "if the weights were available",
	"NO_GPU":             "if there were GPUs",
	"BATCH_ONLY":         "if the work could wait",
	"RETIRED":            "if its model stayed",
}

// WaivedText says in words what could be if the constraint of code were not demanded; empty when there are none.
func WaivedText(code string) string { return waived[code] }

// never says the codes of a crossover that does not exist in words (cost model, section 7.3).
var never = map[string]string{
	NeverUnitFloor:        "even a full replica costs more for a token",
	NeverCapacityLimit:    "it would take more replicas than the quota allows",
	NeverVariableAboveAPI: "what it pays by the token alone is more",
}

// NeverText says in words why no volume makes an option the cheaper one.
func NeverText(reason string) string { return inWords(never, reason) }

// differences says the codes of an answer other than that of the rule of thumb in words (cost model, section 10).
var differences = map[string]string{
	"BILL_TOO_SMALL":        "the whole API bill is below what operating a fleet costs",
	"UNIT_FLOOR":            "a full GPU costs more per token than the API",
	"DEAR_MODEL":            "the price per token is high, so a small volume is already dear",
	"HYBRID_BEATS_PURE":     "a base of own GPUs with the peaks on an API costs less than either alone",
	"APPROVED_API":          "an API is approved for this regulated data",
	"MANAGED_SAME_BOUNDARY": "a managed endpoint keeps the data in the account with less to operate",
	"LATENCY":               "the limit of the time to first token decides",
	"MODEL":                 "only some options can serve the model",
	"NOT_WORTH_MOVING":      "a move is not worth it",
}

// DiffersText says in words why the answer is not that of the rule of thumb.
func DiffersText(code string) string { return inWords(differences, code) }

// inWords says what code means; a code without words stands for itself.
func inWords(words map[string]string, code string) string { return cmp.Or(words[code], code) }
