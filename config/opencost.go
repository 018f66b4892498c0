package config

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"

	"tipline/model"
)

// OpenCost is the kind of a price list that is read live, from the metrics that OpenCost publishes of the nodes of a cluster.
const OpenCost = "opencost"

// NodePrice is what OpenCost says that a GPU costs in nodes of one kind.
type NodePrice struct {
	InstanceType string
	Region       string  // empty when the nodes do not say
	Spot         bool    // capacity that can be taken away
	GPUOnly      bool    // without the processors and the memory of its node
	USDPerHour   float64 // of one GPU, the mean over the nodes
}

// nodeLabel matches what a node may say of itself to be in the name of an item.
var nodeLabel = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// OpenCostBook returns what prices say as a book, under the items list/instance type/region/on-demand or spot: usd_per_hour of one GPU with
// its share of the node, and below gpu-only that of the GPU alone. source says where and when they were read, date is the day. A price that
// no book can hold, or that is above one that it is a part of, is quarantined with the reason; the error says that none is left.
func OpenCostBook(list string, prices []NodePrice, source, date string) (Book, []Quarantined, error) {
	book := Book{rows: map[string][]Row{}}
	var quarantine []Quarantined
	for _, p := range prices {
		row := p.row(list)
		row.Source, row.Date = source, date
		var reason string
		switch {
		case p.InstanceType == "":
			reason = "the nodes have no instance_type, so that it is not known what they are"
		case shown(p.InstanceType) != p.InstanceType || shown(p.Region) != p.Region:
			reason = "want an instance type and a region of letters, digits, dots, hyphens and underscores"
		case math.IsNaN(p.USDPerHour) || math.IsInf(p.USDPerHour, 0) || p.USDPerHour < 0:
			reason = "want a number of USD per hour"
		case p.USDPerHour == 0:
			reason = "want a price above 0: OpenCost says 0 of what it does not know"
		default:
			row.Value = decimalText(rounded(new(big.Rat).SetFloat64(p.USDPerHour), 6))
			reason = implausibleHour(row)
		}
		if reason != "" {
			quarantine = append(quarantine, Quarantined{Row: row, Reason: reason})
			continue
		}
		book.rows[row.Item] = []Row{row}
	}
	var above []Quarantined
	for _, p := range prices {
		above = append(above, book.aboveOf(p, list)...)
	}
	for _, q := range above {
		delete(book.rows, q.Item)
	}
	quarantine = append(quarantine, above...)
	if len(book.rows) == 0 {
		return Book{}, quarantine, errors.New("no node with GPUs has a price that can be right")
	}
	return book, quarantine, nil
}

// aboveOf returns the row of p if the GPU alone costs more there than with its share of the node, or spot capacity more
// than the same on demand.
func (b Book) aboveOf(p NodePrice, list string) []Quarantined {
	row, known := b.Value(p.row(list).Item, "usd_per_hour")
	if !known {
		return nil
	}
	whole, onDemand := p, p
	whole.GPUOnly, onDemand.Spot = false, false
	for _, other := range []struct {
		price NodePrice
		what  string
	}{{whole, "the GPU with its share of the node"}, {onDemand, "the same on demand"}} {
		if most, known := b.Value(other.price.row(list).Item, "usd_per_hour"); known && row.Rat().Cmp(most.Rat()) > 0 {
			return []Quarantined{{Row: row, Reason: fmt.Sprintf("more than %s USD an hour, which is that of %s", most.Value, other.what)}}
		}
	}
	return nil
}

// row returns p as a row of the list, its value as it was read.
func (p NodePrice) row(list string) Row {
	terms := "on-demand"
	if p.Spot {
		terms = "spot"
	}
	row := Row{Note: "a GPU with its share of the node, mean over the nodes", PriceSource: model.PriceSource{
		Item: fmt.Sprintf("%s/%s/%s/%s", list, shown(p.InstanceType), cmp.Or(shown(p.Region), "-"), terms), Field: "usd_per_hour", Value: fmt.Sprint(p.USDPerHour), Unit: gpuHour,
	}}
	if p.GPUOnly {
		row.Item += "/gpu-only"
		row.Note = "a GPU without the processors and the memory of its node, mean over the nodes"
	}
	return row
}

// shown returns what a node says of itself as the name of an item may have it; what it may not have is in quotes.
func shown(label string) string {
	if label == "" || nodeLabel.MatchString(label) {
		return label
	}
	return quote(label)
}

// gpuHour is the unit of the price of a GPU.
const gpuHour = "USD/GPU-hour"

// What the hour of a GPU may cost: more than ten times what the dearest of the built-in book does, less than a tenth of the cheapest.
var (
	mostGPUHour  = big.NewRat(200, 1)
	leastGPUHour = big.NewRat(1, 100)
)

// implausibleHour says why row cannot be the price of a GPU-hour; empty when it can.
func implausibleHour(row Row) string {
	switch value := row.Rat(); {
	case value.Cmp(mostGPUHour) > 0:
		return fmt.Sprintf("more than %s USD an hour of one GPU: that of a whole node, or of a month?", decimalText(mostGPUHour))
	case value.Cmp(leastGPUHour) < 0:
		return fmt.Sprintf("less than %s USD an hour of one GPU: that of a minute, or of a second?", decimalText(leastGPUHour))
	}
	return ""
}
