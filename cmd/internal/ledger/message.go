package ledger

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"time"

	"tipline/model"
	"tipline/model/decide"
)

// messageVersion is the version of the Message form written today.
const messageVersion = 1

// Message is the receipt of a message: what it says and what that was worked out from. It lies in the ledger under the id of the message.
type Message struct {
	Version    int       `json:"version"`
	ID         string    `json:"id"`
	Hash       string    `json:"hash"` // of all the rest, see Seal
	Kind       string    `json:"kind"`
	AsOf       time.Time `json:"as_of"`  // the evaluation that it tells of
	Engine     string    `json:"engine"` // version of the tipline that computed it
	ConfigHash string    `json:"config_hash"`

	// Workload and Receipt are of a message about one workload: all that it says is in the receipt of the evaluation.
	Workload string `json:"workload,omitempty"`
	Receipt  string `json:"receipt,omitempty"`

	// What it says otherwise; one of these.
	Budget *model.BudgetReport `json:"budget,omitempty"`
	Prices *model.PriceEvent   `json:"prices,omitempty"`
	Digest *model.Digest       `json:"digest,omitempty"`
	Faults []model.DataFault   `json:"faults,omitempty"`
	Storm  json.RawMessage     `json:"storm,omitempty"` // as package alerting has it

	Grounds

	Receipts  []string  `json:"receipts,omitempty"` // of the evaluations that it rests on, which the ledger keeps as long as it keeps the grounds
	Rest      *Rest     `json:"rest,omitempty"`     // what the lists above have no place for; null when they are whole
	LeftOut   []string  `json:"left_out,omitempty"`
	Compacted time.Time `json:"compacted,omitzero"` // when it was made a summary, see Compact
}

// Grounds are what the numbers of a message about no single workload were worked out from.
type Grounds struct {
	Month    *model.BudgetReport      `json:"month,omitempty"`    // of a digest, by workload
	Parts    []decide.MonthPart       `json:"parts,omitempty"`    // of the dearest workloads of a month
	Costs    []Cost                   `json:"costs,omitempty"`    // of a digest, the dearest first
	Change   *decide.Change           `json:"change,omitempty"`   // of prices
	Standing map[string]decide.Tariff `json:"standing,omitempty"` // what the options of Change are charged on this side of it
	Rows     []PriceRow               `json:"rows,omitempty"`     // of the price book that those tariffs are from
	Each     []decide.Repriced        `json:"each,omitempty"`     // what Change does, those that the message names first
	Bills    *decide.Bills            `json:"bills,omitempty"`    // of accounts that Change touches
	Asked    []Asked                  `json:"asked,omitempty"`    // of the sources of faults
}

// Cost is what the option in use costs one workload.
type Cost struct {
	Workload string    `json:"workload"`
	Receipt  string    `json:"receipt"`
	USD      model.USD `json:"usd_per_month"`
}

// PriceRow is a row of the price book that an option is charged by.
type PriceRow struct {
	Option string `json:"option"`
	Before bool   `json:"before"` // of the change
	model.PriceSource
}

// Asked is what a source was asked for.
type Asked struct {
	Source     string    `json:"source"`
	Expression string    `json:"expression"` // PromQL, evaluated at the end of every hour
	From       time.Time `json:"from"`
	To         time.Time `json:"to"`
}

// Rest is the sum of what is not listed.
type Rest struct {
	Workloads int                        `json:"workloads"`
	Projected model.Quantiles[model.USD] `json:"projected_usd"`
	SpentUSD  model.USD                  `json:"spent_usd"`
	USD       model.USD                  `json:"usd_per_month"` // what they cost, or by how much that changes
}

// MostNamed is how many evaluations a message names whose receipts are kept for it: as many as the longest of them says by name.
const MostNamed = 20

// messageIDs matches what names a message.
var messageIDs = regexp.MustCompile(`^[0-9a-f]{16}$`)

// ValidMessageID reports whether text could be the id of a message.
func ValidMessageID(text string) bool { return messageIDs.MatchString(text) }

// RestOn makes m rest on the evaluations of which the receipts are named, as many as there is place for: those that the message names first, then those of
// which a change of prices changes the answer, or the cost most, and of the dearest workloads of a month.
func (m *Message) RestOn(named ...string) {
	m.Receipts = nil
	name := func(id string) {
		if id != "" && len(m.Receipts) < MostNamed && !slices.Contains(m.Receipts, id) {
			m.Receipts = append(m.Receipts, id)
		}
	}
	for _, id := range named {
		name(id)
	}
	if m.Prices != nil {
		for _, f := range m.Prices.Flips {
			name(f.Receipt)
		}
	}
	m.Each, m.Costs = slices.Clone(m.Each), slices.Clone(m.Costs)
	slices.SortStableFunc(m.Each, func(a, b decide.Repriced) int {
		named := func(r decide.Repriced) int {
			return map[bool]int{true: 0, false: 1}[slices.Contains(m.Receipts, r.Receipt)]
		}
		return cmp.Or(cmp.Compare(named(a), named(b)), cmp.Compare(math.Abs(float64(b.Counts)), math.Abs(float64(a.Counts))))
	})
	for _, r := range m.Each {
		name(r.Receipt)
	}
	for _, p := range m.Parts {
		name(p.Receipt)
	}
	slices.SortStableFunc(m.Costs, func(a, b Cost) int { return cmp.Compare(b.USD, a.USD) })
}

// blankHash stands in place of the hash while the receipt is hashed.
const blankHash = "0000000000000000"

// Seal gives m its hash and returns it as it is kept. What would take more than MaxBytes has shorter lists, the sums of what they have no place for,
// and a word in LeftOut; then shorter texts; and at last no grounds.
func (m *Message) Seal() ([]byte, error) {
	m.Version, m.Hash = messageVersion, blankHash
	whole := *m
	var data []byte
	var err error
	for _, most := range []int{math.MaxInt, 1000, 200, mostListed} {
		*m = whole.listing(most)
		if data, err = json.Marshal(m); err != nil || len(data) <= MaxBytes {
			break
		}
	}
	if err != nil || len(data) > MaxBytes {
		m.Grounds = Grounds{}
		m.LeftOut = append(m.LeftOut, fmt.Sprintf("what its numbers were worked out from: it cannot be computed again; and the ends of texts longer than %d bytes", shortText))
		short := copied(reflect.ValueOf(*m)) // the message stays as it is
		cutTexts(short, shortText)
		*m = short.Interface().(Message)
		if data, err = json.Marshal(m); err != nil {
			return nil, fmt.Errorf("receipt of message %s: %w", m.ID, err)
		}
	}
	data = model.EscapeJSON(data)
	m.Hash = hashOf(data)
	return rehashed(data, blankHash, m.Hash), nil
}

func hashOf(blank []byte) string {
	sum := sha256.Sum256(blank)
	return hex.EncodeToString(sum[:len(blankHash)/2])
}

// rehashed returns data with to in the place of the hash from. The first key of that name is the message's own.
func rehashed(data []byte, from, to string) []byte {
	return bytes.Replace(data, []byte(`"hash":"`+from+`"`), []byte(`"hash":"`+to+`"`), 1)
}

// listing returns m with no more than most elements in every list, and of what is added up the sum of the others.
func (m Message) listing(most int) Message {
	rest, out := Rest{}, false
	shorten := func(n int) bool { out = out || n > most; return n > most }
	month := func(b *model.BudgetReport) *model.BudgetReport {
		if b == nil {
			return nil
		}
		short := *b
		short.Unknown = b.Unknown[:min(len(b.Unknown), most)]
		if shorten(len(b.Unknown)); shorten(len(b.Items)) {
			short.Items = b.Items[:most]
			for _, i := range b.Items[most:] {
				rest.Workloads++
				rest.SpentUSD += i.SpentUSD
				rest.Projected.P10, rest.Projected.P50, rest.Projected.P90 = rest.Projected.P10+i.USD.P10, rest.Projected.P50+i.USD.P50, rest.Projected.P90+i.USD.P90
			}
		}
		return &short
	}
	m.Budget, m.Month = month(m.Budget), month(m.Month)
	if shorten(len(m.Costs)) {
		for _, c := range m.Costs[most:] {
			rest.USD += c.USD
		}
		m.Costs = m.Costs[:most]
	}
	if shorten(len(m.Each)) {
		for _, r := range m.Each[most:] {
			rest.Workloads++
			rest.USD += r.Counts
		}
		m.Each = m.Each[:most]
	}
	m.Each = slices.Clone(m.Each)
	for i, r := range m.Each {
		if !slices.Contains(m.Receipts, r.Receipt) {
			m.Each[i].Beside = nil // which only computing it again takes
		}
	}
	if p := m.Prices; p != nil {
		short := *p
		shorten(max(len(p.Moves), len(p.Flips), len(p.Closer), len(p.Unknown)))
		short.Moves, short.Flips = p.Moves[:min(len(p.Moves), most)], p.Flips[:min(len(p.Flips), most)]
		short.Closer, short.Unknown = p.Closer[:min(len(p.Closer), most)], p.Unknown[:min(len(p.Unknown), most)]
		m.Prices = &short
	}
	if d := m.Digest; d != nil && shorten(len(d.Items)) {
		short := *d
		short.Items = d.Items[:most]
		m.Digest = &short
	}
	shorten(max(len(m.Faults), len(m.Rows)))
	m.Faults, m.Rows = m.Faults[:min(len(m.Faults), most)], m.Rows[:min(len(m.Rows), most)]
	if out {
		m.LeftOut = []string{fmt.Sprintf("all but the first %d of every list; the sum of the others is kept", most)}
		m.Rest = &rest
	}
	return m
}

// OpenMessage reads the receipt of a message as the ledger has it.
func OpenMessage(data []byte) (Message, error) {
	var m Message
	if len(data) > 4*MaxBytes {
		return m, fmt.Errorf("receipt of a message: got %d bytes, want at most %d", len(data), 4*MaxBytes)
	}
	if huge(data) {
		return m, errors.New("receipt of a message: got a number of thousands of digits, which tipline does not write")
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("receipt of a message: not one that tipline wrote: %w", err)
	}
	if m.Version < 1 || m.Version > messageVersion {
		return m, fmt.Errorf("receipt of a message: got version %d, want 1 to %d: it is none, or a newer tipline wrote it", m.Version, messageVersion)
	}
	return m, nil
}

// VerifyMessage returns an error when data is not as it was sealed.
func VerifyMessage(data []byte) error {
	m, err := OpenMessage(data)
	if err != nil {
		return err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		return err
	}
	if m.Hash == "" || hashOf(rehashed(compact.Bytes(), m.Hash, blankHash)) != m.Hash {
		return errChanged
	}
	return nil
}

// Bundle is the receipt of a message with the receipts that it names, so that it can be computed again elsewhere.
type Bundle struct {
	Message  json.RawMessage            `json:"message"`
	Receipts map[string]json.RawMessage `json:"receipts"` // by their ids, as far as they are still there
}

// Bundled returns the Bundle of the message id that get has, nil when there is none.
func Bundled(id string, get func(id string) ([]byte, error)) ([]byte, error) {
	row, err := get(id)
	if row == nil || err != nil {
		return nil, err
	}
	m, err := OpenMessage(row)
	if err != nil {
		return nil, err
	}
	b := Bundle{Message: row, Receipts: map[string]json.RawMessage{}}
	for _, id := range m.names() {
		if receipt, err := get(id); err != nil {
			return nil, err
		} else if receipt != nil {
			b.Receipts[id] = receipt
		}
	}
	data, err := json.Marshal(b)
	return model.EscapeJSON(data), err
}

// names returns the ids of the receipts that m rests on.
func (m Message) names() []string {
	if m.Receipt != "" {
		return []string{m.Receipt}
	}
	return m.Receipts
}

// OpenBundle reads a Bundle, and reports whether data is one.
func OpenBundle(data []byte) (b Bundle, ok bool) {
	return b, json.Unmarshal(data, &b) == nil && len(b.Message) > 0
}

// open returns the receipt id of b.
func (b Bundle) open(id string) (Receipt, error) {
	data, there := b.Receipts[id]
	if !there {
		return Receipt{}, fmt.Errorf("the receipt %s, which it rests on, is not beside it", id)
	}
	return Open(data)
}

// Recompute works m, the message of b, out again, offline: every receipt that it rests on, and every number that it says.
func (b Bundle) Recompute(m Message) (c Comparison, err error) {
	defer func() { // the file may be a stranger's
		if p := recover(); p != nil {
			c, err = Comparison{}, fmt.Errorf("grounds: nothing can be computed from them: %v", p)
		}
	}()
	for _, id := range m.names() {
		r, err := b.open(id)
		if err != nil {
			return c, err
		}
		if err := Verify(b.Receipts[id]); err != nil || r.ID != id {
			return c, fmt.Errorf("receipt %s: %w", id, cmp.Or(err, errChanged))
		}
		one, err := r.Recompute()
		if errors.Is(err, ErrNoInputs) {
			continue // nothing was computed, and it says why
		}
		if err != nil {
			return c, fmt.Errorf("receipt %s: %w", id, err)
		}
		c.Amounts, c.Numbers = c.Amounts+one.Amounts, c.Numbers+one.Numbers
		for _, d := range one.Differences {
			c.Differences = append(c.Differences, "receipt "+id+": "+d)
		}
	}
	switch {
	case m.Budget != nil:
		err = b.month(&c, m, *m.Budget)
	case m.Prices != nil:
		err = b.prices(&c, m)
	case m.Digest != nil:
		err = b.digest(&c, m)
	case m.Storm != nil:
		err = b.storm(&c, m.Storm)
	}
	for _, f := range m.Faults {
		for _, r := range f.Readings {
			if c.Numbers++; !r.Faulty() {
				c.Differences = append(c.Differences, fmt.Sprintf("%s: %v is no fault", r.What, r.Value))
			}
		}
	}
	return c, err
}

// month compares the sums of r, the parts of which the receipts are there, and what those say of the tokens.
func (b Bundle) month(c *Comparison, m Message, r model.BudgetReport) error {
	if m.Parts == nil && len(r.Items) > 0 {
		return ErrNoInputs
	}
	again := r
	again.Items = slices.Clone(r.Items)
	for _, p := range m.Parts {
		receipt, err := b.open(p.Receipt)
		if err != nil {
			continue // of another kind of message names have no place for all
		}
		in, err := receipt.Input()
		if err != nil {
			return fmt.Errorf("receipt %s: %w", p.Receipt, err)
		}
		item, known := decide.Decide(in).Item(p)
		if i := slices.IndexFunc(again.Items, func(i model.BudgetItem) bool { return i.Workload == p.Workload }); known && i >= 0 {
			again.Items[i] = item
		}
		w := receipt.Workload
		c.compare(p.Workload+" tokens", generic([]any{p.ToDate, p.Median}), generic([]any{w.Usage.MonthToDateTokens, w.Forecast.CalendarMonthTokens.P50}))
	}
	sum := again
	if m.Rest != nil {
		sum.Items = append(slices.Clone(again.Items), model.BudgetItem{USD: m.Rest.Projected, SpentUSD: m.Rest.SpentUSD})
	}
	sum.Sum(m.AsOf)
	again.Projected, again.SpentUSD, again.PassesOn = sum.Projected, sum.SpentUSD, sum.PassesOn
	c.compare("month", generic(r), generic(again))
	return nil
}

// prices compares what prices change, what that does to the workloads of which the receipts are there, and the sum.
func (b Bundle) prices(c *Comparison, m Message) error {
	if m.Change == nil {
		return ErrNoInputs
	}
	var moves []model.PriceMove
	for i, p := range m.Prices.Moves {
		if i > 0 && m.Prices.Moves[i-1].Option == p.Option {
			continue
		}
		before, after := m.Standing[p.Option], m.Change.Tariffs[p.Option]
		if m.Change.Past {
			before, after = after, before
		}
		moves = append(moves, decide.Moves(p.Option, before, after)...)
	}
	c.compare("moves", generic(m.Prices.Moves), generic(moves[:min(len(moves), len(m.Prices.Moves))]))
	sum, terms := model.USD(0), 0.0
	add := func(usd model.USD) { sum, terms = sum+usd, terms+math.Abs(float64(usd)) }
	if m.Bills != nil {
		add(m.Bills.Change(m.Change.Past))
	}
	for _, one := range m.Each {
		add(one.Counts)
		if !slices.Contains(m.Receipts, one.Receipt) {
			continue
		}
		receipt, err := b.open(one.Receipt)
		if err != nil {
			return err
		}
		in, err := receipt.Input()
		if err != nil {
			return fmt.Errorf("receipt %s: %w", one.Receipt, err)
		}
		c.compare(one.Workload, generic(one), generic(m.Change.Again(in, one)))
	}
	for _, f := range m.Prices.Flips {
		if i := slices.IndexFunc(m.Each, func(r decide.Repriced) bool { return r.Receipt == f.Receipt && r.Workload == f.Workload }); i >= 0 {
			c.compare(f.Workload, generic([]string{f.Before, f.After}), generic([]string{m.Each[i].Was, m.Each[i].Is}))
		}
	}
	if m.Rest != nil {
		add(m.Rest.USD)
	}
	c.Numbers, c.Amounts = c.Numbers+1, c.Amounts+1
	if said := m.Prices.CostUSDPerMonth; math.Abs(float64(said-sum)) > closeEnough*terms { // amounts of both signs are added
		c.differs("cost_usd_per_month", said, sum)
	}
	return nil
}

// digest compares the sums of a digest, and what its receipts say that the options in use cost.
func (b Bundle) digest(c *Comparison, m Message) error {
	if m.Costs == nil && m.Digest.Costed > 0 {
		return ErrNoInputs
	}
	var sum model.USD
	for _, one := range m.Costs {
		sum += one.USD
		if receipt, err := b.open(one.Receipt); err == nil {
			c.compare(one.Workload+" usd", float64(one.USD), generic(receipt.Workload.Spend()))
		}
	}
	if m.Rest != nil {
		sum += m.Rest.USD
	}
	c.compare("usd_per_month", float64(m.Digest.USDPerMonth), float64(sum))
	if m.Month == nil || m.Digest.Month == nil {
		return nil
	}
	g := m.Digest.Month
	c.compare("month usd", generic([]any{g.Month, g.SpentUSD, g.Projected}), generic([]any{m.Month.Month, m.Month.SpentUSD, m.Month.Projected}))
	return b.month(c, m, *m.Month)
}

// storm compares how many messages one stands for that sums them up, and what it says of those of which the receipts are there.
func (b Bundle) storm(c *Comparison, data json.RawMessage) error {
	var s struct {
		Count map[string]int `json:"count"`
		Named []struct {
			Report model.WorkloadReport `json:"report"`
		} `json:"named"`
		Rest []string `json:"rest"`
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("storm: %w", err)
	}
	for _, e := range s.Named {
		d := e.Report.Decision
		receipt, err := b.open(d.ID)
		if err != nil {
			return err
		}
		found := receipt.Workload.Decision
		c.compare(e.Report.Workload, generic([]any{d.Recommendation, d.Option, d.Reason, d.SavingUSDPerMonth}),
			generic([]any{found.Recommendation, found.Option, found.Reason, found.SavingUSDPerMonth}))
	}
	size := 0
	for _, n := range s.Count {
		size += n
	}
	if c.Numbers++; size < len(s.Named)+len(s.Rest) {
		c.differs("count", size, len(s.Named)+len(s.Rest))
	}
	return nil
}
