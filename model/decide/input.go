// Package decide compares what every option of a workload would cost at the projected volume and says where the workload
// should run, and why (cost model, sections 8 to 11).
package decide

import (
	"math"
	"math/big"
	"time"

	"tipline/model"
	"tipline/model/cost"
)

// Sensitivity says how careful one must be with a workload's data.
type Sensitivity string

// The sensitivities.
const (
	Public    Sensitivity = "public"
	Internal  Sensitivity = "internal"
	Regulated Sensitivity = "regulated"
)

// OpsCapacity says who could operate GPU serving.
type OpsCapacity string

// The operations capacities.
const (
	OpsNone      OpsCapacity = "none"
	OpsLimited   OpsCapacity = "limited"
	OpsDedicated OpsCapacity = "dedicated"
)

// Constraints is what a workload demands of whatever serves it (cost model, section 9).
type Constraints struct {
	Sensitivity Sensitivity   // required
	OpsCapacity OpsCapacity   // required
	Residency   []string      // regions one of which the option must be in; empty means anywhere
	TTFTLimit   time.Duration // limit of the 95th percentile of time to first token; 0 means none
	Model       string        // the model that must be served; empty means any accepted one
	FineTuned   bool          // the weights are the company's own
	Batch       bool          // deferrable work: no latency need, no spare replica
	BatchShare  *big.Rat      // share of the tokens that may go through a batch tier; nil means none, or all with Batch
	LongShare   *big.Rat      // share of the tokens that are of requests with a prompt above the long-context threshold; nil means unknown
}

// Option is one way to serve a workload, with what it costs and what it can do.
type Option struct {
	Name    string
	Hosting model.Hosting

	API           *cost.Prices   // of an API
	Account       string         `json:",omitempty"` // of an API: whose tokens its tiers and its commitment count, those of all workloads on options with the same; empty counts each workload's by itself
	Contract      string         `json:",omitempty"` // of an API: the contract whose commitment counts what all accounts under it spend; empty for one of the account alone
	Capacity      *cost.Capacity // of a self-hosted or cloud-managed fleet; PeakFactor nil takes the workload's own
	AssumedSpares bool           `json:",omitempty"` // the spares of Capacity are assumed, and work that can wait needs none
	Throughput    []Throughput   // measured shapes; when not empty they give Capacity.TokensPerHour by the workload's mix
	Provisioned   *Provisioned   // units of throughput that are bought instead of replicas; nil for replicas
	Spot          *cost.Spot     // how often the capacity is taken away; nil when it never is
	Autoscale     *Autoscale     // how the fleet follows its load; nil for one that runs all month, sized for the peak
	Jobs          *Jobs          `json:",omitempty"` // of a batch transform: the jobs for which alone the fleet runs; nil for one that waits for requests
	Limits        *Limits        `json:",omitempty"` // of a managed endpoint: what it takes as one request; nil when not known
	Base          string         // of a hybrid: the option whose replicas carry the base load, or what cannot wait when that is apart
	Overflow      string         // of a hybrid: the API option that takes the rest, or the option for what can wait
	Apart         bool           // of a hybrid: what can wait is served apart from what cannot
	FillValleys   bool           // of such a hybrid: what can wait first fills the hours in which the replicas of Base have room

	Measured       *model.MeasuredCapacity // what Capacity.TokensPerHour is from; nil when it was not measured
	NotMeasured    string                  // why not, where it was to be
	PreferMeasured bool                    // what is measured goes before what is configured
	GPUsPerReplica int64                   // of a self-hosted fleet; 0 when not known

	Regions              []string      // where it runs; empty means not declared, which fails a residency constraint
	Models               []string      // the models it serves; empty means not declared and fits any
	TTFTP95              time.Duration // 95th percentile of time to first token; 0 means unknown
	ApprovedForRegulated bool          // an API with an agreement on record
	CustomWeights        bool          // an API that can host the company's own weights
	OpsIncluded          bool          // the offer includes operations
	NoGPU                bool          // a managed kind without GPUs
	BatchOnly            bool          // a managed kind that queues requests or runs jobs, for work that can wait
	ClosedWeights        bool          // the model's weights are not available

	TokenRatioIn, TokenRatioOut *big.Rat // tokens of this option's model per token measured, nil means 1 (section 2.3)
	MigrationCost               *big.Rat // USD to move there, once; nil means 0

	Owned     *Owned        `json:",omitempty"` // what buying a block of it takes; nil when it is rented
	Committed *Commitment   // what stays due of it until a date; nil means nothing
	Announced []PriceChange // changes of its prices that are known; none when empty
	Retires   time.Time     // the first instant at which its model is not served any more; the zero time when none is known
	Credits   *Credits      // what the provider gives for a while; nil means nothing

	Prices   []model.PriceSource // origin of every price and throughput above
	Warnings []model.Warning     // what is doubtful about them
}

// parts returns o with its base and its overflow, which are empty when o is no hybrid.
func (o Option) parts(options map[string]Option) [3]Option {
	return [3]Option{o, options[o.Base], options[o.Overflow]}
}

// Credits are free credits of an API. They end, so no cost and no decision counts them: they are reported apart (cost model,
// section 15).
type Credits struct {
	Until       time.Time // the first instant without them
	USDPerMonth *big.Rat
}

// Autoscale is how a fleet follows its load hour by hour (cost model, sections 4.6 and 4.7). It scales to zero when its
// Capacity asks for no replica at least.
type Autoscale struct {
	ColdStart       time.Duration // from asking for a replica until it serves; it is paid for
	IdleTimeout     time.Duration // for which a replica that is not needed any more is still paid for
	StartsPerDay    *big.Rat      // of all replicas together
	ReservedPerHour *big.Rat      // USD of a block that is paid for in all hours of the month; nil when none can be reserved
}

// Jobs are those of a batch transform, over which the work of a day is spread (cost model, section 5).
type Jobs struct {
	PerDay   *big.Rat
	Deadline time.Duration // from the start of a job until it is done, at most the time until the next one starts
	Start    time.Duration // from asking for an instance until it works; it is paid for
}

// Owned is what a block of replicas costs that is bought, in its price of an hour.
type Owned struct {
	Capex   *big.Rat // USD, once
	Capital *big.Rat // USD a month that the hour counts of it
}

// Provisioned is what a unit of provisioned throughput is rated at: tokens of input, to which the others are converted (cost model,
// section 3). A unit takes the place of a replica.
type Provisioned struct {
	InputPerMinute *big.Rat // tokens of input a minute, or what is worth as many
	OutputWeight   *big.Rat // tokens of input that a token of output is worth
}

// Throughput is a measured rate of one replica at maximum load for requests of one shape.
type Throughput struct {
	Input, Output         int64    // tokens per request
	OutputTokensPerSecond *big.Rat // of the whole replica
}

// Policy is when a saving is worth a move (cost model, sections 8, 11 and 18).
type Policy struct {
	Enter            *big.Rat      // saving as a share of the current cost from which to leave the current option
	Leave            *big.Rat      // loss as a share at which to go back
	Confirmations    int           // evaluations in a row that must agree
	ConfirmEvery     time.Duration // least time between two evaluations that count
	MinSavingUSD     *big.Rat      // USD per month
	MinProbability   *big.Rat      // of being cheaper, 0 to 1
	MaxPaybackMonths *big.Rat
	LeadTime         time.Duration // how long a migration takes
	DiscountRate     *big.Rat      // a year, by which later savings count less; nil means 0
	WaitMonths       int           // the wait that is weighed against moving now; 0 means that none is
	MinHistory       time.Duration // measured hours below which nothing is decided
	MaxPriceAge      time.Duration // age of a price above which it is doubted; 0 means that it does not matter
	DriftUSD         *big.Rat      // USD per month by which a drift must change a cost to be told; nil means 0
}

// Material reports whether a change of a cost by usd a month is worth telling: at least DriftUSD and a dollar.
func (p Policy) Material(usd model.USD) bool {
	least, _ := orZero(p.DriftUSD).Float64()
	return math.Abs(float64(usd)) >= max(least, 1)
}

// Input is everything one decision rests on.
type Input struct {
	Workload    string
	Constraints Constraints
	Current     string   // name of the option that serves the workload now
	Options     []Option // candidates, the current one and every option a hybrid refers to
	Candidates  []string // names of the options to choose from; the current one is always among them
	Others      []Others `json:",omitempty"` // what other workloads use of the accounts of Options; none when empty
	Forecast    model.Forecast
	TTFTP95     *time.Duration // measured on the current option; nil when unknown
	Prompts     *model.Prompts // how long its prompts were over the last day; nil when unknown
	Policy      Policy
}

// Verdict is what Decide found.
type Verdict struct {
	Options   []model.OptionCost // one for every candidate, in the order given
	Crossover *model.Crossover   // of the option that the decision is about
	Decision  model.Decision     // without its id, which the receipt gives

	in      *Input   // nil when nothing could be compared
	tenants []tenant // what Share builds on
	joiners []joiner // what Joints builds on
}

// Input returns what v rests on, and false when nothing could be compared.
func (v Verdict) Input() (Input, bool) {
	if v.in == nil {
		return Input{}, false
	}
	return *v.in, true
}
