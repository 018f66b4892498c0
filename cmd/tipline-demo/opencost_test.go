package main

import (
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tipline/cmd/internal/pricelist"
	"tipline/cmd/internal/store"
	"tipline/cmd/tipline-demo/engine"
	"tipline/collector"
	"tipline/config"
)

// openCost is what OpenCost shows of two nodes of 8 GPUs on demand, one on the spot market, a node without GPUs, which has a price of a GPU
// all the same, and one whose kind is not known.
const openCost = `
node_gpu_count{instance="a",node="a",instance_type="p5.48xlarge",region="us-east-1",provider_id="aws:///1",arch="amd64",uid="1"} 8
node_gpu_count{instance="b",node="b",instance_type="p5.48xlarge",region="us-east-1",provider_id="aws:///2",arch="amd64",uid="2"} 8
node_gpu_count{instance="c",node="c",instance_type="g6e.xlarge",region="eu-west-1",provider_id="aws:///3",arch="amd64",uid="3"} 1
node_gpu_count{instance="d",node="d",instance_type="m7i.large",region="us-east-1",provider_id="aws:///4",arch="amd64",uid="4"} 0
node_gpu_count{instance="e",node="e",instance_type="",region="",provider_id="e",arch="amd64",uid="5"} 4
node_gpu_hourly_cost{instance="a",node="a",instance_type="p5.48xlarge",region="us-east-1",provider_id="aws:///1",arch="amd64",uid="1"} 6
node_gpu_hourly_cost{instance="b",node="b",instance_type="p5.48xlarge",region="us-east-1",provider_id="aws:///2",arch="amd64",uid="2"} 5
node_gpu_hourly_cost{instance="c",node="c",instance_type="g6e.xlarge",region="eu-west-1",provider_id="aws:///3",arch="amd64",uid="3"} 0.7
node_gpu_hourly_cost{instance="d",node="d",instance_type="m7i.large",region="us-east-1",provider_id="aws:///4",arch="amd64",uid="4"} 0.95
node_gpu_hourly_cost{instance="e",node="e",instance_type="",region="",provider_id="e",arch="amd64",uid="5"} 0.95
node_total_hourly_cost{instance="a",node="a",instance_type="p5.48xlarge",region="us-east-1",provider_id="aws:///1",arch="amd64",uid="1"} 55.04
node_total_hourly_cost{instance="b",node="b",instance_type="p5.48xlarge",region="us-east-1",provider_id="aws:///2",arch="amd64",uid="2"} 47.04
node_total_hourly_cost{instance="c",node="c",instance_type="g6e.xlarge",region="eu-west-1",provider_id="aws:///3",arch="amd64",uid="3"} 0.9
node_total_hourly_cost{instance="d",node="d",instance_type="m7i.large",region="us-east-1",provider_id="aws:///4",arch="amd64",uid="4"} 0.1
kubecost_node_is_spot{instance="a",node="a",instance_type="p5.48xlarge",region="us-east-1",provider_id="aws:///1",arch="amd64",uid="1"} 0
kubecost_node_is_spot{instance="b",node="b",instance_type="p5.48xlarge",region="us-east-1",provider_id="aws:///2",arch="amd64",uid="2"} 0
kubecost_node_is_spot{instance="c",node="c",instance_type="g6e.xlarge",region="eu-west-1",provider_id="aws:///3",arch="amd64",uid="3"} 1
`

// TestOpenCostPrices reads the prices of nodes from a real engine, half an hour after the last scrape, with one query.
func TestOpenCostPrices(t *testing.T) {
	t.Parallel()
	scraped := time.Date(2026, 11, 20, 5, 0, 0, 0, time.UTC)
	now := scraped.Add(30 * time.Minute)
	e, err := engine.Open(func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	if err := e.Ingest([]byte(openCost), scraped, map[string]string{"job": "opencost"}, nil); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(e.Handler())
	t.Cleanup(server.Close)
	folder := t.TempDir()
	file, err := store.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	c, err := collector.New(collector.Settings{Name: "engines", URL: server.URL, Pack: "vllm"}, file, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	list := config.PriceSource{Name: "opencost", From: config.OpenCost, Source: "engines", Path: filepath.Join(folder, "prices", "opencost.csv")}
	samples, err := c.Ask(t.Context(), pricelist.NodePrices(collector.Matchers(list.Select)), now)
	if err != nil {
		t.Fatal(err)
	}
	var found []config.NodePrice
	for _, s := range samples {
		found = append(found, pricelist.NodePrice(s.Labels, s.Value))
	}
	changed, bad, err := pricelist.RefreshOpenCost(list, found, nil, now)
	if err != nil || !changed {
		t.Fatalf("changed %v, %v", changed, err)
	}
	if len(bad) != 1 || bad[0].Reason != "the nodes have no instance_type, so that it is not known what they are" {
		t.Errorf("quarantined: got %+v, want the node that does not say what it is", bad)
	}
	book, err := list.Copy()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, row := range book.Rows() {
		got[row.Item] = row.Value + " " + row.Unit
		if row.Source != "OpenCost, source engines, 05:30 UTC" || row.Date != "2026-11-20" {
			t.Errorf("%s: got source %q of %s", row.Item, row.Source, row.Date)
		}
	}
	if diff := cmp.Diff(map[string]string{
		"opencost/p5.48xlarge/us-east-1/on-demand":          "6.38 USD/GPU-hour",
		"opencost/p5.48xlarge/us-east-1/on-demand/gpu-only": "5.5 USD/GPU-hour",
		"opencost/g6e.xlarge/eu-west-1/spot":                "0.9 USD/GPU-hour",
		"opencost/g6e.xlarge/eu-west-1/spot/gpu-only":       "0.7 USD/GPU-hour",
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for region, want := range map[string]int{"eu-west-1": 2, "nowhere": 0} {
		list.Select = map[string]string{"region": region}
		if samples, err := c.Ask(t.Context(), pricelist.NodePrices(collector.Matchers(list.Select)), now); err != nil || len(samples) != want {
			t.Errorf("selected %s: got %+v, %v, want %d prices", region, samples, err, want)
		}
	}
}
