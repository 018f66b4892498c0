package decide

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/cost"
	"tipline/model/modeltest"
)

// aContract is three APIs under one contract, each with a tier of its own, in floating point: what a bill is worked out from without the code that
// is tested.
type aContract struct {
	price, bound, times, fixed [3]float64 // USD/Mtok of every token; tokens a month above which it costs as many times that; USD a month
	commit                     float64
	scale                      *cost.Scale // of two steps; nil for none
}

var contracted = [3]string{"large", "small", "mini"}

func randomContract(r *rand.Rand) (c aContract) {
	for i := range contracted {
		c.price[i], c.bound[i] = float64(1+r.IntN(40))/8, float64(1+r.IntN(20))*1e9
		c.times[i], c.fixed[i] = float64(r.IntN(9))/8, float64(r.IntN(2)*500)
	}
	c.commit = float64(r.IntN(3) * 40_000)
	if r.IntN(3) > 0 {
		c.scale = &cost.Scale{ByTokens: r.IntN(2) == 0, AllUnits: r.IntN(2) == 0}
		first, second := float64(1+r.IntN(60))*1000, float64(1+r.IntN(60))*1000
		if c.scale.ByTokens {
			first, second = first*1e6, second*1e6
			c.bound, c.times = [3]float64{1e15, 1e15, 1e15}, [3]float64{1, 1, 1}
		}
		c.scale.Steps = []cost.ScaleStep{
			{Above: exactly(first), Discount: exactly(float64(r.IntN(5)) / 16)}, {Above: exactly(first + second), Discount: exactly(float64(r.IntN(9)) / 16)},
		}
	}
	return c
}

// options returns the APIs and a fleet.
func (c aContract) options() []Option {
	options := four("1")[3:]
	for i, name := range contracted {
		o := Option{
			Name: name, Hosting: model.API, Account: "c/" + name, Contract: "c", API: &cost.Prices{
				Input: exactly(c.price[i]), Output: exactly(c.price[i]), FixedMonthly: exactly(c.fixed[i]), MinimumCommit: exactly(c.commit), Scale: c.scale,
				Tiers: []cost.Tier{{Above: whole(c.bound[i]), Times: exactly(c.times[i])}},
			},
		}
		if c.scale != nil && c.scale.ByTokens {
			o.API.Tiers = nil
		}
		options = append(options, o)
	}
	return options
}

// listed returns what the APIs charge for tokens of each, without what is agreed upon for all of them.
func (c aContract) listed(tokens [3]float64) (usd float64) {
	for i, n := range tokens {
		usd += c.price[i] / 1e6 * (min(n, c.bound[i]) + c.times[i]*max(0, n-c.bound[i]))
	}
	return usd
}

// listedOf returns what API i charges for tokens of its own.
func (c aContract) listedOf(i int, tokens float64) float64 {
	var all [3]float64
	all[i] = tokens
	return c.listed(all)
}

// left returns what the tiers leave of a volume that they count.
func (c aContract) left(volume float64) float64 {
	if c.scale == nil {
		return volume
	}
	first, second := c.scale.Steps[0], c.scale.Steps[1]
	a, b, off, further := float(first.Above), float(second.Above), float(first.Discount), float(second.Discount)
	switch {
	case !c.scale.AllUnits:
		return volume - off*max(0, min(volume, b)-a) - further*max(0, volume-b)
	case volume > b:
		return volume * (1 - further)
	case volume > a:
		return volume * (1 - off)
	}
	return volume
}

// bill returns what the contract is charged for tokens of each of its APIs.
func (c aContract) bill(tokens [3]float64) float64 {
	if tokens == [3]float64{} {
		return 0
	}
	usage, all, fixed := c.listed(tokens), 0.0, 0.0
	for i, n := range tokens {
		all += n
		if n > 0 {
			fixed += c.fixed[i]
		}
	}
	if c.scale != nil && c.scale.ByTokens {
		usage *= c.left(all) / all
	} else {
		usage = c.left(usage)
	}
	return max(c.commit, usage) + fixed
}

// adds returns by how much own tokens of API i make the bill of others larger. Tokens in tiers that count those of all come after those of the others.
func (c aContract) adds(others [3]float64, i int, own float64) float64 {
	with := others
	with[i] += own
	if c.scale == nil || !c.scale.ByTokens || c.scale.AllUnits {
		return c.bill(with) - c.bill(others)
	}
	fixed, before := 0.0, others[0]+others[1]+others[2]
	if others[i] == 0 {
		fixed = c.fixed[i]
	}
	usage, none := 0.0, before == 0
	if !none {
		usage = c.listed(others) * c.left(before) / before
	}
	after := usage + (c.listed(with)-c.listed(others))*(c.left(before+own)-c.left(before))/own
	if none {
		return max(c.commit, after) + fixed
	}
	return max(c.commit, after) - max(c.commit, usage) + fixed
}

func sumOf(tokens map[string][3]float64, without string) (sum [3]float64) {
	for name, all := range tokens {
		for i, n := range all {
			if name != without {
				sum[i] += n
			}
		}
	}
	return sum
}

// TestContract holds what options under one contract cost to a bill that is worked out by hand: whatever a workload runs on now, each API costs it
// the bill of all with it less the bill of the others; the shares of all are the bill, in a month of 730 hours and in a calendar month of 28 to 31
// days in which some of them moved; a price that changes on another API of the contract is known ahead; a receipt computes the same; and the order
// of the workloads does not matter.
func TestContract(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(51, 7))
	within, beyond, moved, ahead := 0, 0, 0, 0
	for range max(20, modeltest.Draws/40) { // fewer have not enough of each kind
		c := randomContract(r)
		options := c.options()
		change := day("2026-12-15")
		if r.IntN(3) == 0 {
			options[2].Announced = []PriceChange{{From: change, Times: rat("2")}}
		}
		now, inMonth := map[string][3]float64{}, map[string][3]float64{}
		var inputs []Input
		stays := map[string][]Stay{}
		days := 28 + r.IntN(4)
		for _, name := range []string{"a", "b", "c", "d", "e"}[:2+r.IntN(4)] {
			i, tokens := r.IntN(4), float64(1e8+r.Int64N(2e10))
			in := onAccount(name, append(contracted[:], "self")[i], tokens, options)
			month := &in.Forecast.Months[0]
			month.To = month.From.AddDate(0, 0, days)
			total := float64(1e8 + r.Int64N(2e10))
			for level := range month.Total {
				month.Total[level] = model.Tokens(total)
			}
			var used, usedInMonth [3]float64
			if i < 3 {
				used[i] = float(whole(tokens))
				usedInMonth[i] = total
			}
			if r.IntN(3) == 0 { // it was on another in the month
				before := math.Floor(total / 3)
				j := (i + 1) % 3
				if stays[name] = []Stay{{Option: contracted[j], Until: month.From.AddDate(0, 0, 9), Tokens: model.Tokens(before)}}; i < 3 {
					usedInMonth[i] -= before
				}
				usedInMonth[j] += before
				moved++
			}
			now[name], inMonth[name] = used, usedInMonth
			inputs = append(inputs, in)
		}
		all := func(inputs []Input, use func(in Input) Used) *Accounts {
			var used []Used
			for _, in := range inputs {
				used = append(used, use(in))
			}
			return AccountsOf(used)
		}
		accounts := all(inputs, Input.Used)
		months := all(inputs, func(in Input) Used { return in.UsedInMonth(stays[in.Workload]) })
		shuffled := slices.Clone(inputs)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		again := all(shuffled, Input.Used)
		shares, monthShares := 0.0, 0.0
		for _, in := range inputs {
			in.Others = accounts.Beside(in)
			a, _ := json.Marshal(in.Others)
			b, _ := json.Marshal(again.Beside(in))
			if string(a) != string(b) {
				t.Fatalf("%s: got %s in another order, want %s", in.Workload, b, a)
			}
			v := Decide(in)
			others, own := sumOf(now, in.Workload), float(whole(float64(in.Forecast.Next[model.Next30d].Total.At(0.5))*730/720))
			for i, name := range contracted {
				o := v.Options[slices.IndexFunc(v.Options, func(o model.OptionCost) bool { return o.Option == name })]
				if want := c.adds(others, i, own); math.Abs(float64(o.USDPerMonth.P50)-want) > 1e-6*(want+c.bill(others)) {
					t.Fatalf("%+v: %s beside %v adds %v to %s, want %v", c, in.Workload, others, o.USDPerMonth.P50, name, want)
				}
				if c.bill(others) <= c.commit {
					within++
				} else {
					beyond++
				}
				if o.Option == in.Current {
					share := o.USDPerMonth.P50
					if o.Account != nil {
						share = *o.Account.ShareUSDPerMonth
					}
					shares += float64(share)
				}
				for _, later := range o.PriceChanges {
					dearer := c
					dearer.price[1] *= 2
					if want := dearer.adds(others, i, own); later.From != change.Format(time.DateOnly) || math.Abs(float64(later.USDPerMonth)-want) > 1e-6*(want+dearer.bill(others)) {
						t.Fatalf("%+v: on %s %s costs %v, want %v", c, later.From, name, later.USDPerMonth, want)
					}
					if i != 1 {
						ahead++
					}
				}
			}
			q, _, known := v.Month(stays[in.Workload], months.Beside(in))
			fleet := 0.0
			if in.Current == "self" { // alone, without what it was on before
				rest := in
				part := model.Tokens(0)
				from := in.Forecast.Months[0].From
				for _, s := range stays[in.Workload] {
					part, from = s.Tokens, s.Until
				}
				rest.Forecast.Months = slices.Clone(in.Forecast.Months)
				for level := range rest.Forecast.Months[0].Total {
					rest.Forecast.Months[0].Total[level] -= part
				}
				rest.Forecast.Months[0].From = from
				alone, _, _ := Decide(rest).Month(nil, nil)
				fleet = float64(alone.P50)
			}
			if !known {
				t.Fatalf("%s: the month is not known", in.Workload)
			}
			monthShares += float64(q.P50) - fleet
			data, _ := json.Marshal(in)
			var replayed Input
			if err := json.Unmarshal(data, &replayed); err != nil {
				t.Fatal(err)
			}
			found, _ := json.Marshal(v.Options)
			if data, _ := json.Marshal(Decide(replayed).Options); string(data) != string(found) {
				t.Fatalf("%s: the replay differs", in.Workload)
			}
		}
		if bill := c.bill(sumOf(now, "")); math.Abs(shares-bill) > 1e-9*(1+bill) || math.Abs(float(accounts.due())-bill) > 1e-9*(1+bill) {
			t.Fatalf("%+v: the shares are %v together, want the bill of %v", c, shares, bill)
		}
		if bill := c.bill(sumOf(inMonth, "")); math.Abs(monthShares-bill) > 1e-9*(1+bill)+1e-6 {
			t.Fatalf("%+v: the shares of a month of %d days are %v together, want the bill of %v", c, days, monthShares, bill)
		}
	}
	if least := modeltest.Draws / 200; within < least || beyond < least || moved < least || ahead < least {
		t.Errorf("got %d bills within a commitment and %d beyond, %d moves and %d changes ahead, want more of each", within, beyond, moved, ahead)
	}
}

// TestContractThatIsCommitted holds that what stays due of a contract is due whichever of its APIs serves: 4B tokens at 1 USD/Mtok and at half of it
// are both within the 10,000 USD that are committed, so that neither saves anything against the other. A fleet is not in it.
func TestContractThatIsCommitted(t *testing.T) {
	t.Parallel()
	c := aContract{price: [3]float64{1, 0.5, 4}, bound: [3]float64{1e12, 1e12, 1e12}, times: [3]float64{1, 1, 1}, commit: 10_000}
	options := c.options()
	for i := range options[1:] {
		options[1+i].Committed = &Commitment{Until: day("2027-06-01")}
	}
	for _, o := range Decide(onAccount("a", "large", 4e9, options)).Options {
		if s := o.SavingUSDPerMonth; s == nil && o.Option != "large" || o.Option == "small" && s.P50 != 0 || o.Option == "self" && s.P50 >= 0 {
			t.Errorf("%s saves %+v", o.Option, s)
		}
	}
}

// TestContractCreditsAreSplit has two workloads of 4B tokens at 1 USD/Mtok and at half of it: of 600 USD of free credits two thirds and one third are
// theirs.
func TestContractCreditsAreSplit(t *testing.T) {
	t.Parallel()
	c := aContract{price: [3]float64{1, 0.5, 4}, bound: [3]float64{1e12, 1e12, 1e12}, times: [3]float64{1, 1, 1}}
	options := c.options()
	for i := range options[1:] {
		options[1+i].Credits = &Credits{Until: day("2027-06-01"), USDPerMonth: rat("600")}
	}
	inputs := []Input{onAccount("a", "large", 4e9, options), onAccount("b", "small", 4e9, options)}
	accounts := AccountsOf([]Used{inputs[0].Used(), inputs[1].Used()})
	for i, want := range []float64{400, 200} {
		in := inputs[i]
		in.Others = accounts.Beside(in)
		o := Decide(in).Options[1+i]
		if got := o.CreditsUSDPerMonth; got == nil || math.Abs(float64(*got)-want) > 1e-3 {
			t.Errorf("%s: got credits of %v, want %v USD", in.Workload, got, want)
		}
	}
}

// TestContractOfBothParts holds a hybrid that serves what can wait on another API of the same contract, or on another option of the same account, to
// one bill: what both parts together add to that of the others, now and in the months ahead. Its share is theirs, what is committed is due once, and
// a receipt computes the same.
func TestContractOfBothParts(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(52, 7))
	differs := 0 // from what each part would cost without the other
	for range max(12, modeltest.Draws/200) {
		c := randomContract(r)
		options := append(c.options(), Option{Name: "both", Hosting: model.Hybrid, Base: "large", Overflow: "small", Apart: true})
		second := 1 // the API of what can wait, by its place in contracted
		if r.IntN(4) == 0 {
			prices := *options[1].API
			second, options[2].Account, options[2].API = 0, options[1].Account, &prices
		}
		in := onAccount("a", "both", float64(1e8+r.Int64N(2e10)), options)
		in.Candidates = append(in.Candidates, "both")
		in.Constraints.BatchShare = rat("0.4")
		other := onAccount("b", contracted[r.IntN(3)], float64(1e8+r.Int64N(2e10)), options)
		var beside [3]float64
		if r.IntN(2) == 0 {
			in.Others = AccountsOf([]Used{in.Used(), other.Used()}).Beside(in)
			i := slices.Index(contracted[:], other.Current)
			if i == 1 {
				i = second
			}
			beside[i] = float(whole(float64(other.Forecast.Next[model.Next30d].Total.At(0.5)) * 730 / 720))
		}
		adds := func(volume float64) float64 {
			with := beside
			with[0] += 0.6 * volume
			return c.adds(beside, 0, 0.6*volume) + c.adds(with, second, 0.4*volume)
		}
		own := float(whole(float64(in.Forecast.Next[model.Next30d].Total.At(0.5)) * 730 / 720))
		want := adds(own)
		v := Decide(in)
		o := optionOf(t, v, "both")
		if got := float64(o.USDPerMonth.P50); math.Abs(got-want) > 1e-6*(want+c.bill(beside)) {
			t.Fatalf("%+v beside %v: got %v USD for %v tokens, want %v", c, beside, got, own, want)
		}
		if math.Abs(want-c.adds(beside, 0, 0.6*own)-c.adds(beside, second, 0.4*own)) > 1 {
			differs++
		}
		parts := 0.0
		for _, p := range o.Parts {
			parts += float64(p.USDPerMonth)
		}
		if math.Abs(parts-want) > 1e-6*(want+c.bill(beside)) {
			t.Errorf("%+v: the parts are %v USD together, want %v", c, parts, want)
		}
		for i, m := range v.Ahead("both")[0].Months {
			month := in.Forecast.Months[i]
			volume := float64(month.Total.At(0.5)) * 730 / month.To.Sub(month.From).Hours()
			if want := adds(volume); math.Abs(float64(m.P50)-want) > 1e-6*(want+c.bill(beside)) {
				t.Fatalf("%+v beside %v: got %v USD in %s, want %v", c, beside, m.P50, m.Month, want)
			}
		}
		if in.Others != nil {
			all := beside
			all[0] += 0.6 * own
			all[second] += 0.4 * own
			if o.Account == nil || o.Account.ShareUSDPerMonth == nil {
				t.Fatalf("%+v: got %+v, want its share of the bill", c, o.Account)
			}
			listed, fixed := 0.0, 0.0
			for i := range 1 + second { // a token costs what one of its API does on average
				part := (all[i] - beside[i]) / all[i]
				listed += part * c.listedOf(i, all[i])
				fixed += part * c.fixed[i]
			}
			none := c
			none.fixed = [3]float64{}
			share := none.bill(all)*listed/c.listed(all) + fixed
			if got := float64(*o.Account.ShareUSDPerMonth); math.Abs(got-share) > 1e-6*(share+1) {
				t.Fatalf("%+v beside %v: its share is %v USD, want %v", c, beside, got, share)
			}
		}
		data, _ := json.Marshal(in)
		var replayed Input
		if err := json.Unmarshal(data, &replayed); err != nil {
			t.Fatal(err)
		}
		found, _ := json.Marshal(v.Options)
		if data, _ := json.Marshal(Decide(replayed).Options); string(data) != string(found) {
			t.Fatal("the replay differs")
		}
		if c.commit == 0 || in.Others != nil {
			continue
		}
		for i := range 3 {
			in.Options[1+i].Committed = &Commitment{Until: in.Forecast.Origin.AddDate(0, 3, 0)}
		}
		d := Decide(in).Decision
		if d.Commitment == nil || math.Abs(float64(d.Commitment.USDPerMonth)-c.commit) > 1e-6 {
			t.Errorf("%+v: got %+v, want %v USD to stay due", c, d.Commitment, c.commit)
		}
		in.Current = "mini" // that is paid for by the same commitment
		now := Decide(in)
		saved := optionOf(t, now, "both").SavingUSDPerMonth
		if only := c.adds([3]float64{}, 2, own); saved == nil || math.Abs(float64(saved.P50)-(only-want)) > 1e-6*(only+want) || math.Abs(float64(saved.P90)-(only-want)) > 1e-6*(only+want) {
			t.Errorf("%+v: got %+v saved, want %v", c, saved, only-want)
		}
	}
	if differs < 3 {
		t.Errorf("only %d bills are not those of the parts alone", differs)
	}
}
