package model_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// edges maps every row of section 15 of the cost model to the tests that hold it, each with the folder that it is in.
var edges = []struct {
	row   string
	tests [][2]string
}{
	{"no volume", [][2]string{{"cost", "TestNoVolume"}, {"decide", "TestUnknownIsNeverZero"}}},
	{"no replica at least, with scale to zero", [][2]string{{"decide", "TestColdStartsFitTheLimit"}}},
	{"values out of range are errors", [][2]string{
		{"cost", "TestCapacityOutOfRange"},
		{"cost", "TestPricesOutOfRange"},
		{"cost", "TestTiersOutOfRange"},
		{"cost", "TestNegativeTokens"},
		{"../config", "TestBadFiles"},
		{"../config", "TestCurrencies"},
	}},
	{"the end of a step, and one token more", [][2]string{{"cost", "TestEndOfAStep"}, {"cost", "TestStaircaseByHand"}}},
	{"a break-even utilization of exactly 1", [][2]string{{"cost", "TestTieIsNever"}, {"cost", "TestFollowingOfManySteps"}}},
	{"the quota is reached", [][2]string{{"cost", "TestStaircaseByHand"}, {"cost", "TestAutoscaledQuota"}, {"decide", "TestQuotaWouldChange"}}},
	{"a price of zero", [][2]string{{"../config", "TestZeroPriceNeedsAFlag"}}},
	{"an unknown model", [][2]string{{"../config", "TestUnknownModelHasNoCost"}}},
	{"a deprecated model", [][2]string{{"decide", "TestRetirement"}}},
	{"a price older than its limit", [][2]string{{"decide", "TestOldPrices"}}},
	{"two sources that differ", [][2]string{{"../config", "TestTwoSourcesAreBothShown"}}},
	{"an unknown share of long prompts", [][2]string{{"decide", "TestTariffByHand"}}},
	{"products beyond what a float holds", [][2]string{{"cost", "TestProductsBeyondFloats"}}},
	{"months of other lengths", [][2]string{{"decide", "TestMonth"}, {"decide", "TestMonthInTiers"}, {"forecast", "TestSpansAndMonthsAgree"}}},
	{"a move within the month", [][2]string{{"decide", "TestMonthOfAMove"}}},
	{"free credits", [][2]string{{"decide", "TestTariffByHand"}, {"../config", "TestTariffTerms"}}},
}

// TestEdges holds that the tests that edges names are there.
func TestEdges(t *testing.T) {
	t.Parallel()
	sources := map[string]string{}
	for _, edge := range edges {
		for _, test := range edge.tests {
			folder := test[0]
			if _, read := sources[folder]; !read {
				files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
				if err != nil {
					t.Fatal(err)
				}
				var all strings.Builder
				for _, file := range files {
					text, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					all.Write(text)
				}
				sources[folder] = all.String()
			}
			if !strings.Contains(sources[folder], "\nfunc "+test[1]+"(t *testing.T)") {
				t.Errorf("%s: %s has no %s", edge.row, folder, test[1])
			}
		}
	}
}
