package main

import (
	"log/slog"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"tipline/model"
)

// TestRules parses the rules as Prometheus does and evaluates each in the real engine: on what a daemon exports that has nothing to say
// beside a move and a drift, and on one that is in trouble.
func TestRules(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../deploy/prometheus/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(data, false, prommodel.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	troubled := func() *model.Report {
		r := everything()
		r.Sources = append(r.Sources, model.SourceReport{Source: "away"})
		r.Workloads[0].Options[0].Prices[0].Date = shownAt.AddDate(0, 0, -100).Format(time.DateOnly)
		r.PriceBooks = append(r.PriceBooks, model.PriceBook{Book: "own.csv", Checked: "2026-10-20"})
		r.Budgets[0].USD = 11_000
		late := shownAt.Add(-7 * time.Hour)
		for i := range r.Workloads {
			r.Workloads[i].Usage.LastSample = &late
		}
		return r
	}
	firing := func(report func() *model.Report) []string {
		server := exportedBy(t, report)
		var names []string
		for _, g := range groups.Groups {
			for _, r := range g.Rules {
				if len(ask(t, server.URL+"/api/v1/query", url.Values{"query": {r.Expr}, "time": {strconv.FormatInt(shownAt.Unix(), 10)}})) > 0 {
					names = append(names, r.Alert)
				}
			}
		}
		return names
	}
	calm := []string{"TiplineMove", "TiplineCrossingNear", "TiplineDrift", "TiplineNotEvaluating"} // the test's daemon never evaluates
	well := func() *model.Report {
		r := everything()
		r.DataFaults = nil
		return r
	}
	if got := firing(well); !slices.Equal(got, calm) {
		t.Errorf("got %v, want %v", got, calm)
	}
	// The prices of the built-in book alone are as old as the release, which is told when it is.
	for _, tc := range []struct {
		days int
		want []string
	}{{100, calm}, {181, slices.Insert(slices.Clone(calm), 3, "TiplinePriceBookOld")}} {
		got := firing(func() *model.Report {
			r := well()
			checked := shownAt.AddDate(0, 0, -tc.days).Format(time.DateOnly)
			r.Workloads[0].Options[0].Prices[0].Date, r.PriceBooks[0].Checked = checked, checked
			return r
		})
		if !slices.Equal(got, tc.want) {
			t.Errorf("with the built-in book of %d days alone: got %v, want %v", tc.days, got, tc.want)
		}
	}
	want := slices.Insert(slices.Clone(calm), 3, "TiplineSourceDown", "TiplineNotMeasured", "TiplinePricesOld", "TiplineOverBudget", "TiplineDataFault")
	if got := firing(troubled); !slices.Equal(got, want) {
		t.Errorf("in trouble: got %v, want %v", got, want)
	}
	// Every metric that a rule names is one that is exported, so that those which cannot fire here are not misspelt.
	server := exportedBy(t, everything)
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			expr, err := parser.NewParser(parser.Options{}).ParseExpr(r.Expr)
			if err != nil {
				t.Fatal(err)
			}
			named := map[string]bool{}
			parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
				if s, ok := n.(*parser.VectorSelector); ok {
					named[s.Name] = true
				}
				return nil
			})
			for name := range maps.Keys(named) {
				if len(ask(t, server.URL+"/api/v1/query", url.Values{"query": {name}, "time": {strconv.FormatInt(shownAt.Unix(), 10)}})) == 0 {
					t.Errorf("%s: nothing exports %s", r.Alert, name)
				}
			}
		}
	}
}
