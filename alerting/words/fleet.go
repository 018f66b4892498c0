package words

import (
	"fmt"
	"strings"

	"tipline/alerting"
	"tipline/model"
)

// faulty says in one sentence whose data cannot be used, and to whom messages do not arrive.
func faulty(faults []model.DataFault) string {
	var sources, workloads, notifiers []string
	for _, f := range faults {
		switch {
		case f.Notifier != "":
			notifiers = append(notifiers, f.Notifier)
		case f.Workload == "":
			sources = append(sources, f.Source)
		default:
			workloads = append(workloads, f.Workload)
		}
	}
	var parts []string
	for _, p := range []struct {
		names []string
		what  string
		are   string
	}{{sources, "source", "cannot be read"}, {workloads, "workload", "has numbers that cannot be trusted"}, {notifiers, "notifier", "has messages that do not arrive"}} {
		switch n := len(p.names); n {
		case 0:
		case 1:
			parts = append(parts, fmt.Sprintf("%s %s %s", p.what, Clean(p.names[0], 40), p.are))
		default:
			parts = append(parts, fmt.Sprintf("%s %s", count(n, p.what), strings.Replace(p.are, "has ", "have ", 1)))
		}
	}
	return strings.TrimSuffix(Sentence(strings.Join(parts, ", and ")), ".")
}

// Faults says every fault and what it means, a sentence a line.
func Faults(faults []model.DataFault) []string {
	var lines []string
	data := false // one is of it, and not of messages
	for n, f := range faults {
		if n == most {
			lines = append(lines, fmt.Sprintf("And %d more in the report.", len(faults)-n))
			break
		}
		of := "Source " + Clean(f.Source, MaxName)
		switch {
		case f.Notifier != "":
			of = "Messages to " + Clean(f.Notifier, MaxName)
		case f.Workload != "":
			of = Clean(f.Workload, MaxName) + " (source " + Clean(f.Source, MaxName) + ")"
		}
		data = data || f.Notifier == ""
		lines = append(lines, fmt.Sprintf("%s: %s (%s).", of, strings.TrimSuffix(Clean(f.Text, MaxLine), "."), f.Code))
	}
	if data {
		lines = append(lines, "Verdicts that rest on it stand as they were until it is right again.")
	}
	return lines
}

// summed says in one sentence how many workloads have something to decide.
func summed(s alerting.Storm) string {
	var parts []string
	for _, c := range []struct {
		n    int
		what string
	}{
		{s.Count[alerting.NoOption], "without an option"},
		{s.Count[alerting.Blocked], "that must move"},
		{s.Count[alerting.FirstSeen] + s.Count[alerting.Switched], "to move"},
		{s.Count[alerting.Returned], "to stay after all"},
		{s.Count[alerting.Approaching], "coming near a threshold"},
		{s.Count[alerting.Ends], "whose commitment ends"},
		{s.Count[alerting.Unstable], "unstable"},
		{s.Count[alerting.Drifted], "with a drift"},
		{s.Count[alerting.WorkloadNew], "new"},
		{s.Count[alerting.WorkloadGone], "not measured any more"},
		{s.Count[alerting.Reopened], "that save less than promised"},
		{s.Count[alerting.Reminded], "to be reminded of"},
	} {
		if n := c.n; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, c.what))
		}
	}
	return fmt.Sprintf("%d workloads have news at once: %s", s.Size(), strings.Join(parts, ", "))
}

// Summed says what s stands for, those that save most first, a sentence a line.
func Summed(s alerting.Storm) []string {
	var lines []string
	for _, e := range s.Named {
		lines = append(lines, fmt.Sprintf("%s (receipt %s).", Headline(e), e.Report.Decision.ID))
	}
	if more := s.Size() - len(s.Named); more > 0 {
		lines = append(lines, fmt.Sprintf("And %d more in the report.", more))
	}
	return append(lines, "So many at once have a common cause more often than not: a price, a change of the configuration, or what a source counts.")
}
