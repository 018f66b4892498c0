package model

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// Report is everything one cycle found. It is never changed once published. Its JSON form is the one that
// `tipline report -o json` prints and GET /api/v1/report serves; a value that is not known is null or absent.
type Report struct {
	AsOf         time.Time        `json:"as_of"`
	ConfigHash   string           `json:"config_hash"`
	Sources      []SourceReport   `json:"sources"`
	Workloads    []WorkloadReport `json:"workloads"`
	DoubleMeters []DoubleMeter    `json:"double_meters"` // that count the same traffic
	Renames      []Rename         `json:"renames"`       // that seem to have happened, the oldest first
	JointMoves   []JointMove      `json:"joint_moves"`   // that workloads had better make together, or had better not, the largest saving first
	SharedFleets []SharedFleet    `json:"shared_fleets"` // that workloads would pay less for together, the largest saving first
	Budgets      []BudgetReport   `json:"budgets"`       // in the order of the configuration
	DataFaults   []DataFault      `json:"data_faults"`   // why what sources say is not what was used, and what messages do not arrive
	Unattributed *Unattributed    `json:"unattributed"`  // tokens that no workload has; null when that is not known
	PriceBooks   []PriceBook      `json:"price_books"`
	Warnings     []Warning        `json:"warnings"`
}

// Unattributed says how many of the tokens that the servers of all sources counted in the last day no workload has. Of what a server counts at several layers, such as a gateway
// and the engines behind it, the layer that counts most stands for all, and so does the one at which workloads have most.
type Unattributed struct {
	Tokens   Tokens       `json:"tokens"`
	OfTokens Tokens       `json:"of_tokens"` // above 0
	Ratio    Fraction     `json:"tokens_ratio"`
	At       []DarkTokens `json:"at"` // where it is counted, the most first
}

// DarkTokens are tokens that one pack counts on one server and that no workload has. They may be others' that another layer counts too.
type DarkTokens struct {
	Source string `json:"source"` // that reads the pack, or any other source of that server
	Pack   string `json:"pack"`
	Layer  string `json:"layer,omitempty"` // at which it counts
	Read   bool   `json:"read"`            // whether a source reads the pack, and leaves these out
	Tokens Tokens `json:"tokens"`
}

// PriceBook says how old a price book is.
type PriceBook struct {
	Book    string `json:"book"`       // "built-in", or the name of its file
	Checked string `json:"checked_at"` // the newest day on which one of its sources was looked at, 2006-01-02
}

// SourceReport says how one source answered in the cycle.
type SourceReport struct {
	Source  string `json:"source"`
	Up      bool   `json:"up"`
	Error   string `json:"error,omitempty"`
	Reason  string `json:"reason,omitempty"` // of Error, one of those of the collector, such as unreachable, timeout, unauthorized; absent without one
	Queries int    `json:"queries"`

	Warnings []Warning `json:"warnings,omitempty"` // about it as a whole
	Missing  []Missing `json:"missing,omitempty"`  // what is looked for by name once a day and was not found; absent when all was, or that is not known

	Dropped int `json:"dropped_series,omitempty"` // that the configuration says are no workload

	FilledRatio             *Fraction `json:"filled_ratio,omitempty"`              // share of the history asked for that has been read; absent when that is not known
	UnattributedTokensRatio *Fraction `json:"unattributed_tokens_ratio,omitempty"` // share of its tokens of the last day that no workload has
	GPUsFreeRatio           *Fraction `json:"gpus_free_ratio,omitempty"`           // share of the GPUs that its exporter showed over the last day that no pod held; absent when that is not known
	ClockAheadSeconds       *float64  `json:"clock_ahead_seconds,omitempty"`       // by which the clock of its server, or of what gives it samples, is ahead of ours, less than 0 when it is behind; absent when that is not known
}

// Missing is a signal of a source of which nothing is found on its server.
type Missing struct {
	Signal  string     `json:"signal"`
	Metrics []string   `json:"metrics"`              // names under which it is looked for, of a query of one's own those that are not there; of a pack each would be enough
	Last    *time.Time `json:"last_found,omitempty"` // when something was last found; absent when nothing ever was
	Switch  string     `json:"switch,omitempty"`     // what turns it on; absent when it is on by itself
	Needed  bool       `json:"needed,omitempty"`     // a verdict needs it, or the user has named it
}

// Text names the signal, what it is looked for under, and until when it was there.
func (m Missing) Text() string {
	const most = 4
	text := strings.Join(m.Metrics, ", ")
	if len(m.Metrics) > most {
		text = fmt.Sprintf("%s and %d others", strings.Join(m.Metrics[:most-1], ", "), len(m.Metrics)-most+1)
	}
	if text = m.Signal + " (" + text + ")"; m.Last != nil {
		text += " since " + FormatDate(*m.Last)
	}
	return text
}

// NotNeeded says of what is missing but needed by no verdict and named by nobody, so that no warning says it.
func (s SourceReport) NotNeeded() (texts []string) {
	for _, m := range s.Missing {
		if !m.Needed {
			texts = append(texts, m.Text())
		}
	}
	return texts
}

// WorkloadReport is everything one cycle found about one workload.
type WorkloadReport struct {
	Workload   string            `json:"workload"`
	Source     string            `json:"source"`
	Labels     map[string]string `json:"labels,omitempty"`
	Names      int               `json:"names,omitempty"`         // how many names it sums up that are too many to be workloads of their own; absent of a workload
	Owner      string            `json:"owner,omitempty"`         // as the configuration names it
	CostCentre string            `json:"cost_centre,omitempty"`   // to which its cost is charged, as the configuration names it
	Channel    string            `json:"slack_channel,omitempty"` // where messages about it go, if no route says otherwise; absent when that is where all go
	Current    string            `json:"current"`
	Usage      UsageSummary      `json:"usage"`
	Forecast   *ForecastSummary  `json:"forecast"` // null when nothing could be projected
	Options    []OptionCost      `json:"options"`
	CostAhead  []CostAhead       `json:"cost_ahead,omitempty"`  // of the current, the best and the crossing option; one whose cost is not known in every month is absent
	BreakEvens *BreakEvens       `json:"break_evens,omitempty"` // absent when nothing can be compared
	Crossover  *Crossover        `json:"crossover"`             // of the option that the decision is about; null without one
	Decision   Decision          `json:"decision"`
	Case       *Case             `json:"case,omitempty"`     // where what is to be decided stands; absent of what a receipt and a message hold, which come before it, and where no evaluation up to then is known
	Presence   *Presence         `json:"presence,omitempty"` // of a workload that began or ended in the last week; absent as Case is
	Moved      *Moved            `json:"moved,omitempty"`    // since the decision that was said last, or the evaluation before this one; absent when there was none to compare with
	Drift      []Drift           `json:"drift"`
	Warnings   []Warning         `json:"warnings"`
}

// Presence is the news that a workload began or ended.
type Presence struct {
	Event string    `json:"event"` // id of the event that tells it, wherever that goes
	Kind  string    `json:"kind"`  // workload_new or workload_gone
	Since time.Time `json:"since"` // its first measured hour, or the end of its last one
	Found time.Time `json:"found"` // the evaluation that found it
}

// UsageSummary is what was measured of one workload.
type UsageSummary struct {
	Last30dTokens          *Tokens           `json:"last_30d_tokens"`
	Last30dClassTokens     map[string]Tokens `json:"last_30d_class_tokens,omitempty"` // by class name
	MonthToDateTokens      *Tokens           `json:"month_to_date_tokens"`
	CoverageRatio          Fraction          `json:"coverage_ratio"` // share of the last 30 days, or of the workload's life if shorter, that was measured
	InputRatio             *Fraction         `json:"input_ratio"`
	OutputRatio            *Fraction         `json:"output_ratio"`
	CacheReadRatio         *Fraction         `json:"cache_read_ratio"`
	PeakFactor             *float64          `json:"peak_factor"`
	FirstSample            *time.Time        `json:"first_sample"` // start of the first measured hour that history holds
	LastSample             *time.Time        `json:"last_sample"`  // end of the newest measured hour
	GPUCount               *float64          `json:"gpu_count,omitempty"`
	GPUCountUnsure         []string          `json:"gpu_count_unsure,omitempty"`               // why GPUCount is unsure: mig, partition, dra, shared
	GPUCountNobodys        *float64          `json:"gpu_count_nobodys,omitempty"`              // GPUs more that it would have if pods of no workload did not run on some of them too; absent when none do
	GPUUtilizationRatio    *Fraction         `json:"gpu_utilization_ratio,omitempty"`          // absent when it is known of less than half of the hours of its GPUs
	GPUUtilizationCoverage *Fraction         `json:"gpu_utilization_coverage_ratio,omitempty"` // share of the hours of its GPUs of which it is known
	EconomicUtilization    *Fraction         `json:"economic_utilization_ratio,omitempty"`     // tokens served over tokens that the current fleet could serve
	IdleUSDPerMonth        *USD              `json:"idle_usd_per_month,omitempty"`
	GPUUSDPerMonth         *USD              `json:"gpu_usd_per_month,omitempty"`          // by the word of OpenCost, of the last day over 730 hours
	GPUCostGapPerMonth     *USD              `json:"gpu_cost_gap_usd_per_month,omitempty"` // GPU hours of the current option as modelled at the projected volume, less that
	TTFTP95Seconds         *float64          `json:"ttft_p95_seconds,omitempty"`
	ErrorRatio             *Fraction         `json:"error_ratio,omitempty"` // of the requests of the last day, those that failed; absent when not known
	RetryRatio             *Fraction         `json:"retry_ratio,omitempty"` // times that one was sent again over requests, likewise; 1 and above are the same
	Capacity               *MeasuredCapacity `json:"capacity,omitempty"`    // of one replica of its engines; absent when it was not measured
}

// LoadText says in a line, in parts that semicolons join, how the workload loads what serves it, as far as that was measured; empty when nothing was.
func (u UsageSummary) LoadText() string {
	var facts []string
	add := func(format string, args ...any) { facts = append(facts, fmt.Sprintf(format, args...)) }
	if p := u.PeakFactor; p != nil {
		add("the busiest hour of the last full weeks has %.2f times the tokens of the mean one", *p)
	}
	if c := u.CacheReadRatio; c != nil {
		add("%s of the tokens are read from a cache", FormatPercent(*c))
	}
	if e := u.EconomicUtilization; e != nil {
		add("its fleet serves %s of what it could", FormatPercent(*e))
	}
	if g := u.GPUCount; g != nil {
		text := fmt.Sprintf("%.4g GPUs", *g)
		if text == "1 GPUs" {
			text = "1 GPU"
		}
		if len(u.GPUCountUnsure) > 0 {
			text += " (unsure: " + strings.Join(u.GPUCountUnsure, ", ") + ")"
		}
		if n := u.GPUCountNobodys; n != nil {
			text += fmt.Sprintf(" and %.4g of nobody's", *n)
		}
		if b := u.GPUUtilizationRatio; b != nil {
			text += fmt.Sprintf(", busy %s of the time", FormatPercent(*b))
			if known := u.GPUUtilizationCoverage; known != nil && *known < 1 {
				text += fmt.Sprintf(" (known of %s of their hours)", FormatPercent(*known))
			}
		}
		add("%s", text)
	}
	var requests []string
	if e := u.ErrorRatio; e != nil {
		requests = append(requests, FormatPercent(*e)+" failed")
	}
	if r := u.RetryRatio; r != nil {
		requests = append(requests, FormatPercent(*r)+" were sent again")
	}
	if len(requests) > 0 {
		add("of the requests of the last day %s", strings.Join(requests, " and "))
	}
	return strings.Join(facts, "; ")
}

// GPUCostText says what the GPUs of the current fleet cost by the word of OpenCost, and how far what the model counts is from that; empty when either is not known.
func (u UsageSummary) GPUCostText() string {
	if u.GPUUSDPerMonth == nil || u.GPUCostGapPerMonth == nil {
		return ""
	}
	gap, is := *u.GPUCostGapPerMonth, "more"
	if gap < 0 {
		gap, is = -gap, "less"
	}
	return fmt.Sprintf("its GPUs cost %s a month by the word of OpenCost; the model counts %s of GPU hours for the projected volume, %s %s",
		FormatUSD(*u.GPUUSDPerMonth), FormatUSDAbout(*u.GPUUSDPerMonth+*u.GPUCostGapPerMonth), FormatUSDAbout(gap), is)
}

// ForecastSummary is the part of a Forecast that is shown.
type ForecastSummary struct {
	Next30dTokens       Quantiles[Tokens]            `json:"next_30d_tokens"`
	Next30dClassTokens  map[string]Quantiles[Tokens] `json:"next_30d_class_tokens"` // by class name
	CalendarMonthTokens Quantiles[Tokens]            `json:"calendar_month_tokens"` // the current month, what is already measured included
	CalendarMonths      []MonthProjection            `json:"calendar_months"`
	MonthlyGrowthRatio  Fraction                     `json:"monthly_growth_ratio"`
	Scores              []ForecastScore              `json:"scores"` // how earlier projections of the workload turned out; empty before one has been graded
	Warnings            []Warning                    `json:"warnings"`
}

// ForecastScore says how the projections of one span that were kept turned out.
type ForecastScore struct {
	Days            int      `json:"days"`
	Graded          int      `json:"graded"`            // projections whose span has been measured
	ErrorRatio      Fraction `json:"error_ratio"`       // median of |projected/used - 1|
	NaiveErrorRatio Fraction `json:"naive_error_ratio"` // the same of the seasonal naive forecast: the last full weeks once more
	BiasRatio       Fraction `json:"bias_ratio"`        // mean of projected/used - 1: above 0 too much was projected
	Coverage80      Fraction `json:"coverage_80_ratio"` // share that lay inside of the 80 % range
	Coverage95      Fraction `json:"coverage_95_ratio"`

	// ErrorRatio of those that a known event changed, and what it would have been without the event; absent when there was none.
	EventErrorRatio        *Fraction `json:"event_error_ratio,omitempty"`
	WithoutEventErrorRatio *Fraction `json:"without_event_error_ratio,omitempty"`
}

// CostOf returns what the option called name costs a month, nil when that is not known or it is none of options.
func CostOf(options []OptionCost, name string) *Quantiles[USD] {
	for _, o := range options {
		if o.Option == name {
			return o.USDPerMonth
		}
	}
	return nil
}

// MonthProjection is the projected total of one calendar month in UTC.
type MonthProjection struct {
	Month string `json:"month"` // 2006-01
	Quantiles[Tokens]
}

// CostAhead is what one option costs in the calendar months that are projected, each brought to a month of 730 hours.
type CostAhead struct {
	Option string      `json:"option"`
	Months []MonthCost `json:"months"`
}

// MonthCost is the projected cost of one calendar month in UTC.
type MonthCost struct {
	Month string `json:"month"` // 2006-01
	Quantiles[USD]
}

// OptionCost is what one option would cost at the projected volume.
type OptionCost struct {
	Option                    string           `json:"option"`
	Hosting                   Hosting          `json:"kind"`
	USDPerMonth               *Quantiles[USD]  `json:"usd_per_month"`                     // null when it has no cost: see Warnings and Infeasible
	USDPerMTok                *USDPerMTok      `json:"usd_per_mtok"`                      // at the median volume; null when the volume is zero
	Blocked                   []string         `json:"blocked"`                           // constraint codes (cost model, section 9); empty when allowed
	ExclusionUSDPerMonth      *USD             `json:"exclusion_usd_per_month,omitempty"` // what it costs that it is blocked: 0 when the allowed ones are no dearer
	Infeasible                string           `json:"infeasible,omitempty"`
	Replicas                  *int64           `json:"replicas,omitempty"` // at the median volume, spares included
	OwnShareRatio             *Fraction        `json:"own_share_ratio,omitempty"`
	CreditsUSDPerMonth        *USD             `json:"credits_usd_per_month,omitempty"` // free credits that the median cost does not count, because they end
	Sizes                     []FleetSize      `json:"sizes,omitempty"`                 // of a hybrid: one block of replicas less, the best number, one more
	Reservation               *Reservation     `json:"reservation,omitempty"`           // of a fleet that follows its load and may reserve replicas
	BreakevenUtilizationRatio *Fraction        `json:"breakeven_utilization_ratio,omitempty"`
	UnitCostFloorUSDPerMTok   *USDPerMTok      `json:"unit_cost_floor_usd_per_mtok,omitempty"`
	EconomicUtilizationRatio  *Fraction        `json:"economic_utilization_ratio,omitempty"` // tokens served over tokens that its fleet could serve
	IdleUSDPerMonth           *USD             `json:"idle_usd_per_month,omitempty"`         // part of the cost that serves nothing
	ProbabilityCheaper        *Fraction        `json:"probability_cheaper,omitempty"`        // than the current option
	SavingUSDPerMonth         *Quantiles[USD]  `json:"saving_usd_per_month,omitempty"`
	PriceChanges              []DatedCost      `json:"price_changes,omitempty"` // announced ones, with what it costs from then on
	Prospect                  *Prospect        `json:"prospect,omitempty"`      // of moving there from the current option
	Account                   *AccountUse      `json:"account,omitempty"`       // what other workloads use of its API, where tiers or a commitment count that too
	Crossover                 *Crossover       `json:"crossover,omitempty"`     // against the API that it would replace or that would replace it
	Parts                     []CostPart       `json:"parts"`                   // what the median cost is made of; sums to it
	Prices                    []PriceSource    `json:"prices"`                  // every price and throughput used, with its origin
	Capacity                  []CapacityNumber `json:"capacity,omitempty"`      // what its fleet is taken to do, and on whose word
	Warnings                  []Warning        `json:"warnings"`
}

// Reservation says how many replicas of a fleet that follows its load are worth reserving: those that run for more hours than the break-even (cost model,
// section 4.7). Cold starts and idle timeouts are left out.
type Reservation struct {
	Reserved               int64   `json:"reserved_replicas"`
	Replicas               int64   `json:"replicas"` // in the hour of the highest load
	BreakevenHours         float64 `json:"breakeven_hours_per_month"`
	LastReservedHours      float64 `json:"last_reserved_hours_per_month,omitempty"`   // in which the last of those that are reserved runs
	FirstOnDemandHours     float64 `json:"first_on_demand_hours_per_month,omitempty"` // in which the first of the others does
	USDPerMonth            USD     `json:"usd_per_month"`
	AllOnDemandUSDPerMonth USD     `json:"all_on_demand_usd_per_month"`
	AllReservedUSDPerMonth USD     `json:"all_reserved_usd_per_month"`
}

// Text says in a sentence what to reserve.
func (r Reservation) Text() string {
	how := fmt.Sprintf("reserve %d of %d replicas", r.Reserved, r.Replicas)
	switch {
	case r.Reserved == 0:
		how = fmt.Sprintf("reserve none of %d replicas", r.Replicas)
	case r.Reserved == r.Replicas:
		how = fmt.Sprintf("reserve all %d replicas", r.Replicas)
	}
	var hours []string
	if r.LastReservedHours > 0 {
		hours = append(hours, fmt.Sprintf("the last of them runs %.0f", r.LastReservedHours))
	}
	if r.FirstOnDemandHours > 0 {
		hours = append(hours, fmt.Sprintf("the next would run %.0f", r.FirstOnDemandHours))
	}
	runs := ""
	if len(hours) > 0 {
		runs = " (" + strings.Join(hours, ", ") + ")"
	}
	return fmt.Sprintf("%s: one pays that runs more than %.0f hours a month%s; %s a month, all on demand %s, all reserved %s", how, r.BreakevenHours, runs,
		FormatUSD(r.USDPerMonth), FormatUSD(r.AllOnDemandUSDPerMonth), FormatUSD(r.AllReservedUSDPerMonth))
}

// AccountUse is what other workloads use of an API whose tiers and commitment count the tokens of an account. A cost of the API is then what the
// workload adds to the bill of the account: the bill with it less the bill without.
type AccountUse struct {
	Account        string         `json:"account"`          // the price list item, or the option
	TokensPerMonth Tokens         `json:"tokens_per_month"` // of the others together, as the API counts them
	Workloads      []AccountShare `json:"workloads"`        // that bring most of it, the largest first
	More           int            `json:"more_workloads,omitempty"`
	From           string         `json:"from"` // what the tokens were taken from

	Contract             string `json:"contract,omitempty"`                // that covers other accounts too, on which others spend
	ElsewhereUSDPerMonth USD    `json:"elsewhere_usd_per_month,omitempty"` // what they spend there

	ShareUSDPerMonth *USD `json:"share_usd_per_month,omitempty"` // what the option costs with its share of the bill of the account: the shares of all workloads are that bill
}

// Text says in a sentence whose tokens are counted.
func (a AccountUse) Text(option string) string {
	var names []string
	for _, w := range a.Workloads[:min(len(a.Workloads), 3)] {
		names = append(names, fmt.Sprintf("%s %s", w.Workload, FormatTokens(w.TokensPerMonth)))
	}
	if more := len(a.Workloads) + a.More - len(names); more > 0 && len(names) > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	of := ""
	if len(names) > 0 {
		of = " (" + strings.Join(names, ", ") + ")"
	}
	uses, bill := fmt.Sprintf("use %s tokens a month of the account of %s%s", FormatTokens(a.TokensPerMonth), option, of), "that bill"
	switch elsewhere := FormatUSD(a.ElsewhereUSDPerMonth) + " a month on other models under the contract " + a.Contract; {
	case a.Contract == "":
	case a.TokensPerMonth == 0:
		uses, bill = "spend "+elsewhere, "the bill of the contract"
	default:
		uses, bill = uses+" and spend "+elsewhere, "the bill of the contract"
	}
	return fmt.Sprintf("other workloads %s: its cost is what this workload adds to %s; their tokens are those of %s", uses, bill, a.From)
}

// AccountShare is what one workload uses of the account of an API.
type AccountShare struct {
	Workload       string `json:"workload"`
	TokensPerMonth Tokens `json:"tokens_per_month"`
}

// FleetSize is what an option costs with a given number of replicas at the median volume.
type FleetSize struct {
	Replicas    int64 `json:"replicas"`
	USDPerMonth USD   `json:"usd_per_month"`
}

// DatedCost is what an option costs at the median volume at the prices that are valid from a date on.
type DatedCost struct {
	From        string `json:"from"` // 2006-01-02
	USDPerMonth USD    `json:"usd_per_month"`
}

// Advice of a Prospect.
const (
	AdviceSwitchNow = "switch_now"
	AdviceWait      = "wait"
	AdviceStay      = "stay"
)

// Prospect is what a move from the current option is worth over the months ahead, over equally likely courses of the volume
// (cost model, section 8). Amounts are expected values unless they say otherwise, discounted to today.
type Prospect struct {
	Months            int       `json:"months"`                     // looked ahead
	UpfrontUSD        USD       `json:"upfront_usd"`                // migration
	NPVUSD            USD       `json:"npv_usd"`                    // of moving now
	PaysProbability   *Fraction `json:"pays_probability,omitempty"` // that moving now is worth anything; absent in receipts of early versions
	WaitMonths        int       `json:"wait_months"`                // the wait that is weighed against moving now
	NPVAfterWaitUSD   USD       `json:"npv_after_wait_usd"`         // of moving after the wait, where it then pays
	ValueOfWaitingUSD USD       `json:"value_of_waiting_usd"`       // what that is above moving now or never; waiting costs when negative
	RegretSwitchUSD   USD       `json:"regret_switch_usd"`          // expected loss of moving now where it does not pay
	RegretStayUSD     USD       `json:"regret_stay_usd"`            // expected loss of staying where moving would have paid
	PaidBackAfter     *float64  `json:"paid_back_after_months"`     // on the median course, undiscounted; null: not within Months
	CumulativeUSD     USD       `json:"cumulative_usd_at_horizon"`  // on the median course, undiscounted, migration included
	Advice            string    `json:"advice"`                     // AdviceSwitchNow, AdviceWait or AdviceStay
}

// DoubleMeter is traffic that two meters count, for example a gateway and the engine behind it. Only what the primary meter counts is priced.
type DoubleMeter struct {
	Workloads   []string `json:"workloads"`    // at one meter
	AlsoAt      []string `json:"also_at"`      // at the other: the same traffic
	Primary     []string `json:"primary"`      // those of the two lists that are priced; empty while the configuration names none, and neither is
	TokensRatio float64  `json:"tokens_ratio"` // of AlsoAt over Workloads in four weeks, of output tokens where there are any
	Correlation float64  `json:"correlation"`  // of what chance does to their hours; 0 to 1
	Weeks       int      `json:"weeks"`        // that were compared
	Because     string   `json:"because"`      // one sentence with the numbers
}

// Rename is workloads of a source that ended when others began with their volume: probably the same ones under other labels. None of them has a verdict until the
// configuration says what is what, or until the new ones have a history of their own.
type Rename struct {
	Source   string    `json:"source"`
	Was      []string  `json:"was"`        // workloads that ended
	Is       []string  `json:"is"`         // workloads that began
	At       time.Time `json:"at"`         // end of the last hour of those that ended
	Settles  string    `json:"settles_on"` // 2006-01-02, from which on the new ones stand for themselves
	Proposal string    `json:"proposal"`   // one sentence with what to write into the configuration
}

// SharedFleet is a fleet that several workloads would pay less for together than each does for its best option alone (cost model,
// section 4.11). It is a finding beside the verdicts on single workloads, which it does not change.
type SharedFleet struct {
	ID                    string   `json:"id"` // of its receipt
	Option                string   `json:"option"`
	Hosting               Hosting  `json:"kind"`
	Workloads             []string `json:"workloads"`             // that share it
	AlreadyThere          []string `json:"already_there"`         // those of them that run on it now: the verdict on each counts a fleet of its own
	Replicas              int64    `json:"replicas"`              // spares included
	PeakReplicas          float64  `json:"peak_replicas"`         // that the highest hour of all of them together takes
	SumOfPeaksReplicas    float64  `json:"sum_of_peaks_replicas"` // that their own highest hours take, which need not coincide
	PeakHour              string   `json:"peak_hour"`             // of the week, for example "Tuesday 14:00 UTC"
	USDPerMonth           USD      `json:"usd_per_month"`         // at the median volumes; the three below make it up
	CapacityUSDPerMonth   USD      `json:"capacity_usd_per_month"`
	OperationsUSDPerMonth USD      `json:"operations_usd_per_month"` // once
	VariableUSDPerMonth   USD      `json:"variable_usd_per_month"`
	AloneUSDPerMonth      USD      `json:"alone_usd_per_month"`   // of the best option of each alone, added up
	CurrentUSDPerMonth    *USD     `json:"current_usd_per_month"` // of the current options, added up; null when one is not known
	SavingUSDPerMonth     USD      `json:"saving_usd_per_month"`  // against the best option of each alone
	MigrationUSD          USD      `json:"migration_usd"`         // to move those there that are not on it, once
	Because               string   `json:"because"`               // one sentence with the numbers
}

// What a JointMove does with the account.
const (
	JointLeave = "leave"
	JointEnter = "enter"
)

// JointMove is what workloads had better do together with an account of an API whose bill counts all of them: leave it, or move to it. Each alone is
// judged by what it adds to that bill, which may be less than what all of them do. It is a finding beside the verdicts on single workloads, which it
// does not change.
type JointMove struct {
	ID                    string   `json:"id"`      // of its receipt
	Account               string   `json:"account"` // the contract, the price list item or the option
	Kind                  string   `json:"kind"`    // leave or enter
	AtOdds                bool     `json:"at_odds"` // the verdict on each says so, and together it does not pay
	Workloads             []string `json:"workloads"`
	Told                  []string `json:"told"`    // those of them whose own verdict says so
	Options               []string `json:"options"` // that they would move to
	BillBeforeUSDPerMonth USD      `json:"bill_before_usd_per_month"`
	BillAfterUSDPerMonth  USD      `json:"bill_after_usd_per_month"`
	OtherUSDPerMonth      USD      `json:"other_usd_per_month"`  // what they cost elsewhere: there, or now when they enter
	SavingUSDPerMonth     USD      `json:"saving_usd_per_month"` // together; below 0 when they would lose
	AloneUSDPerMonth      USD      `json:"alone_usd_per_month"`  // what each that saves anything alone saves, added up
	MigrationUSD          USD      `json:"migration_usd"`        // once
	Because               string   `json:"because"`              // one sentence with the numbers
}

// CostPart is one term of a cost.
type CostPart struct {
	Name        string `json:"name"`    // for example "input tokens", "GPU hours", "operations"
	Formula     string `json:"formula"` // with its numbers, for example "3 × 2 GPU × 3.99 USD/h × 730 h"
	USDPerMonth USD    `json:"usd_per_month"`
}

// PriceSource says where one number of the cost model comes from.
type PriceSource struct {
	Item   string `json:"item"`  // for example "openai/gpt-5-mini"
	Field  string `json:"field"` // for example "input"
	Value  string `json:"value"` // exact decimal
	Unit   string `json:"unit"`  // for example "USD/Mtok"
	Source string `json:"source"`
	Date   string `json:"date,omitempty"` // on which the source was looked at, 2006-01-02; absent when it comes from the configuration file

	ValidFrom string `json:"valid_from,omitempty"` // first day on which it holds; absent when it always did
	ValidTo   string `json:"valid_to,omitempty"`   // last day; absent when no end is known
}

// OldestPrice returns the oldest day on which a price that o is charged by was looked at, 2006-01-02; empty when none has a day.
func (o OptionCost) OldestPrice() string {
	oldest := ""
	for _, p := range o.Prices {
		if strings.HasPrefix(p.Unit, "USD") && p.Date != "" && (oldest == "" || p.Date < oldest) {
			oldest = p.Date
		}
	}
	return oldest
}

// Ended reports whether p holds no more on day, which is of the form 2006-01-02.
func (p PriceSource) Ended(day string) bool { return p.ValidTo != "" && p.ValidTo < day }

// Reasons of a Crossover (cost model, section 7.3).
const (
	CrossoverFound        = "CROSSOVER"
	NeverUnitFloor        = "NEVER_UNIT_FLOOR"
	NeverCapacityLimit    = "NEVER_CAPACITY_LIMIT"
	NeverVariableAboveAPI = "NEVER_VARIABLE_ABOVE_API"
	StateBelow            = "BELOW"
	StateInside           = "INSIDE"
	StateBetween          = "BETWEEN"
	StateAbove            = "ABOVE"
	StateNever            = "NEVER"
)

// Crossover says at which monthly volumes an option is cheaper than an API, and where the projected volume stands.
type Crossover struct {
	Option                  string        `json:"option"`
	Against                 string        `json:"against"` // the API option it is compared with
	Reason                  string        `json:"reason"`
	Intervals               []Interval    `json:"intervals"`
	FirstTokensPerMonth     *Tokens       `json:"first_tokens_per_month"`              // null: never
	PermanentTokensPerMonth *Tokens       `json:"permanent_tokens_per_month"`          // null: never for good, or not known because of what follows
	SearchedTokensPerMonth  *Tokens       `json:"searched_tokens_per_month,omitempty"` // beyond it not all intervals are there; absent when all are
	State                   string        `json:"state"`
	NextBoundary            *Tokens       `json:"next_boundary_tokens_per_month"`
	RatioToBoundary         *float64      `json:"ratio_to_boundary"`
	MonthsToBoundary        *float64      `json:"months_to_boundary"`
	SmoothTokensPerMonth    *Tokens       `json:"smooth_tokens_per_month,omitempty"` // where both would cost the same if capacity were bought by the token
	Elasticities            *Elasticities `json:"elasticities,omitempty"`            // of that volume
	Fragile                 bool          `json:"fragile"`                           // a small error of an input moves it far
	Tornado                 []Swing       `json:"tornado,omitempty"`                 // of the option that the decision is about; the widest first
	CrossesOn               string        `json:"crosses_on,omitempty"`              // 2006-01-02, at the median
	ActBy                   string        `json:"act_by,omitempty"`                  // 2006-01-02: crossing date of the upper quantile less the lead time
}

// Elasticities says by how many percent the smooth crossing moves for each percent by which an input does (cost model, section 12).
type Elasticities struct {
	Operations   float64 `json:"operations"`
	APIPrice     float64 `json:"api_price"`
	GPUPrice     float64 `json:"gpu_price"`
	Throughput   float64 `json:"throughput"`
	VariableCost float64 `json:"variable_cost"`

	// Of a fleet that follows its load: how often replicas start, and how long a cold start takes, idle timeouts left out.
	ColdStarts    float64 `json:"cold_starts,omitempty"`
	ColdStartTime float64 `json:"cold_start_time,omitempty"`
}

// Swing is what becomes of a comparison of a fleet with an API when one input is at either end of its range and the others are as
// they are. The staircase does not react inside a step, then jumps: the elasticities say nothing of that.
type Swing struct {
	Input        string  `json:"input"` // volume, api_price, gpu_price, throughput, target_utilization, peak_factor, operations, cold_starts or cold_start_time
	Unit         string  `json:"unit"`
	Low          float64 `json:"low"`
	Now          float64 `json:"now"`
	High         float64 `json:"high"`
	FirstAtLow   *Tokens `json:"first_tokens_per_month_at_low"` // the first crossover; null: never
	FirstAtHigh  *Tokens `json:"first_tokens_per_month_at_high"`
	SavingAtLow  *USD    `json:"saving_usd_per_month_at_low"` // of the fleet against the API at the median volume; null: the quota does not carry it
	SavingAtHigh *USD    `json:"saving_usd_per_month_at_high"`
}

// Overdue reports whether the date to act by has passed at now: the crossover is nearer than the lead time.
func (x *Crossover) Overdue(now time.Time) bool {
	return x.ActBy != "" && x.ActBy < now.UTC().Format(time.DateOnly)
}

// Interval is a range of monthly volumes, open on the left and closed on the right.
type Interval struct {
	FromExclusive Tokens `json:"from_exclusive"`
	ToInclusive   End    `json:"to_inclusive"` // null: every larger volume
}

// End is the last monthly volume of an Interval, in tokens; infinite when every larger volume is in it.
type End Tokens

// Unbounded reports whether every larger volume is in the interval.
func (e End) Unbounded() bool { return math.IsInf(float64(e), 1) }

// MarshalJSON writes a number of tokens, or null when e is unbounded.
func (e End) MarshalJSON() ([]byte, error) {
	if e.Unbounded() {
		return []byte("null"), nil
	}
	return json.Marshal(Tokens(e))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (e *End) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*e = End(math.Inf(1))
		return nil
	}
	return json.Unmarshal(data, (*Tokens)(e))
}

// Reasons of a Decision (cost model, section 11); ReasonUnknown stands where the procedure could not run.
const (
	ReasonNoFeasibleOption  = "NO_FEASIBLE_OPTION"
	ReasonCurrentInfeasible = "CURRENT_INFEASIBLE"
	ReasonAlreadyBest       = "ALREADY_BEST"
	ReasonBelowMargin       = "BELOW_MARGIN"
	ReasonUncertain         = "UNCERTAIN"
	ReasonPaybackTooLong    = "PAYBACK_TOO_LONG"
	ReasonWait              = "WAIT" // moving pays, and waiting to know more is worth more
	ReasonSwitch            = "SWITCH"
	ReasonUnknown           = "UNKNOWN"
)

// What a Decision recommends.
const (
	Stay    = "stay"
	Move    = "move"
	Unknown = "unknown" // an input is missing: the last announced verdict stands and no alert moves
)

// Decision is the verdict of one evaluation on one workload.
type Decision struct {
	ID                 string            `json:"id"`             // names the receipt
	Recommendation     string            `json:"recommendation"` // Stay, Move or Unknown
	Option             string            `json:"option"`         // the option to be on; empty when unknown or none is feasible
	Hosting            Hosting           `json:"hosting,omitempty"`
	Reason             string            `json:"reason"`
	Because            string            `json:"because"` // one sentence with the numbers that decided
	Best               string            `json:"best,omitempty"`
	SavingUSDPerMonth  *Quantiles[USD]   `json:"saving_usd_per_month"` // of Best against the current option; null when unknown
	SavingRatio        *Fraction         `json:"saving_ratio"`
	ProbabilityCheaper *Fraction         `json:"probability_cheaper"`
	PaybackMonths      *float64          `json:"payback_months"`             // null: it does not pay back, or there is nothing to pay
	Prospect           *Prospect         `json:"prospect,omitempty"`         // of moving to Best
	Commitment         *Commitment       `json:"commitment,omitempty"`       // of the current option; absent when nothing is committed
	AssumedCapacity    *AssumedCapacity  `json:"assumed_capacity,omitempty"` // how much rests on numbers that nobody measured; absent when no fleet is compared
	Constraints        []ConstraintPrice `json:"constraints,omitempty"`      // those that block an option
	RuleOfThumb        string            `json:"rule_of_thumb"`
	DiffersBecause     string            `json:"differs_because,omitempty"`
	WouldChange        []string          `json:"would_change"` // sentences: which input at which value flips the answer
}

// Commitment is what stays due of the current option until a date, whatever is decided, and what the answer is from then on: until
// then a decision to leave compares avoidable cost, afterwards full cost (cost model, section 4.10).
type Commitment struct {
	Option                 string `json:"option"`                  // that it is for: the current one, or its base
	Until                  string `json:"until"`                   // 2006-01-02, the last day
	USDPerMonth            USD    `json:"usd_per_month"`           // of the current cost that stays due
	AvoidableUSDPerMonth   USD    `json:"avoidable_usd_per_month"` // of the current option, what is compared until then
	FullUSDPerMonth        USD    `json:"full_usd_per_month"`      // of the current option, what is compared after it
	OptionAfter            string `json:"option_after"`            // recommended after it
	ReasonAfter            string `json:"reason_after"`
	SavingAfterUSDPerMonth *USD   `json:"saving_after_usd_per_month"`
	Flips                  bool   `json:"flips"`            // the recommendation changes on that day
	ActBy                  string `json:"act_by,omitempty"` // 2006-01-02: the end less the lead time, where it changes
}

// ConstraintPrice is what one hard constraint costs (cost model, section 9).
type ConstraintPrice struct {
	Code        string   `json:"code"`
	Blocks      []string `json:"blocks"`        // the options that it blocks, others beside it or not
	BestWithout string   `json:"best_without"`  // the cheapest option if it were not demanded; empty when there is none either
	USDPerMonth *USD     `json:"usd_per_month"` // cost of the cheapest with it less that of the cheapest without it; null when nothing is allowed with it
}

// Moved is why the cost of a workload is another than it was in an earlier evaluation (cost model, section 12).
type Moved struct {
	Since   time.Time   `json:"since"`             // of the earlier evaluation
	Said    string      `json:"said,omitempty"`    // id of its decision, when a message was about it or it was confirmed without one; empty when it is the evaluation before
	Option  string      `json:"option"`            // the current one
	Cost    CostChange  `json:"cost"`              // of it
	Against string      `json:"against,omitempty"` // the best option, when that is another
	Margin  *CostChange `json:"margin,omitempty"`  // of what Against saves
}

// CostChange is an amount in two evaluations, and what part each input has in the difference.
type CostChange struct {
	BeforeUSDPerMonth USD          `json:"before_usd_per_month"`
	AfterUSDPerMonth  USD          `json:"after_usd_per_month"`
	ChangeUSDPerMonth USD          `json:"change_usd_per_month"`
	Parts             []ChangePart `json:"parts"` // sum to the change; inputs that have no part are left out
}

// ChangePart is the part of one input in a CostChange.
type ChangePart struct {
	Input       string `json:"input"` // volume, mix, cache, price, capacity step, throughput, operations or others on the account
	USDPerMonth USD    `json:"usd_per_month"`
}

// PriceEvent is a change of prices and what it does to every workload that it touches.
type PriceEvent struct {
	From            string      `json:"from"`  // the day from which the new prices hold, 2006-01-02, or on which they were found to
	Ahead           bool        `json:"ahead"` // that day is still to come
	Moves           []PriceMove `json:"moves"`
	Workloads       int         `json:"workloads"`          // that have one of the options among their candidates
	CostUSDPerMonth USD         `json:"cost_usd_per_month"` // by which their current options cost more together, at the projected volumes
	Flips           []PriceFlip `json:"flips"`              // workloads whose answer is another
	Closer          []string    `json:"closer"`             // workloads that a move is closer for
	Unknown         []string    `json:"unknown"`            // workloads whose cost is not known before or after
}

// Spend returns what the current option of w costs in USD a month; of the bill of an account that others use too its share, so that those of all add up to what is
// paid. It is nil when that is not known.
func (w WorkloadReport) Spend() *USD {
	for _, o := range w.Options {
		switch {
		case o.Option != w.Current || o.USDPerMonth == nil:
		case o.Account != nil:
			return o.Account.ShareUSDPerMonth
		default:
			return &o.USDPerMonth.P50
		}
	}
	return nil
}

// PriceMove is one price that changed, of an option.
type PriceMove struct {
	Option string `json:"option"`
	Field  string `json:"field"`
	Unit   string `json:"unit"`
	Before string `json:"before"` // exact decimal; empty when it was not known
	After  string `json:"after"`  // empty when it is not known any more
}

// Text says m in words.
func (m PriceMove) Text() string {
	switch {
	case m.Before == "":
		return fmt.Sprintf("%s of %s: %s %s, which was not known before", m.Field, m.Option, m.After, m.Unit)
	case m.After == "":
		return fmt.Sprintf("%s of %s: none any more, it was %s %s", m.Field, m.Option, m.Before, m.Unit)
	}
	return fmt.Sprintf("%s of %s: %s → %s %s", m.Field, m.Option, m.Before, m.After, m.Unit)
}

// PriceFlip is a workload whose answer a change of prices changes.
type PriceFlip struct {
	Workload string `json:"workload"`
	Before   string `json:"before"` // the answer in words
	After    string `json:"after"`
	Option   string `json:"option"`  // the answer after
	Receipt  string `json:"receipt"` // of the evaluation that it was worked out from
}

// Drift says how far an input of the decision is from what its past led one to expect.
type Drift struct {
	Kind     string  `json:"kind"`
	Score    float64 `json:"score"`           // evidence over what an alarm takes: 1 and more is drift
	Since    string  `json:"since,omitempty"` // the first day of it, 2006-01-02; absent without drift
	Expected float64 `json:"expected"`        // in the unit of the kind, a day
	Found    float64 `json:"found"`

	CostUSDPerMonth *USD   `json:"cost_usd_per_month,omitempty"` // what it adds to the cost of the current option; absent when it is not known
	OptionWithout   string `json:"option_without,omitempty"`     // the option that would be the answer without it; absent when that is the same
	Material        bool   `json:"material"`                     // it changes the answer, or the cost by more than policy.drift_usd
	Text            string `json:"text"`
}
