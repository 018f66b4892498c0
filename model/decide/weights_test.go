package decide

import (
	"slices"
	"strings"
	"testing"

	"tipline/model"
	"tipline/model/cost"
)

// way returns an option of a kind that serves a model at scale USD for a million tokens, and what a hybrid is made of.
func way(name, kind, scale string, models ...string) []Option {
	api := Option{Name: name, Hosting: model.API, API: &cost.Prices{Input: rat(scale), Output: rat(scale)}, Models: models}
	fleet := Option{Name: name, Hosting: model.SelfHosted, Models: models, Capacity: &cost.Capacity{
		TokensPerHour: rat("1000000"), BlockCostPerHour: rat(scale), TargetUtilization: rat("1"), PeakFactor: rat("1"),
	}}
	base, overflow := fleet, api
	base.Name, overflow.Name = name+" base", name+" overflow"
	switch kind {
	case "self-hosted":
		return []Option{fleet}
	case "cloud-managed":
		fleet.Hosting = model.CloudManaged
		return []Option{fleet}
	case "hybrid":
		return []Option{{Name: name, Hosting: model.Hybrid, Base: base.Name, Overflow: overflow.Name}, base, overflow}
	case "apart":
		return []Option{{Name: name, Hosting: model.Hybrid, Base: base.Name, Overflow: overflow.Name, Apart: true}, base, overflow}
	}
	return []Option{api}
}

// TestModelChangeIsSaid holds for a move between any two kinds of hosting, decided on for its cost or because the current hosting may not serve, that
// the decision says whether it is one to another model, and that the option does too (cost model, section 2.3).
func TestModelChangeIsSaid(t *testing.T) {
	t.Parallel()
	kinds := []string{"api", "self-hosted", "cloud-managed", "hybrid", "apart"}
	for _, from := range kinds {
		for _, to := range kinds {
			for _, tc := range []struct {
				model, change string // of the option to move to, and what is said of it
			}{
				{"lab/llama-3.3", ""},
				{"elsewhere/Llama-3.3", ""}, // who serves it does not matter
				{"other/qwen", "lab/llama-3.3 to other/qwen"},
			} {
				for _, blocked := range []bool{false, true} {
					options := append(way("now", from, "9", "lab/llama-3.3"), way("then", to, "3", tc.model)...)
					in := input(projection(1e10, 0, 0.05), options)
					in.Current, in.Candidates = "now", []string{"now", "then"}
					in.Constraints.BatchShare = rat("0.5")
					reason := model.ReasonSwitch
					if blocked {
						reason = model.ReasonCurrentInfeasible
						in.Constraints.Residency = []string{"eu"}
						for i := range in.Options {
							in.Options[i].Regions = []string{"us"}
							if strings.HasPrefix(in.Options[i].Name, "then") {
								in.Options[i].Regions = in.Constraints.Residency
							}
						}
					}
					v := Decide(in)
					if v.Decision.Reason != reason {
						t.Fatalf("%s to %s: got %s, %s", from, to, v.Decision.Reason, v.Decision.Because)
					}
					var warned string
					for _, w := range v.Options[1].Warnings {
						if w.Code == "MODEL_CHANGE" {
							warned = w.Text
						}
					}
					said := "by a model change: " + tc.change
					if got := strings.Contains(v.Decision.Because, "model change"); got != (tc.change != "") || got && !strings.Contains(v.Decision.Because, said) {
						t.Errorf("%s to %s of %s: got %q, want %q in it", from, to, tc.model, v.Decision.Because, tc.change)
					}
					if got := warned != ""; got != (tc.change != "") || got && !strings.Contains(warned, "is a model change, "+tc.change) {
						t.Errorf("%s to %s of %s: the option warns %q, want %q", from, to, tc.model, warned, tc.change)
					}
				}
			}
		}
	}
}

// TestModelOfAHybrid holds which models a hybrid serves, and that what names none may be a change too.
func TestModelOfAHybrid(t *testing.T) {
	t.Parallel()
	hybrid := way("mixed", "hybrid", "3", "own/qwen", "lab/llama-3.3") // which is accepted in the place of the second
	hybrid[2].Models = []string{"lab/llama-3.3"}
	options := slices.Concat(hybrid, way("own", "self-hosted", "3", "own/qwen"), way("unnamed", "api", "3"))
	byName := map[string]Option{}
	for _, o := range options {
		byName[o.Name] = o
	}
	for _, tc := range []struct {
		from, to, change, unnamed string
	}{
		{"mixed", "mixed", "", ""},
		{"own", "mixed", "own/qwen to own/qwen and lab/llama-3.3", ""},
		{"mixed", "own", "own/qwen and lab/llama-3.3 to own/qwen", ""},
		{"own", "unnamed", "", "unnamed"},
		{"unnamed", "mixed", "", "unnamed"},
	} {
		if change, unnamed := changesModel(byName[tc.from], byName[tc.to], byName); change != tc.change || unnamed != tc.unnamed {
			t.Errorf("%s to %s: got %q, %q, want %q, %q", tc.from, tc.to, change, unnamed, tc.change, tc.unnamed)
		}
	}
}

// TestFleetIsComparedWithItsOwnWeights holds that a fleet is compared with the cheapest API that serves its weights, though one of another model costs less.
func TestFleetIsComparedWithItsOwnWeights(t *testing.T) {
	t.Parallel()
	options := append(way("fleet", "self-hosted", "4", "lab/llama-3.3"), append(way("small", "api", "1", "lab/small"), append(way("same", "api", "6", "elsewhere/llama-3.3"),
		way("dear", "api", "7", "lab/llama-3.3")...)...)...)
	in := input(projection(1e10, 0, 0.05), options)
	in.Current = "fleet"
	if x := Decide(in).Options[0].Crossover; x == nil || x.Against != "same" {
		t.Errorf("got %+v, want a crossover against the same weights", x)
	}
	in.Options[2].Models, in.Options[3].Models = []string{"lab/other"}, nil
	if x := Decide(in).Options[0].Crossover; x == nil || x.Against != "small" {
		t.Errorf("got %+v, want a crossover against the cheapest where none serves its weights", x)
	}
}

// TestSameModel holds which names are of the same weights.
func TestSameModel(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		a, b string
		same bool
	}{
		{"anthropic/claude-3-5-sonnet-20241022", "us.anthropic.claude-3-5-sonnet-20241022-v2:0", true},
		{"claude-3-5-sonnet@20241022", "claude-3-5-sonnet-20241022", true},
		{"openai/gpt-4o", "gpt-4o-2024-11-20", true},
		{"gpt-4o-latest", "gpt-4o-2024-11-20", true},
		{"gpt-4o-2024-05-13", "gpt-4o-2024-11-20", false},
		{"deepseek-ai/DeepSeek-V2", "deepseek/deepseek-v3", false},
		{"gemini-1.5-flash-001", "gemini-1.5-flash-002", false},
	} {
		if got := sameModel(tc.a, tc.b); got != tc.same {
			t.Errorf("%s and %s: got %t, want %t", tc.a, tc.b, got, tc.same)
		}
	}
}
