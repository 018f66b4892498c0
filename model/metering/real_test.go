package metering

import (
	"compress/gzip"
	"encoding/csv"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tipline/model"
)

// TestRealClients deals the real clients of a language model platform out to two sources, many times over, and holds which of them are taken for one stream: two whose hours
// are the same to half a percent, and no sums, and that none are taken for one where both places are of one layer. The clients are read in place: TIPLINE_DATA, or the folder beside the repository.
func TestRealClients(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("TIPLINE_DATA")
	if folder == "" {
		folder = "../../../shared/data"
	}
	clients, err := read(filepath.Join(folder, "traces", "llm-servegen.csv.gz"))
	if err != nil {
		t.Skipf("skipped: %v; set TIPLINE_DATA to the folder of the development set", err)
	}
	r := rand.New(rand.NewPCG(9, 10))
	deals, found := 0, map[string]int{}
	for deal := range 60 {
		layer := map[bool]string{true: "gateway"}[deal >= 50]
		for i := range clients {
			clients[i].Layer, clients[i].Source = layer, []string{"gateway", "engines"}[r.IntN(2)]
		}
		if layer != "" {
			if d := Doubles(readers(clients), clients[0].End()); len(d) > 0 {
				t.Errorf("two sources of one layer: got %+v, want no client that both read", d)
			}
			continue
		}
		deals++
		for _, d := range Doubles(readers(clients), clients[0].End()) {
			var names []string
			for _, i := range slices.Concat(d.One, d.Other) {
				names = append(names, clients[i].Workload)
			}
			found[strings.Join(names, " ")]++
		}
	}
	t.Logf("%d clients dealt out %d times: %v", len(clients), deals, found)
	if len(clients) != 87 || len(found) != 1 || found["servegen-m-large-c112-req servegen-m-large-c148-req"] == 0 {
		t.Errorf("got %v of %d clients, want the two that are the same", found, len(clients))
	}
}

// read returns the workloads of a file of timestamp, workload, input tokens, output tokens and requests, sorted by name, as if they had all begun at once.
func read(path string) ([]model.Usage, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(unzipped).ReadAll()
	if err != nil {
		return nil, err
	}
	byName := map[string]*model.Usage{}
	begin := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	for _, row := range rows[1:] {
		u := byName[row[1]]
		if u == nil {
			u = &model.Usage{Workload: row[1], Start: begin}
			byName[row[1]] = u
		}
		var n [3]float64
		for i := range n {
			if n[i], err = strconv.ParseFloat(row[2+i], 64); err != nil {
				return nil, err
			}
		}
		u.Hours = append(u.Hours, model.Hour{Tokens: model.Volume{model.Input: model.Tokens(n[0]), model.Output: model.Tokens(n[1])}, Requests: n[2], Coverage: 1})
	}
	var all []model.Usage
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		all = append(all, *byName[name])
	}
	return all, nil
}
