package collector

import (
	"fmt"
	"time"

	"tipline/model"
)

// Codes of the warnings about a workload.
const (
	Sawtooth              = "SAWTOOTH"                // the counter fell too often for restarts; the hours count as not measured
	NotFinite             = "NOT_FINITE"              // NaN or infinite; the hours count as not measured
	Negative              = "NEGATIVE"                // below zero; the hours count as not measured
	OutOfRange            = "OUT_OF_RANGE"            // more than any workload can use; the hours count as not measured
	Duplicate             = "DUPLICATE_SERIES"        // two values for one workload and hour; the hours count as not measured
	MissingSignal         = "MISSING_SIGNAL"          // input without output or the reverse; the hours count as not measured
	CacheSplitUnknown     = "CACHE_SPLIT_UNKNOWN"     // all input counts as fresh
	CacheSplitDoubtful    = "CACHE_SPLIT_DOUBTFUL"    // cache reads come from a counter that can count too much
	RequestsUnknown       = "REQUESTS_UNKNOWN"        // no request counter with the workload's labels
	Revised               = "REVISED"                 // the server says something else of a closed day than before
	Vanished              = "VANISHED"                // it had data and has none now
	TTFTUnknown           = "TTFT_UNKNOWN"            // no time to first token over the last day
	GPUUnknown            = "GPU_UNKNOWN"             // no GPU is attached, or their number makes no sense
	GPUUnsure             = "GPU_COUNT_UNSURE"        // MIG slices, other partitions, claims (DRA) or shared GPUs are among them, or beside them and not counted
	GPUUtilizationUnknown = "GPU_UTILIZATION_UNKNOWN" // the exporter counts GPUs and says of too few hours of theirs how busy they are, or of none
	GPUUtilizationRange   = "GPU_UTILIZATION_RANGE"   // utilization below 0 or above 1: not known
)

// Codes of the warnings about a source.
const (
	ServerNote         = "SERVER_NOTE"         // a remark of the server about an expression
	NoData             = "NO_DATA"             // the server answers, but has none of the series
	BackfillIncomplete = "BACKFILL_INCOMPLETE" // older hours could not be read this time; they are asked for again
	HistoryCorrupt     = "HISTORY_CORRUPT"     // a stored day could not be read; it is asked for again
	TooManyWorkloads   = "TOO_MANY_WORKLOADS"  // names beyond the limit are counted together
	ClockSkew          = "CLOCK_SKEW"          // the clock of the server differs from ours
	NotACounter        = "NOT_A_COUNTER"       // the server says that what is read as a counter is a gauge
	NeverMatched       = "NEVER_MATCHED"       // nothing was ever there under the names of a signal that a verdict needs, or that the user has named
	NoLongerMatched    = "NO_LONGER_MATCHED"   // nothing is there any more
	StoredPerReplica   = "STORED_PER_REPLICA"  // counters are there once for every replica of a Prometheus, so that every sum is too large
	ReplicasDiffer     = "REPLICAS_DIFFER"     // what differs in replica_label counts different things, of which all but one are left out
	ScrapedSeldom      = "SCRAPED_SELDOM"      // too long between two samples of a counter for hours to be exact
	GPUsUnheld         = "GPUS_UNHELD"         // no pod holds any of the GPUs that the exporter shows
	TTFTFailed         = "TTFT_QUERY_FAILED"
	PromptsFailed      = "PROMPTS_QUERY_FAILED"
	GPUFailed          = "GPU_QUERY_FAILED"
	CostFailed         = "GPU_COST_QUERY_FAILED"
	ErrorsFailed       = "ERRORS_QUERY_FAILED"
	ServingFailed      = "SERVING_QUERY_FAILED" // how the engines did is not known of some hours; they are asked for again
	DarkFailed         = "UNATTRIBUTED_QUERY_FAILED"
)

// A note is a set of things that are doubtful about one hour of one workload. It is stored with the hour; the bits
// must keep their meaning.
type note uint16

const (
	noteSawtooth note = 1 << iota
	noteNotFinite
	noteNegative
	noteOutOfRange
	noteDuplicate
	noteMissing
	noteCacheUnknown
	noteCacheDoubtful
	noteRequests
	noteRevised

	// noteRefused are the notes after which nothing of the hour can be used.
	noteRefused = noteSawtooth | noteNotFinite | noteNegative | noteOutOfRange | noteDuplicate | noteMissing
	noteAll     = noteRevised<<1 - 1
)

// Refuses reports whether hours of a workload are not used that a warning of this code is about.
func Refuses(code string) bool {
	for bit, t := range noteTexts {
		if t.code == code {
			return noteRefused&(1<<bit) != 0
		}
	}
	return false
}

type noteText struct{ code, text string }

// noteTexts says what each note means, in the order of the bits.
var noteTexts = [...]noteText{
	{Sawtooth, fmt.Sprintf("the counter fell more than %d times an hour: probably several workers behind one /metrics, or a gauge", maxResets)},
	{NotFinite, "the server answered NaN or infinity"},
	{Negative, "the server answered a number below zero"},
	{OutOfRange, "the server answered a number that no workload can reach"},
	{Duplicate, "the server answered two values for one hour"},
	{MissingSignal, "only one of input and output was counted"},
	{CacheSplitUnknown, "cache reads are not known, so all input counts as fresh"},
	{CacheSplitDoubtful, "cache reads come from a counter that can count the same tokens several times"},
	{RequestsUnknown, "requests are not counted under these labels"},
	{Revised, "the server said something else of a closed day later, of which what is more was taken"},
}

// noteWarnings sums up the notes of the hours of the last 30 days before end, where those of all hours end. Gauge is the metric of the input when the server says
// that it is one, and empty otherwise.
func noteWarnings(notes []note, end time.Time, gauge string) []model.Warning {
	var (
		counts [len(noteTexts)]int
		latest [len(noteTexts)]time.Time
	)
	for i := max(0, len(notes)-30*24); i < len(notes); i++ {
		for bit := range noteTexts {
			if notes[i]&(1<<bit) != 0 {
				counts[bit]++
				latest[bit] = end.Add(-time.Duration(len(notes)-i) * time.Hour)
			}
		}
	}
	var warnings []model.Warning
	for bit, t := range noteTexts {
		if counts[bit] == 0 {
			continue
		}
		if t.code == Sawtooth && gauge != "" {
			t.text = fmt.Sprintf("%s fell more than %d times an hour: it is a gauge, as the server says, and no counter", gauge, maxResets)
		}
		what := "concerned"
		if noteRefused&(1<<bit) != 0 {
			what = "not measured"
		}
		warnings = append(warnings, model.Warning{Code: t.code, Text: fmt.Sprintf(
			"%s; %d hours of the last 30 days are %s, the latest from %s",
			t.text, counts[bit], what, latest[bit].Format("2006-01-02 15:04"),
		)})
	}
	return warnings
}
