package config

import "tipline/model"

// Budget is what workloads may cost together in a calendar month.
type Budget struct {
	Name         string
	USDPerMonth  model.USD
	Match        map[string][]string // labels, each with the values of which its workloads have one; nil matches every workload of Source
	Source       string              // the only source of its workloads; empty means any
	SlackChannel string              // empty means the channel of Notify.Slack
}

// Covers reports whether a workload with these labels of that source counts.
func (b Budget) Covers(labels map[string]string, source string) bool {
	return Workload{Match: b.Match, Source: b.Source}.matches(labels, source)
}

func (r *reader) budgets(raw *rawConfig, c *Config) (budgets []Budget) {
	lines := map[string]int{}
	for _, b := range raw.Budgets {
		if b.At.node == nil {
			continue // not a mapping, which has been reported
		}
		// What a stanza of workloads may match, a budget may.
		as := rawWorkload{At: b.At, Match: b.Match, Source: b.Source, Notify: b.Notify}
		r.matchable(raw.Sources, as)
		r.sourceAndChannel(as, c)
		budget := Budget{Name: r.name(b.Name, b.At, lines), Match: r.match(b.Match, b.Source), Source: r.word(b.Source), SlackChannel: r.channel(b.Notify.SlackChannel)}
		if !b.USDPerMonth.given() {
			r.missing(b.At, "usd_per_month", ", want dollars per calendar month")
		}
		if usd := r.number(b.USDPerMonth, demand{"dollars per calendar month, more than 0", positive}); usd != nil {
			value, _ := usd.Float64()
			budget.USDPerMonth = model.USD(value)
		}
		budgets = append(budgets, budget)
	}
	return budgets
}
