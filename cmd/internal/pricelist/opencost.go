package pricelist

import (
	"fmt"
	"strings"
	"time"

	"tipline/config"
)

// The metrics of OpenCost are gauges of nodes with the same labels (opencost/opencost: pkg/costmodel/metrics.go): USD per hour of a node,
// and of each of its GPUs. The last of an hour counts, so that a restart of the exporter leaves no gap. It says what a GPU costs of nodes
// that have none too.
//
// SELECTED stands for the matchers of a list.
const (
	gpusOfNode = "last_over_time(node_gpu_count{SELECTED}[1h]) > 0"
	wholeNode  = "last_over_time(node_total_hourly_cost{SELECTED}[1h]) / (" + gpusOfNode + ")"
	gpuAlone   = "last_over_time(node_gpu_hourly_cost{SELECTED}[1h]) and " + gpusOfNode
	onSpot     = "last_over_time(kubecost_node_is_spot{SELECTED}[1h]) == 1"
)

// The labels that NodePrices puts on what it finds.
const (
	priceLabel = "tipline_price"
	termsLabel = "tipline_terms"
)

// NodePrices returns PromQL for all that a list takes from OpenCost: the mean price of a GPU by kind of node, with its share of the node and
// alone, on demand and spot, of the nodes whose series have the label values that matchers want.
func NodePrices(matchers string) string {
	var parts []string
	for _, price := range []struct{ name, expr string }{{"node", wholeNode}, {"gpu", gpuAlone}} {
		for _, terms := range []struct{ name, join string }{{"on-demand", "unless"}, {"spot", "and"}} {
			mean := fmt.Sprintf("avg by (instance_type, region) ((%s) %s (%s))", price.expr, terms.join, onSpot)
			parts = append(parts, fmt.Sprintf("label_replace(label_replace(%s, %q, %q, \"\", \"\"), %q, %q, \"\", \"\")",
				mean, priceLabel, price.name, termsLabel, terms.name))
		}
	}
	return strings.ReplaceAll(strings.Join(parts, " or "), "SELECTED", matchers)
}

// NodePrice returns what one sample of NodePrices says.
func NodePrice(labels map[string]string, value float64) config.NodePrice {
	return config.NodePrice{
		InstanceType: labels["instance_type"], Region: labels["region"],
		Spot: labels[termsLabel] == "spot", GPUOnly: labels[priceLabel] == "gpu", USDPerHour: value,
	}
}

// RefreshOpenCost does what Refresh does with what NodePrices found now.
func RefreshOpenCost(list config.PriceSource, found []config.NodePrice, confirmed []string, now time.Time) (changed bool, bad []config.Quarantined, err error) {
	if len(found) == 0 {
		return false, nil, fmt.Errorf("price list %s: source %s has had no node_total_hourly_cost or node_gpu_hourly_cost of a node with GPUs for an hour", list.Name, list.Source)
	}
	now = now.UTC()
	source := fmt.Sprintf("OpenCost, source %s, %s", list.Source, now.Format("15:04 UTC"))
	next, bad, err := config.OpenCostBook(list.Name, found, source, now.Format(time.DateOnly))
	if err != nil {
		return false, bad, fmt.Errorf("price list %s: %w", list.Name, err)
	}
	changed, jumps, err := replace(list, next, confirmed, head{URL: fmt.Sprintf("nodes of source %s with %v", list.Source, list.Select)})
	return changed, append(bad, jumps...), err
}
