package daemon

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tipline/collector"
	"tipline/config"
	"tipline/model"
)

// unattributedUnknown is the code of the warning that it is not known how many tokens no workload has.
const unattributedUnknown = "UNATTRIBUTED_UNKNOWN"

// Readers returns the sources of cfg on the server of s that read what m counts: by its pack, by one that reads the same series, or by queries that name its metrics.
func Readers(cfg *config.Config, s config.Source, m collector.Metered) []config.Source {
	return slices.DeleteFunc(slices.Clone(cfg.Sources), func(o config.Source) bool {
		switch {
		case cfg.Server(o) != cfg.Server(s):
			return true
		case o.Queries != nil:
			return !slices.ContainsFunc(m.Metrics, func(name string) bool { return strings.Contains(o.Queries.Input+o.Queries.Output, name) })
		}
		return o.Pack != m.Pack && !slices.Contains(m.Rivals, o.Pack)
	})
}

// A tally is what is counted at the layers of one server.
type tally struct {
	all, claimed map[collector.Layer]model.Tokens
}

func (t tally) add(at collector.Layer, all, claimed model.Tokens) {
	t.all[at], t.claimed[at] = t.all[at]+all, t.claimed[at]+min(all, claimed)
}

// most returns the tokens of the layer that counts most, and those of the layer at which workloads have most: what passes several is counted once.
func (t tally) most() (all, claimed model.Tokens) {
	for at := range t.all {
		all, claimed = max(all, t.all[at]), max(claimed, t.claimed[at])
	}
	return all, claimed
}

// lastDay returns the tokens that all series of s used in the last day, those included that a stanza drops.
func (d *Daemon) lastDay(s config.Source, now time.Time) (sum model.Tokens) {
	c := d.setup.sources[slices.IndexFunc(d.setup.sources, func(o source) bool { return o.cfg.Name == s.Name })].collector
	all, _ := c.Stored(now) // it was read a moment ago
	for _, u := range all {
		used, _ := c.ReadSince(u, now, now.Add(-24*time.Hour)).Between(now.Add(-24*time.Hour), now)
		sum += used.Total()
	}
	return sum
}

// unattributed asks every server what was counted in the last day and returns how much of it no workload has, by what sources are known to have; nil when that of one server is
// not known, with the reason, or when nothing was counted.
func (d *Daemon) unattributed(ctx context.Context, sources []model.SourceReport, now time.Time) (*model.Unattributed, *model.Warning) {
	cfg := d.setup.cfg
	unknown := func(s config.Source, why string) (*model.Unattributed, *model.Warning) {
		return nil, &model.Warning{Code: unattributedUnknown, Text: fmt.Sprintf("how many tokens no workload has is not known: source %s: %s", s.Name, why)}
	}
	reports := map[string]model.SourceReport{}
	for _, s := range sources {
		reports[s.Source] = s
	}
	u := model.Unattributed{At: []model.DarkTokens{}}
	for i, s := range cfg.Sources {
		if cfg.Server(s) != s.Name {
			continue // with the first source of the server
		}
		for _, o := range cfg.Sources {
			if cfg.Server(o) == s.Name && !reports[o.Name].Up {
				return unknown(o, "it was not read")
			}
		}
		settings := d.setup.sources[i].settings
		counted, err := collector.Counted(ctx, settings, now)
		if err != nil {
			return unknown(s, err.Error())
		}
		t := tally{map[collector.Layer]model.Tokens{}, map[collector.Layer]model.Tokens{}}
		own := map[string]model.Tokens{} // of sources with queries whose tokens are among those counted: those that are at no pack yet
		for _, m := range counted {
			var all, claimed model.Tokens
			for _, stream := range m.Streams {
				all += stream.Tokens()
			}
			if all == 0 {
				continue
			}
			dark := model.DarkTokens{Source: s.Name, Pack: m.Pack}
			readers := Readers(cfg, s, m)
			for _, r := range readers {
				dark.Source, dark.Read = r.Name, true
				if r.Queries != nil {
					continue
				}
				ratio := reports[r.Name].UnattributedTokensRatio
				if ratio == nil {
					return unknown(r, "what it leaves out is not known")
				}
				claimed = max(claimed, all*model.Tokens(1-*ratio)) // what its siblings have is not left out
			}
			for _, r := range readers {
				if r.Queries == nil {
					continue
				}
				if _, known := own[r.Name]; !known {
					own[r.Name] = d.lastDay(r, now)
				}
				// Queries may read several packs. What they have beyond all of one is of the next.
				here := min(own[r.Name], all-min(all, claimed))
				own[r.Name], claimed = own[r.Name]-here, claimed+here
			}
			description, err := settings.Library.Describe(m.Pack)
			if err != nil {
				return unknown(s, err.Error())
			}
			dark.Layer = string(description.Layer)
			t.add(description.Layer, all, claimed)
			if dark.Tokens = all - min(all, claimed); dark.Tokens > all/1000 { // less is rounding
				u.At = append(u.At, dark)
			}
		}
		for _, o := range cfg.Sources { // of which no pack knows what they read
			if _, known := own[o.Name]; cfg.Server(o) == s.Name && !known && o.Queries != nil {
				used := d.lastDay(o, now)
				t.add(collector.Layer(o.Queries.Layer), used, used)
			}
		}
		all, claimed := t.most()
		u.OfTokens, u.Tokens = u.OfTokens+all, u.Tokens+all-claimed
	}
	if u.OfTokens == 0 {
		return nil, nil
	}
	u.Ratio = model.Fraction(u.Tokens / u.OfTokens)
	slices.SortStableFunc(u.At, func(a, b model.DarkTokens) int { return cmp.Compare(b.Tokens, a.Tokens) })
	return &u, nil
}
