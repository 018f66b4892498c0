package collector

import (
	"cmp"
	"context"
	"slices"
	"time"

	"tipline/model"
)

// An extra is what a collection asks beside the hours. What cannot be asked is a warning; the error is about the history, which was not written.
type extra struct {
	exprs []string
	ask   func(ctx context.Context, now time.Time, r *Result) ([]model.Warning, error)
}

// extras returns all that c asks beside the hours.
func (c *Collector) extras() []extra {
	about := func(ask func(context.Context, time.Time, []model.Usage) []model.Warning, exprs ...string) extra {
		return extra{exprs, func(ctx context.Context, now time.Time, r *Result) ([]model.Warning, error) {
			if len(r.Usage) == 0 {
				return nil, nil
			}
			return ask(ctx, now, r.Usage), nil
		}}
	}
	return []extra{
		{[]string{c.queries.served}, func(ctx context.Context, now time.Time, _ *Result) ([]model.Warning, error) {
			return c.fetchServing(ctx, now, c.planServing(now, false))
		}},
		{[]string{c.queries.versions}, func(ctx context.Context, now time.Time, _ *Result) ([]model.Warning, error) {
			c.askVersions(ctx, now)
			return nil, nil
		}},
		about(c.addDevices, c.queries.devices),
		about(c.addTTFT, c.queries.ttft),
		{[]string{c.queries.gpu, c.queries.cost}, func(ctx context.Context, now time.Time, r *Result) (notes []model.Warning, _ error) {
			if len(r.Usage) > 0 {
				r.GPUsFree, notes = c.addGPUs(ctx, now, r.Usage)
				notes = append(notes, c.addCosts(ctx, now, r.Usage)...) // of those that are there
			}
			return notes, nil
		}},
		about(c.addPrompts, c.queries.prompts),
		about(c.addDaily, c.queries.daily),
		{[]string{c.queries.watched, c.queries.scrapes}, func(ctx context.Context, now time.Time, r *Result) (notes []model.Warning, _ error) {
			notes, r.Missing = c.lookDaily(ctx, now)
			return notes, nil
		}},
		about(func(ctx context.Context, now time.Time, _ []model.Usage) []model.Warning { return c.askTypes(ctx, now) }),
		{[]string{c.queries.dark}, func(ctx context.Context, now time.Time, r *Result) (notes []model.Warning, _ error) {
			r.Unattributed, notes = c.unattributed(ctx, now, r.Usage)
			return notes, nil
		}},
	}
}

// inTurn returns the extras in the order in which they are to be asked: what failed when it was last asked comes last, and of that what has waited longest first. So those that a server has no time for
// keep the others from being asked once, and not for ever.
func (c *Collector) inTurn() []extra {
	failed := func(e extra) (last int) {
		for _, expr := range e.exprs {
			last = max(last, c.client.failedLast(expr))
		}
		return last
	}
	all := c.extras()
	slices.SortStableFunc(all, func(a, b extra) int { return cmp.Compare(failed(a), failed(b)) })
	return all
}
