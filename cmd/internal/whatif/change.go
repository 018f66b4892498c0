// Package whatif changes what a decision rests on, one named input at a time, and draws where options cross.
package whatif

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"tipline/model"
	"tipline/model/decide"
)

// Changed says what one change did, in words.
type Changed struct {
	Path string `json:"path"`
	From string `json:"from"` // "not set" where there was nothing
	To   string `json:"to"`
}

// Clone returns a copy of in that shares nothing with it.
func Clone(in decide.Input) (decide.Input, error) {
	var out decide.Input
	data, err := json.Marshal(in)
	if err != nil {
		return out, fmt.Errorf("inputs: %w", err)
	}
	err = json.Unmarshal(data, &out)
	return out, err
}

// Book returns the rows that a price book has of an item, none when it does not have it.
type Book func(item string) []model.PriceSource

// Apply sets path to value in in; book is where items are looked up. Errors name the path, the value and what was wanted.
//
//   - options.NAME.KEY: a price, a rate or a property of an option; options.NAME.prices stands for all its token prices, and
//     options.NAME.other_tokens_per_month for what other workloads use of the account of an API, and
//     options.NAME.other_usd_per_month for what they spend on other APIs of its contract, whose tiers are options.NAME.contract_tiers
//   - volume.KEY: the projection; constraints.KEY; policy.KEY; current; candidates
//
// A number may be relative: -30% and +10% change what is there; 8% without a sign is the share 0.08. For usd_per_hour and
// throughput it may be an item of the price book.
func Apply(in *decide.Input, book Book, path, value string) (Changed, error) {
	c := Changed{Path: path}
	k, err := find(in, book, path)
	if err != nil {
		return c, err
	}
	c.From = k.get()
	if err := k.set(strings.TrimSpace(value)); err != nil {
		return c, fmt.Errorf("%s: got %q, want %w", path, short(value), err)
	}
	c.To = k.get()
	return c, nil
}

// short keeps a value from filling a screen.
func short(value string) string {
	if len(value) > 60 {
		return strings.ToValidUTF8(value[:60], "") + "…"
	}
	return value
}

// A knob is one input that can be changed.
type knob struct {
	get func() string
	set func(value string) error // the error says what was wanted
}

// find returns the knob at path.
func find(in *decide.Input, book Book, path string) (knob, error) {
	all := knobs(in, book)
	if k, known := all[path]; known {
		return k, nil
	}
	if fleet, found := strings.CutSuffix(path, ".gpu"); found && all[fleet+".usd_per_hour"].set != nil {
		return knob{}, fmt.Errorf("%s: unknown path: another GPU is another price and another rate, want %s.usd_per_hour and %s.throughput, each a number or an item that \"tipline prices list\" shows", path, fleet, fleet)
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	if near := nearest(path, names); near != "" {
		return knob{}, fmt.Errorf("%s: unknown path, did you mean %q?", path, near)
	}
	return knob{}, fmt.Errorf("%s: unknown path, want one such as options.%s.prices, volume.tokens_per_month, constraints.ttft_limit or policy.enter", path, in.Current)
}

// nearest returns the name with the fewest edits from path, empty when none is near.
func nearest(path string, names []string) string {
	if len(path) > 200 {
		return ""
	}
	best, least := "", max(2, len(path)/4)+1
	for _, name := range names {
		if d := edits(path, name); d < least {
			best, least = name, d
		}
	}
	return best
}

// edits returns how many bytes must be added, removed or changed to turn a into b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// knobs returns everything in in that can be changed, by its path.
func knobs(in *decide.Input, book Book) map[string]knob {
	all := map[string]knob{
		"current":                       optionName(in, &in.Current),
		"candidates":                    optionNames(in, &in.Candidates),
		"constraints.data_sensitivity":  choice(&in.Constraints.Sensitivity, decide.Public, decide.Internal, decide.Regulated),
		"constraints.ops_capacity":      choice(&in.Constraints.OpsCapacity, decide.OpsNone, decide.OpsLimited, decide.OpsDedicated),
		"constraints.residency":         words(&in.Constraints.Residency),
		"constraints.ttft_limit":        duration(&in.Constraints.TTFTLimit),
		"constraints.model":             text(&in.Constraints.Model),
		"constraints.fine_tuned":        boolean(&in.Constraints.FineTuned),
		"constraints.batch":             boolean(&in.Constraints.Batch),
		"constraints.batch_share":       number(&in.Constraints.BatchShare, share),
		"constraints.long_prompt_share": number(&in.Constraints.LongShare, share),
		"policy.enter":                  number(&in.Policy.Enter, belowOne),
		"policy.leave":                  number(&in.Policy.Leave, belowOne),
		"policy.min_saving_usd":         number(&in.Policy.MinSavingUSD, notNegative),
		"policy.min_probability":        number(&in.Policy.MinProbability, share),
		"policy.max_payback_months":     number(&in.Policy.MaxPaybackMonths, positive),
		"policy.lead_time":              duration(&in.Policy.LeadTime),
		"policy.discount_rate":          number(&in.Policy.DiscountRate, belowOne),
		"policy.wait_months":            months(&in.Policy.WaitMonths),
	}
	volumeKnobs(in, all)
	for i := range in.Options {
		o := &in.Options[i]
		prefix := "options." + o.Name + "."
		all[prefix+"migration_usd"] = number(&o.MigrationCost, notNegative)
		all[prefix+"regions"] = words(&o.Regions)
		all[prefix+"models"] = words(&o.Models)
		all[prefix+"ttft_p95"] = duration(&o.TTFTP95)
		all[prefix+"token_ratio.input"] = number(&o.TokenRatioIn, positive)
		all[prefix+"token_ratio.output"] = number(&o.TokenRatioOut, positive)
		termKnobs(o, prefix, all)
		if o.API != nil {
			apiKnobs(o, prefix, all)
			if o.Account != "" {
				all[prefix+"other_tokens_per_month"] = others(in, o.Account)
			}
			if o.Contract != "" {
				all[prefix+"other_usd_per_month"] = elsewhere(in, o.Account)
				commit := prefix + "minimum_commit_usd_per_month"
				all[commit] = ofContract(in, o, all[commit])
				scaleKnobs(in, o, prefix, all)
			}
		}
		if o.Capacity != nil {
			fleetKnobs(o, book, prefix, all)
		}
	}
	return all
}
