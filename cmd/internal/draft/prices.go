package draft

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tipline/config"
)

// A book finds items of the price book for what exporters call models and GPUs.
type book struct{ config.Book }

// api returns the item whose prices model pays at provider, and whether its name is just that; empty when there is none.
func (b book) api(provider, model string) (item string, exact bool) {
	for _, name := range []string{provider + "/" + model, model} {
		if b.priced(name) && (provider == "" || strings.HasPrefix(name, provider+"/")) {
			return name, true
		}
	}
	for _, name := range b.Items() {
		if provider != "" && strings.HasPrefix(name, provider+"/") && modelKey(name) == modelKey(model) && b.priced(name) {
			return name, false
		}
	}
	return "", false
}

// priced tells whether item is a model with prices per token.
func (b book) priced(item string) bool {
	in, hasInput := b.Value(item, "input")
	_, hasOutput := b.Value(item, "output")
	return hasInput && hasOutput && in.Unit == "USD/Mtok"
}

// serving returns the items that serve the model, the cheapest for the given share of output first.
func (b book) serving(key string, outputShare float64) []string {
	var items []string
	for _, item := range b.Items() {
		if key != "" && b.priced(item) && modelKey(item) == key {
			items = append(items, item)
		}
	}
	slices.SortStableFunc(items, func(x, y string) int { return cmp.Compare(b.perMTok(x, outputShare), b.perMTok(y, outputShare)) })
	return items
}

// perMTok returns what a million tokens with the given share of output cost at item.
func (b book) perMTok(item string, outputShare float64) float64 {
	return (1-outputShare)*b.number(item, "input") + outputShare*b.number(item, "output")
}

func (b book) number(item, field string) float64 {
	row, known := b.Value(item, field)
	if !known {
		return 0
	}
	v, _ := row.Rat().Float64()
	return v
}

// said returns the prices of item in words.
func (b book) said(item string) string {
	in, _ := b.Value(item, "input")
	out, _ := b.Value(item, "output")
	return fmt.Sprintf("$%s in and $%s out per million tokens, checked %s", in.Value, out.Value, in.Date)
}

// A card is a type of GPU as the price book names it.
type card struct{ name, memory string } // h100 and 80gb; memory is empty where it is not said

var notWord = regexp.MustCompile(`[^a-z0-9]+`)

// card returns what the price book calls a type of GPU, such as NVIDIA H100 80GB HBM3; false when it has no such type.
func (b book) card(exported string) (found card, known bool) {
	words := notWord.Split(strings.ToLower(exported), -1)
	for _, item := range b.Items() {
		if row, isGPU := b.Value(item, "usd_per_hour"); isGPU && row.Unit == "USD/GPU-hour" {
			if name := cardOf(item); slices.Contains(words, name) {
				found.name = name
			}
		}
	}
	for _, word := range words {
		if size, isMemory := strings.CutSuffix(word, "gb"); isMemory && size != "" {
			found.memory = word
		}
	}
	return found, found.name != ""
}

// cardOf returns the type of GPU of an item such as aws/h100-80gb/p5.48xlarge/on-demand.
func cardOf(item string) string {
	parts := strings.Split(item, "/")
	name, _, _ := strings.Cut(parts[min(1, len(parts)-1)], "-")
	return name
}

// hour returns the item in the middle of what an hour of c costs on demand, and in words what there is; empty when it has no price.
func (b book) hour(c card) (item, said string) {
	var items []string
	for _, name := range b.Items() {
		row, isGPU := b.Value(name, "usd_per_hour")
		if isGPU && row.Unit == "USD/GPU-hour" && cardOf(name) == c.name && strings.HasSuffix(name, "/on-demand") && strings.Contains(name, c.memory) {
			items = append(items, name)
		}
	}
	switch {
	case len(items) == 0 && c.memory != "":
		return b.hour(card{name: c.name})
	case len(items) == 0:
		return "", ""
	}
	slices.SortStableFunc(items, func(x, y string) int { return cmp.Compare(b.number(x, "usd_per_hour"), b.number(y, "usd_per_hour")) })
	item = items[(len(items)-1)/2]
	price := func(item string) string {
		row, _ := b.Value(item, "usd_per_hour")
		return "$" + row.Value
	}
	if len(items) == 1 {
		return item, price(item) + " an hour, the only price of this type"
	}
	return item, fmt.Sprintf("guessed: %s an hour, the middle of %d prices from %s to %s; see tipline prices list --item '*/%s*'",
		price(item), len(items), price(items[0]), price(items[len(items)-1]), c.name)
}

// A replica is a measured item such as tensorrt-llm/llama-3.3-70b-fp8/2xh100.
type replica struct {
	item string
	card card
	gpus int
}

// replicas returns the measured replicas of the model, the cheapest per token first.
func (b book) replicas(key string) []replica {
	var all []replica
	costs := map[string]float64{}
	for _, item := range b.Items() {
		parts := strings.Split(item, "/")
		if len(parts) != 3 || key == "" || modelKey(parts[1]) != key {
			continue
		}
		count, name, found := strings.Cut(parts[2], "x")
		gpus, err := strconv.Atoi(count)
		price, _ := b.hour(card{name: name})
		if !found || err != nil || price == "" {
			continue
		}
		rows, err := b.Lookup(item)
		if err != nil {
			continue
		}
		rate := 0.0
		for _, row := range rows {
			v, _ := row.Rat().Float64()
			rate += v / float64(len(rows))
		}
		costs[item] = float64(gpus) * b.number(price, "usd_per_hour") / rate
		all = append(all, replica{item, card{name: name}, gpus})
	}
	slices.SortStableFunc(all, func(x, y replica) int { return cmp.Compare(costs[x.item], costs[y.item]) })
	return all
}
