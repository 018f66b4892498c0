package config

import (
	"slices"
	"strings"
)

// A Route sends messages to a channel of their own.
type Route struct {
	Kinds        []string            // of messages; nil matches every kind
	Severities   []string            `json:",omitempty"` // of messages; nil matches every one
	Owners       []string            `json:",omitempty"` // of the workload that they are about, one of them; nil matches every one, and messages about no single one
	Match        map[string][]string // labels of that workload, each with the values of which it has one; nil as for Owners
	Source       string              // of that workload; empty means any
	SlackChannel string
}

// A Message is what of a message says where it goes. One about no single workload has neither an owner, labels nor a source.
type Message struct {
	Kind, Severity string
	Owner          string
	Labels         map[string]string
	Source         string
	Own            string // the channel of its workload or budget; empty for that of Notify.Slack
}

// Channel returns where m is wanted: what the first route that covers it says, otherwise its own channel.
func (c *Config) Channel(m Message) string {
	covers := func(some []string, one string) bool { return len(some) == 0 || slices.Contains(some, one) }
	for _, route := range c.Notify.Routes {
		of := covers(route.Kinds, m.Kind) && covers(route.Severities, m.Severity) && covers(route.Owners, m.Owner)
		if of && (Workload{Match: route.Match, Source: route.Source}).matches(m.Labels, m.Source) {
			return route.SlackChannel
		}
	}
	return m.Own
}

// kinds are those of the messages that a route can choose, as package alerting names them.
var kinds = []string{
	"approaching", "data_fault", "digest", "drifted", "first_seen", "no_option", "over_budget", "prices_moved", "reminded", "reopened", "returned", "switched",
}

// severities are those of messages, as package alerting names them.
var severities = []string{"info", "warning", "critical"}

func (r *reader) routes(raw *rawConfig, c *Config) (routes []Route) {
	for _, raws := range raw.Notify.Routes {
		if raws.At.node == nil {
			continue // not a mapping, which has been reported
		}
		// What a stanza of workloads may match, a route may.
		as := rawWorkload{At: raws.At, Match: raws.Match, Source: raws.Source, Notify: rawWorkloadNotify{SlackChannel: raws.SlackChannel}}
		r.matchable(raw.Sources, as)
		r.sourceAndChannel(as, c)
		route := Route{Match: r.match(raws.Match, raws.Source), Source: r.word(raws.Source), SlackChannel: r.channel(raws.SlackChannel)}
		if !raws.SlackChannel.given() {
			r.missing(raws.At, "slack_channel", `, want the name of a channel such as "#llm-platform" or its id`)
		}
		route.Kinds = r.someOf(raws.Kinds, "kind of message", kinds)
		route.Severities = r.someOf(raws.Severities, "severity", severities)
		owners := owners(raw)
		for _, s := range raws.Owners {
			owner := r.word(s)
			if !raw.Defaults.Labels.Owner.given() && !slices.Contains(owners, owner) {
				r.wrong(s.place, "no stanza of workloads has the owner %s%s", quote(owner), didYouMean(owner, owners))
			}
			route.Owners = append(route.Owners, owner)
		}
		if len(raws.Kinds)+len(raws.Severities)+len(raws.Owners) == 0 && route.Match == nil && route.Source == "" {
			r.wrong(raws.At, "covers every message: want kinds, severities, owners, match or source in it, or another channel in notify.slack (kinds: %s)", strings.Join(kinds, ", "))
		}
		routes = append(routes, route)
	}
	return routes
}

// someOf reads words each of which is one of all, which are called what.
func (r *reader) someOf(list []scalar, what string, all []string) (some []string) {
	for _, s := range list {
		one := s.text()
		if !slices.Contains(all, one) {
			r.wrong(s.place, "unknown %s %s%s", what, quote(one), didYouMean(one, all))
		}
		some = append(some, one)
	}
	return some
}

// owners returns those that the stanzas of workloads name.
func owners(raw *rawConfig) (all []string) {
	for _, w := range raw.Workloads {
		if name := w.Owner.text(); name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}
