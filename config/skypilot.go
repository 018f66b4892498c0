package config

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"

	"tipline/model"
)

// skyPilotSource names the SkyPilot catalogue in the rows that are read from it.
const skyPilotSource = "SkyPilot catalog (skypilot-org/skypilot-catalog, Apache-2.0)"

// ImportSkyPilot reads a catalogue of machines in the form of SkyPilot's vms.csv as it was on date; provider names whose machines they are.
// It gives the price of one GPU in an hour for every kind of GPU, number of GPUs and region, on demand and on the spot market: of machines
// and zones that differ in nothing else the cheapest, which the note names. Machines without GPUs or without a price are left out, and a
// price that is no number is quarantined.
func ImportSkyPilot(r io.Reader, provider, date string) (Book, []Quarantined, error) {
	if provider == "" || strings.ContainsAny(provider, "/ \t\n") {
		return Book{}, nil, fmt.Errorf("provider: got %s, want the name of whose machines they are, such as lambda", quote(provider))
	}
	data, err := readList(r, date)
	if err != nil {
		return Book{}, nil, err
	}
	lines, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		return Book{}, nil, fmt.Errorf("catalogue: %w", err)
	}
	if len(lines) == 0 {
		return Book{}, nil, errors.New("catalogue: empty, want vms.csv of a SkyPilot catalogue")
	}
	place := map[string]int{}
	for i, name := range lines[0] {
		place[name] = i
	}
	for _, column := range []string{"InstanceType", "AcceleratorName", "AcceleratorCount", "Price", "SpotPrice", "Region"} {
		if _, there := place[column]; !there {
			return Book{}, nil, fmt.Errorf("catalogue: no column %s, want vms.csv of a SkyPilot catalogue", column)
		}
	}
	book := Book{rows: map[string][]Row{}}
	var quarantine []Quarantined
	for _, line := range lines[1:] {
		gpu, region := strings.ToLower(line[place["AcceleratorName"]]), line[place["Region"]]
		count := parseDecimal(line[place["AcceleratorCount"]])
		if gpu == "" || count == nil || !count.IsInt() || count.Sign() <= 0 {
			continue // no GPUs, or a part of one
		}
		for _, terms := range []struct{ column, name string }{{"Price", "on-demand"}, {"SpotPrice", "spot"}} {
			text := line[place[terms.column]]
			if text == "" {
				continue
			}
			row := Row{Note: line[place["InstanceType"]], PriceSource: model.PriceSource{
				Item: fmt.Sprintf("%s/%s/%sx/%s/%s", provider, gpu, count.Num(), region, terms.name), Field: "usd_per_hour", Value: quote(text),
				Unit: gpuHour, Source: skyPilotSource, Date: date,
			}}
			price := parseDecimal(text)
			if price == nil || price.Sign() < 0 {
				quarantine = append(quarantine, Quarantined{Row: row, Reason: "want a number of USD per hour"})
				continue
			}
			perGPU := rounded(new(big.Rat).Quo(price, count), 6)
			if perGPU.Sign() == 0 {
				continue // not sold on these terms
			}
			row.Value = decimalText(perGPU)
			if before := book.rows[row.Item]; len(before) == 0 || perGPU.Cmp(before[0].Rat()) < 0 {
				book.rows[row.Item] = []Row{row}
			}
		}
	}
	if len(book.rows) == 0 {
		return Book{}, quarantine, errors.New("catalogue: no machine with GPUs and a price")
	}
	return book, quarantine, nil
}

// Lists are the kinds of price lists that Import reads.
var Lists = []string{"litellm", "genai-prices", "skypilot"}

// Import reads a price list of one of the kinds of Lists, as it was on date. provider is needed for skypilot alone.
func Import(kind string, r io.Reader, provider, date string) (Book, []Quarantined, error) {
	switch kind {
	case "litellm":
		return ImportLiteLLM(r, date)
	case "genai-prices":
		return ImportGenAI(r, date)
	case "skypilot":
		return ImportSkyPilot(r, provider, date)
	}
	return Book{}, nil, fmt.Errorf("price list: got %s, want %s", quote(kind), oneOf(Lists))
}
