package config

import (
	"slices"
	"strings"
)

// A Route sends messages to a channel of their own.
type Route struct {
	Kinds        []string            // of messages; nil matches every kind
	Match        map[string][]string // labels of the workload that they are about, each with the values of which it has one; nil matches every one, and messages about no single one
	Source       string              // of that workload; empty means any
	SlackChannel string
}

// Channel returns where a message of kind about a workload with these labels of source is wanted: what the first route that covers it says,
// otherwise own, which is empty for the channel of Notify.Slack. A message about no single workload has neither labels nor source.
func (c *Config) Channel(kind string, labels map[string]string, source, own string) string {
	for _, route := range c.Notify.Routes {
		ofKind := len(route.Kinds) == 0 || slices.Contains(route.Kinds, kind)
		if ofKind && (Workload{Match: route.Match, Source: route.Source}).matches(labels, source) {
			return route.SlackChannel
		}
	}
	return own
}

// kinds are those of the messages that a route can choose, as package alerting names them.
var kinds = []string{
	"approaching", "data_fault", "digest", "drifted", "first_seen", "no_option", "over_budget", "prices_moved", "reminded", "reopened", "returned", "switched",
}

func (r *reader) routes(raw *rawConfig, c *Config) (routes []Route) {
	for _, raws := range raw.Notify.Routes {
		if raws.At.node == nil {
			continue // not a mapping, which has been reported
		}
		// What a stanza of workloads may match, a route may.
		as := rawWorkload{At: raws.At, Match: raws.Match, Source: raws.Source, Notify: rawWorkloadNotify{SlackChannel: raws.SlackChannel}}
		r.matchable(raw.Sources, as)
		r.sourceAndChannel(as, c)
		route := Route{Match: r.match(raws.Match), Source: r.word(raws.Source), SlackChannel: r.channel(raws.SlackChannel)}
		if !raws.SlackChannel.given() {
			r.missing(raws.At, "slack_channel", `, want the name of a channel such as "#llm-platform" or its id`)
		}
		for _, s := range raws.Kinds {
			kind := s.text()
			if !slices.Contains(kinds, kind) {
				r.wrong(s.place, "unknown kind of message %s%s", quote(kind), didYouMean(kind, kinds))
			}
			route.Kinds = append(route.Kinds, kind)
		}
		if len(raws.Kinds) == 0 && route.Match == nil && route.Source == "" {
			r.wrong(raws.At, "covers every message: want kinds, match or source in it, or another channel in notify.slack (kinds: %s)", strings.Join(kinds, ", "))
		}
		routes = append(routes, route)
	}
	return routes
}
