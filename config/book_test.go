package config

import (
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/model"
	"tipline/model/decide"
)

func TestBuiltinBook(t *testing.T) {
	t.Parallel()
	b := Builtin()
	models, gpus := 0, 0
	for _, item := range b.Items() {
		rows, err := b.Lookup(item)
		if err != nil {
			t.Fatal(err)
		}
		fields := map[string]string{}
		for _, row := range rows {
			fields[row.Field] = row.Unit
			if row.Source == "" || row.Unit == "" || row.Rat().Sign() <= 0 {
				t.Errorf("%+v: want a source, a unit and a value above 0", row)
			}
			if _, err := time.Parse(time.DateOnly, row.Date); err != nil {
				t.Errorf("%+v: want a date", row)
			}
			if name, _, long := strings.Cut(row.Field, "_over_"); row.Unit == "USD/Mtok" {
				if name != "input" && name != "output" && (long || !strings.HasPrefix(name, "cache_") && !strings.HasPrefix(name, "batch_")) {
					t.Errorf("%+v: no price has that name", row)
				}
			}
		}
		switch {
		case fields["input"] == "USD/Mtok" && fields["output"] == "USD/Mtok":
			models++
		case fields["usd_per_hour"] == "USD/GPU-hour":
			gpus++
		case fields["usd_per_hour"] == "USD/instance-hour" && fields["managed_overhead"] != "":
		case fields["1000/1000"] == outputRate:
		case fields["request_duration"] == "s" && fields["request_payload"] == "bytes":
		default:
			t.Errorf("%s: got fields %v, want those of a model, a GPU, a managed instance, an endpoint or a replica", item, fields)
		}
	}
	if models < 40 || gpus < 20 {
		t.Errorf("got %d models and %d GPUs, want at least 40 and 20", models, gpus)
	}
}

func TestLookupNamesTheNearest(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ item, want string }{
		{"gpt-5-mini", `the price book has no "gpt-5-mini", did you mean "openai/gpt-5-mini"?`},
		{"anthropic/claude-sonet-5", `the price book has no "anthropic/claude-sonet-5", did you mean "anthropic/claude-sonnet-5"?`},
		{"in-house", `the price book has no "in-house"`},
		{"", `the price book has no ""`},
	} {
		if _, err := Builtin().Lookup(tc.item); err == nil || err.Error() != tc.want {
			t.Errorf("Lookup(%q): got %v, want %s", tc.item, err, tc.want)
		}
	}
}

func TestBadBooks(t *testing.T) {
	t.Parallel()
	const head = "item,field,value,unit,valid_from,valid_to,source,checked_at,note\n"
	for _, tc := range []struct{ name, rows, want string }{
		{"no date", "a,input,1,USD/Mtok,,,s,,\n", `row 1: a input: got checked_at "", want a day such as 2026-08-01`},
		{"no day", "a,input,1,USD/Mtok,soon,,s,2026-08-01,\n", `row 1: a input: got valid_from "soon", want a day such as 2026-08-01`},
		{"no source", "a,input,1,USD/Mtok,,,,2026-08-01,\n", "row 1: a input: want item, field, unit and source"},
		{"zero", "a,input,0,USD/Mtok,,,s,2026-08-01,\n", `row 1: a input: got "0", want a decimal above 0`},
		{"negative", "a,input,-1,USD/Mtok,,,s,2026-08-01,\n", `row 1: a input: got "-1", want a decimal above 0`},
		{"twice", "a,input,1,USD/Mtok,,,s,2026-08-01,\na,input,2,USD/Mtok,,,s,2026-08-01,\n", "row 2: a input is there twice for the same time"},
		{
			"two at a time", "a,input,1,USD/Mtok,,2026-12-31,s,2026-08-01,\na,input,2,USD/Mtok,2026-12-31,,s,2026-08-01,\n",
			"row 2: a input is there twice for 2026-12-31",
		},
		{"ends before it begins", "a,input,1,USD/Mtok,2027-01-01,2026-12-31,s,2026-08-01,\n", "row 1: a input: got valid_to 2026-12-31, want a day from 2027-01-01 on, on which it begins"},
		{"a rate that ends", "a,1/1,1,output tokens/s per replica,,2026-12-31,s,2026-08-01,\n", "row 1: a 1/1: got a time for which it is valid, want none: only a price begins and ends"},
		{"columns", "a,input\n", "record on line 2: wrong number of fields"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if _, err := parseBook(head + tc.rows); err == nil || err.Error() != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// TestDatedPrices holds that an option's price is that of the day, whatever day the configuration is read on, and unknown outside of
// all of them.
func TestDatedPrices(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	book := `item,field,value,unit,valid_from,valid_to,source,checked_at,note
a/m,input,1,USD/Mtok,,2026-12-31,list,2026-11-01,
a/m,output,4,USD/Mtok,,,list,2026-11-01,
a/m,input,1.5,USD/Mtok,2027-01-01,2027-06-30,list,2026-11-01,introductory price
own/h100,usd_per_hour,2,USD/GPU-hour,2026-12-01,2027-02-28,list,2026-11-01,
own/h100,usd_per_hour,3,USD/GPU-hour,2027-03-01,,list,2026-11-01,
`
	if err := os.WriteFile(filepath.Join(folder, "own.csv"), []byte(book), 0o600); err != nil {
		t.Fatal(err)
	}
	const text = `sources: [{name: gateway, prometheus: {url: "http://p:9090"}, pack: litellm, hosting: api}]
options:
  - {name: api, kind: api, model: a/m, discount: 0.1}
  - {name: own, kind: self-hosted, gpu: {price: own/h100, per_replica: 2}, throughput: {tokens_per_hour: 1e6}}
  - name: spot
    kind: self-hosted
    gpu: {price: own/h100, per_replica: 2, spot: {usd_per_hour: 1, fallback: 0.5}}
    throughput: {tokens_per_hour: 1e6}
prices: {files: [own.csv]}
`
	c, err := Parse(filepath.Join(folder, "tipline.yml"), []byte(text), packs...)
	if err != nil {
		t.Fatal(err)
	}
	show := func(r *big.Rat) string {
		if r == nil {
			return "unknown"
		}
		return r.RatString()
	}
	for _, tc := range []struct{ day, input, own, spot string }{
		{"2026-11-27", "1", "unknown", "unknown"},
		{"2026-12-31", "1", "4", "3"},
		{"2027-01-01", "3/2", "4", "3"},
		{"2027-03-01", "3/2", "6", "4"},
		{"2027-06-30", "3/2", "6", "4"},
		{"2027-07-01", "unknown", "6", "4"},
	} {
		at := startOf(tc.day)
		api, own, spot := c.Options[0].Settled(at), c.Options[1].Settled(at), c.Options[2].Settled(at)
		for _, settled := range []struct {
			name      string
			got, want string
		}{
			{"api", show(api.API.Input), tc.input},
			{"own", show(own.Capacity.BlockCostPerHour), tc.own},
			{"spot", show(spot.Capacity.BlockCostPerHour), tc.spot},
		} {
			if settled.got != settled.want && settled.want != "unknown" {
				t.Errorf("%s on %s: got %s, want %s", settled.name, tc.day, settled.got, settled.want)
			}
		}
		next := model.Projection{From: at, To: at.AddDate(0, 0, 30), Mix: [model.NumClasses]model.Fraction{model.Input: 0.8, model.Output: 0.2}}
		for i := range next.Total {
			next.Total[i] = 1e9
		}
		in := decide.Input{
			Workload: "w", Current: "api", Candidates: []string{"own", "spot"}, Options: c.Options, Policy: c.Policy,
			Constraints: decide.Constraints{Sensitivity: decide.Public, OpsCapacity: decide.OpsDedicated},
			Forecast:    model.Forecast{Origin: at, Next: []model.Projection{{}, next, {}}, Load: model.LoadCurve{{Hours: 720, TokensPerHour: 1e9 / 720}}},
		}
		for i, o := range decide.Decide(in).Options { // own, spot, api
			want := []string{tc.own, tc.spot, tc.input}[i]
			if unknown := o.USDPerMonth == nil; unknown != (want == "unknown") {
				t.Errorf("%s on %s: cost %v, %q, want a cost unless the price is %s", o.Option, tc.day, o.USDPerMonth, o.Infeasible, want)
			}
			var codes strings.Builder
			for _, w := range o.Warnings {
				if strings.HasPrefix(w.Code, "PRICE_END") || w.Code == "PRICE_NOT_YET" {
					codes.WriteString(w.Code)
				}
			}
			ends := ""
			switch {
			case want == "unknown" && tc.day < "2026-12-01":
				ends = "PRICE_NOT_YET"
			case want == "unknown":
				ends = "PRICE_ENDED"
			case o.Option == "api":
				ends = "PRICE_ENDS"
			}
			if codes.String() != ends {
				t.Errorf("%s on %s: got %q, want %q", o.Option, tc.day, codes.String(), ends)
			}
		}
	}
}

// TestCurrencies holds that a price in another currency is used at the rate that is given, and not at all without one.
func TestCurrencies(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	const book = "item,field,value,unit,valid_from,valid_to,source,checked_at,note\n" +
		"a/m,input,2,EUR/Mtok,,,list,2026-11-01,\na/m,output,4,EUR/Mtok,,,list,2026-11-01,\na/m,retires,2027-06-30,day,,,list,2026-11-01,\n"
	if err := os.WriteFile(filepath.Join(folder, "own.csv"), []byte(book), 0o600); err != nil {
		t.Fatal(err)
	}
	const text = `sources: [{name: gateway, prometheus: {url: "http://p:9090"}, pack: litellm, hosting: api}]
options: [{name: api, kind: api, model: a/m}]
`
	c, err := Parse(filepath.Join(folder, "tipline.yml"), []byte(text+"prices: {files: [own.csv], rates: {EUR: {usd: 1.08, origin: {source: central bank, date: 2026-11-20}}}}\n"), packs...)
	if err != nil {
		t.Fatal(err)
	}
	o := c.Options[0]
	if o.API.Input.Cmp(rat("2.16")) != 0 || !o.Retires.Equal(startOf("2027-07-01")) {
		t.Errorf("got input %v and retirement %v, want 2.16 USD and the day after the last", o.API.Input, o.Retires)
	}
	want := "list: 2 EUR at 1.08 USD, central bank 2026-11-20"
	if i := slices.IndexFunc(o.Prices, func(p model.PriceSource) bool { return p.Field == "input" }); i < 0 || o.Prices[i].Unit != "USD/Mtok" || o.Prices[i].Source != want {
		t.Errorf("got rows %+v, want the source %q", o.Prices, want)
	}
	if len(c.Books) != 2 || c.Books[0].Book != "built-in" || c.Books[1] != (model.PriceBook{Book: "own.csv", Checked: "2026-11-01"}) {
		t.Errorf("got books %+v", c.Books)
	}
	for prices, want := range map[string]string{
		"{files: [own.csv]}":                          `prices.files[0]: "own.csv": a/m input: got a price in EUR, want USD, or the rate of EUR in prices.rates`,
		"{files: [own.csv], rates: {EUR: {usd: 0}}}":  `prices.rates.EUR.usd: got "0", want dollars for one EUR, more than 0`,
		"{files: [own.csv], rates: {EUR: {}}}":        "prices.rates.EUR",
		"{files: [own.csv], rates: {euro: {usd: 1}}}": "want the three capital letters of a currency",
		"{files: [own.csv], rates: {EUR: 1.08}}":      "prices.rates.EUR",
	} {
		if _, err := Parse(filepath.Join(folder, "tipline.yml"), []byte(text+"prices: "+prices+"\n"), packs...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", prices, err, want)
		}
	}
}

// TestTwoSourcesAreBothShown holds that a price that is more than a twentieth off that of another source is shown with it, and no other.
func TestTwoSourcesAreBothShown(t *testing.T) {
	t.Parallel()
	row := func(source, value, from, to string) Row {
		return Row{PriceSource: model.PriceSource{Item: "a/m", Field: "input", Value: value, Unit: "USD/Mtok", Source: source, Date: "2026-11-01", ValidFrom: from, ValidTo: to}}
	}
	for _, tc := range []struct {
		name       string
		before, is Row
		want       string
	}{
		{"a tenth off", row("list A", "1.10", "", ""), row("list B", "1", "", ""), "list B; 1.10 by list A, 2026-11-01"},
		{"a tenth off, below", row("list A", "0.90", "", ""), row("list B", "1", "", ""), "list B; 0.90 by list A, 2026-11-01"},
		{"a twentieth off", row("list A", "1.05", "", ""), row("list B", "1", "", ""), "list B"},
		{"the same list, later", row("list A", "1.10", "", ""), row("list A", "1", "", ""), "list A"},
		{"not at the same time", row("list A", "1.10", "", "2026-12-31"), row("list B", "1", "2027-01-01", ""), "list B"},
	} {
		book := func(r Row) Book { return Book{rows: map[string][]Row{"a/m": {r}}} }
		got, bad := book(tc.before).Update(book(tc.is), nil)
		got = got.beside([]Book{book(tc.before)})
		if row, _ := got.Value("a/m", "input"); len(bad) > 0 || row.Value != "1" || row.Source != tc.want {
			t.Errorf("%s: got %+v, %v, want the source %q", tc.name, row, bad, tc.want)
		}
	}
	// A list that is read again and again, each time with another source, is not beside itself, and of three books one other is shown.
	b, before := Book{rows: map[string][]Row{"a/m": {row("list A", "1.50", "", "")}}}, []Book(nil)
	for i, value := range []string{"1.2", "1", "1.2", "1"} {
		before = append(before, b)
		b, _ = b.Update(Book{rows: map[string][]Row{"a/m": {row(fmt.Sprintf("read %d", i), value, "", "")}}}, nil)
		if got := b.rows["a/m"][0].Source; got != fmt.Sprintf("read %d", i) {
			t.Errorf("got the source %q, want it as it was read", got)
		}
	}
	if got, want := b.beside(before).rows["a/m"][0].Source, "read 3; 1.2 by read 2, 2026-11-01"; got != want {
		t.Errorf("got the source %q, want %q", got, want)
	}
}

// TestDiscountEnds holds that a discount is given until its last day, whatever the prices are then.
func TestDiscountEnds(t *testing.T) {
	t.Parallel()
	const text = `sources: [{name: gateway, prometheus: {url: "http://p:9090"}, pack: litellm, hosting: api}]
options:
  - name: api
    kind: api
    prices: {input: 10, output: 10}
    discount: 0.2
    discount_until: 2027-01-31
    announced_prices: [{from: 2027-01-01, times: 2}, {from: 2027-03-01, prices: {input: 5, output: 5}}]
`
	c, err := Parse("tipline.yml", []byte(text), packs...)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ day, input, discount string }{
		{"2026-12-31", "10", "1/5"},
		{"2027-01-01", "20", "1/5"},
		{"2027-01-31", "20", "1/5"},
		{"2027-02-01", "20", "none"},
		{"2027-03-01", "5", "none"},
	} {
		p := c.Options[0].Settled(startOf(tc.day)).API
		discount := "none"
		if p.Discount != nil {
			discount = p.Discount.RatString()
		}
		if p.Input.RatString() != tc.input || discount != tc.discount {
			t.Errorf("%s: got %s less %s, want %s less %s", tc.day, p.Input.RatString(), discount, tc.input, tc.discount)
		}
	}
	if _, err := Parse("tipline.yml", []byte(strings.Replace(text, "    discount: 0.2\n", "", 1)), packs...); err == nil || !strings.Contains(err.Error(), "there is no discount") {
		t.Errorf("got %v, want to be told that there is no discount to end", err)
	}
}

// FuzzBook reads whatever book there is: it is refused, or written and read again as it was.
func FuzzBook(f *testing.F) {
	f.Add("item,field,value,unit,valid_from,valid_to,source,checked_at,note\na/m,input,1,EUR/Mtok,2026-01-01,2026-12-31,s,2026-08-01,n\na/m,retires,2027-01-01,day,,,s,2026-08-01,\n")
	f.Fuzz(func(t *testing.T, text string) {
		b, err := ReadBook(strings.NewReader(text))
		if err != nil {
			return
		}
		b.Implausible()
		if _, err := b.InUSD(map[string]Rate{"EUR": {USD: rat("1.1")}}); err != nil && !strings.Contains(err.Error(), "prices.rates") {
			t.Error(err)
		}
		var out strings.Builder
		if _, err := b.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		again, err := ReadBook(strings.NewReader(out.String()))
		if err != nil || len(b.Diff(again)) > 0 {
			t.Errorf("written and read again: %v, %+v", err, b.Diff(again))
		}
		Builtin().Update(b, nil)
	})
}
