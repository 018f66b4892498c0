package alerting

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"tipline/model"
)

// readme guards README.md while tests write to it.
var readme sync.Mutex

// holdREADME holds README.md to what it says between the marks of name, or writes it there with -update.
func holdREADME(t *testing.T, name, want string) {
	t.Helper()
	readme.Lock()
	defer readme.Unlock()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	from, to := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	head, rest, _ := strings.Cut(string(text), from)
	was, tail, found := strings.Cut(rest, to)
	switch {
	case !found:
		t.Fatalf("README.md has no part %q", name)
	case *update:
		if err := os.WriteFile("README.md", []byte(head+from+want+to+tail), 0o600); err != nil {
			t.Fatal(err)
		}
	case was != want:
		t.Errorf("README.md says\n%s\nthe code says\n%s", was, want)
	}
}

// place names what is confirmed in s.
func place(s State) string {
	if s.swings() {
		return "unstable"
	}
	switch s.Standing {
	case "":
		return "no verdict yet"
	case s.Current:
		return "stay"
	case none:
		return "no option"
	}
	if s.Blocked {
		return "must move to " + s.Standing
	}
	return "move to " + s.Standing
}

// TestTransitions goes from every state through everything that can happen, and holds the table and the picture of README.md to it.
func TestTransitions(t *testing.T) {
	t.Parallel()
	// confirm lets as many evaluations as the policy wants follow each other.
	confirm := func(s State, w model.WorkloadReport) (State, Reason) {
		var why Reason
		for range policy.Confirmations {
			at := morning
			if !s.Counted.IsZero() {
				at = s.Counted.Add(policy.ConfirmEvery)
			}
			s, why = s.Next(w, at, policy)
		}
		return s, why
	}
	says := func(c rune) func(State) (State, Reason) {
		return func(s State) (State, Reason) { return confirm(s, answers(c)) }
	}
	agree := func(c rune) func(State) (State, Reason) {
		return func(s State) (after State, why Reason) {
			after = s
			for s.swings() && why != Switched && why != Returned {
				after, why = after.Next(answers(c), after.Counted.Add(policy.ConfirmEvery), policy)
			}
			return after, why
		}
	}
	names := func(current string) func(State) (State, Reason) {
		return func(s State) (State, Reason) {
			w := answers('S')
			w.Current = current
			return s.Next(w, s.Counted.Add(policy.ConfirmEvery), policy)
		}
	}
	happens := []struct {
		name string
		do   func(State) (State, Reason)
	}{
		{"evaluations say stay, and X saves less than `policy.enter`", says('x')},
		{"evaluations say stay, and X loses `policy.leave`", says('z')},
		{"evaluations say X", says('X')},
		{"evaluations say Y, hardly cheaper than X", says('y')},
		{"evaluations say Y, cheaper than X by `policy.enter`", says('Y')},
		{"the current option may not serve the workload, and evaluations say X", says('B')},
		{"no option may serve the workload", says('0')},
		{"the verdict is not known", says('?')},
		{"the verdict changes for the fourth time within 14 days", func(s State) (State, Reason) {
			if s.Standing == "" || s.swings() {
				return s, ""
			}
			for i := range s.Changed {
				s.Changed[i] = s.Counted.AddDate(0, 0, 2*(i-mostChanges))
			}
			to := 'X'
			if s.Standing == "X" {
				to = 'z'
			}
			return confirm(s, answers(to))
		}},
		{"evaluations agree with stay on seven days", agree('z')},
		{"evaluations agree with X on seven days", agree('X')},
		{"the configuration or an answer names X as the current option", names("X")},
		{"the configuration names another current option", names("other")},
		{"a person rules out X", func(s State) (State, Reason) { return s.Declined("X"), "" }},
	}
	begun := State{Current: "now"}
	settled, _ := says('S')(begun)
	moving, _ := says('X')(begun)
	must, _ := says('B')(begun)
	nothing, _ := says('0')(begun)
	swinging := begun
	for _, c := range "XzXz" {
		swinging, _ = confirm(swinging, answers(c))
	}
	from := []State{begun, settled, moving, must, nothing, swinging}

	var table strings.Builder
	edges := map[[2]string][]string{}
	table.WriteString("| what happens |")
	for _, s := range from {
		fmt.Fprintf(&table, " %s |", place(s))
	}
	table.WriteString("\n|---" + strings.Repeat("|---", len(from)) + "|\n")
	for _, h := range happens {
		fmt.Fprintf(&table, "| %s |", h.name)
		for _, s := range from {
			after, why := h.do(s)
			if place(after) == place(s) && (why == "" || why == Unchanged || why == NoData) {
				table.WriteString(" – |")
				continue
			}
			cell, label := place(after), string(why)
			switch {
			case why == "":
				label = "ruled out"
			case why.Notify():
				cell += " **`" + label + "`**"
			default:
				cell += " `" + label + "`"
			}
			fmt.Fprintf(&table, " %s |", cell)
			if e := [2]string{place(s), place(after)}; !slices.Contains(edges[e], label) {
				edges[e] = append(edges[e], label)
			}
		}
		table.WriteString("\n")
	}
	holdREADME(t, "transitions", table.String()+"\n"+picture("no_verdict_yet", edges))
}

// picture draws edges, which hold what leads from one state to another, as a Mermaid diagram that begins at first.
func picture(first string, edges map[[2]string][]string) string {
	var lines []string
	for e, labels := range edges {
		lines = append(lines, fmt.Sprintf("    %s --> %s: %s\n", node(e[0]), node(e[1]), strings.Join(labels, ", ")))
	}
	slices.Sort(lines)
	return "```mermaid\nstateDiagram-v2\n    [*] --> " + first + "\n" + strings.Join(lines, "") + "```\n"
}

// node returns the name of a state in a diagram, which may hold no spaces.
func node(place string) string { return strings.ReplaceAll(place, " ", "_") }
