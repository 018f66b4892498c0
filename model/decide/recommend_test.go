package decide

import (
	"testing"

	"tipline/model"
)

func TestRecommendTiesAndMargins(t *testing.T) {
	t.Parallel()
	policy := Policy{Enter: rat("0.2"), MinSavingUSD: rat("1000"), MinProbability: rat("0.8"), MaxPaybackMonths: rat("12")}
	for _, tc := range []struct {
		name    string
		current string
		options []Priced
		want    string
		reason  string
	}{
		{
			"the current option wins a tie with one that is simpler to operate", "self",
			[]Priced{{Name: "api", Hosting: model.API, Cost: rat("5000")}, {Name: "self", Hosting: model.SelfHosted, Cost: rat("5000")}},
			"self", model.ReasonAlreadyBest,
		},
		{
			"the simpler of two that cost the same wins, wherever it stands", "old",
			[]Priced{
				{Name: "self", Hosting: model.SelfHosted, Cost: rat("5000")},
				{Name: "api", Hosting: model.API, Cost: rat("5000")},
				{Name: "old", Hosting: model.API, Cost: rat("9000")},
			},
			"api", model.ReasonSwitch,
		},
		{
			"a large share of a small bill is not worth a move", "api",
			[]Priced{{Name: "api", Hosting: model.API, Cost: rat("1500")}, {Name: "self", Hosting: model.SelfHosted, Cost: rat("501")}},
			"api", model.ReasonBelowMargin,
		},
		{
			"a small share of a large bill is not worth a move", "api",
			[]Priced{{Name: "api", Hosting: model.API, Cost: rat("100000")}, {Name: "self", Hosting: model.SelfHosted, Cost: rat("80001")}},
			"api", model.ReasonBelowMargin,
		},
		{
			"a saving that meets both margins exactly is", "api",
			[]Priced{{Name: "api", Hosting: model.API, Cost: rat("5000")}, {Name: "self", Hosting: model.SelfHosted, Cost: rat("4000")}},
			"self", model.ReasonSwitch,
		},
		{
			"a move that pays back exactly in time is made", "api",
			[]Priced{
				{Name: "api", Hosting: model.API, Cost: rat("5000")},
				{Name: "self", Hosting: model.SelfHosted, Cost: rat("4000"), Migration: rat("12000"), Probability: rat("0.8")},
			},
			"self", model.ReasonSwitch,
		},
		{
			"an option without a cost is not the best", "api",
			[]Priced{{Name: "api", Hosting: model.API, Cost: rat("5000")}, {Name: "self", Hosting: model.SelfHosted}},
			"api", model.ReasonAlreadyBest,
		},
		{
			"a current option without a cost leaves nothing to compare", "api",
			[]Priced{{Name: "api", Hosting: model.API}, {Name: "self", Hosting: model.SelfHosted, Cost: rat("4000")}},
			"", model.ReasonUnknown,
		},
	} {
		if got := Recommend(tc.options, tc.current, policy); got.Recommended != tc.want || got.Reason != tc.reason {
			t.Errorf("%s: got %q because %s, want %q because %s", tc.name, got.Recommended, got.Reason, tc.want, tc.reason)
		} else if got.Reason == model.ReasonAlreadyBest && got.Best != tc.current {
			t.Errorf("%s: got %q as the best, want the current option", tc.name, got.Best)
		}
	}
}
