package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"tipline/alerting"
	"tipline/cmd/internal/ledger"
	"tipline/cmd/internal/pricelist"
	"tipline/collector"
	"tipline/config"
	"tipline/model"
	"tipline/model/decide"
)

// tariffsKey is the row of the ledger that holds what every option was charged at the last evaluation.
const tariffsKey = "tariffs"

// tellPrices compares what options are charged with the evaluation before, whatever happened in between, and looks at the changes that are
// known ahead for as long as a move takes. Each change is one message, if it changes an answer or the cost by policy.drift_usd.
func (d *Daemon) tellPrices(now time.Time) error {
	options := d.setup.cfg.Options
	standing := map[string]decide.Tariff{}
	for _, o := range options {
		standing[o.Name] = o.TariffAt(now)
	}
	data, err := json.Marshal(standing)
	if err != nil {
		return fmt.Errorf("tariffs: %w", err)
	}
	row, err := d.options.Store.Get(ledger.Bucket, tariffsKey)
	if err != nil {
		return fmt.Errorf("tariffs: %w", err)
	}
	var before map[string]decide.Tariff
	if row != nil {
		if err := json.Unmarshal(row, &before); err != nil {
			d.options.Log.Error("tariffs of the evaluation before cannot be read; changes since then are not told", "error", err)
		}
	}
	was := map[string]decide.Tariff{}
	var moves []model.PriceMove
	for _, o := range options {
		if old, known := before[o.Name]; known {
			if differ := decide.Moves(o.Name, old, standing[o.Name]); len(differ) > 0 {
				was[o.Name], moves = old, append(moves, differ...)
			}
		}
	}
	rows := map[string][]byte{}
	if !bytes.Equal(row, data) {
		rows[tariffsKey] = data
	}
	if err := d.tellPrice(model.PriceEvent{From: now.Format(time.DateOnly), Moves: moves}, was, rows, now, now); err != nil {
		return err
	}
	ahead := decide.Turning(options, now, now.Add(d.setup.cfg.LongestLeadTime()))
	for _, day := range slices.SortedFunc(maps.Keys(ahead), time.Time.Compare) {
		e := model.PriceEvent{From: day.Format(time.DateOnly), Ahead: true}
		for _, name := range slices.Sorted(maps.Keys(ahead[day])) {
			i := slices.IndexFunc(options, func(o decide.Option) bool { return o.Name == name })
			e.Moves = append(e.Moves, decide.Moves(name, options[i].TariffAt(day.Add(-time.Nanosecond)), ahead[day][name])...)
		}
		if err := d.tellPrice(e, ahead[day], map[string][]byte{}, day, now); err != nil {
			return err
		}
	}
	return nil
}

// tellPrice writes rows to the ledger and queues the message of e, whose From, Ahead and Moves are known, if it is worth one. tariffs are
// what the options are charged on the other side of the change, at that time.
func (d *Daemon) tellPrice(e model.PriceEvent, tariffs map[string]decide.Tariff, rows map[string][]byte, at, now time.Time) error {
	does, worth, err := d.repriced(e, tariffs, at, now)
	if err != nil {
		return fmt.Errorf("price changes: %w", err)
	}
	if !worth {
		unknown := slices.ContainsFunc(d.priced, func(j decide.Judged) bool {
			_, known := j.Verdict.Input()
			return !known
		})
		if len(rows) == 0 || len(e.Moves) > 0 && unknown { // what it does to those is found when they are known again
			return nil
		}
		return d.options.Store.Apply(map[string]map[string][]byte{ledger.Bucket: rows})
	}
	for _, f := range does.Flips {
		if receipt := d.written(f.Receipt); receipt != nil {
			rows[f.Receipt] = receipt
		}
	}
	d.options.Log.Info("price change told", "from", e.From, "workloads", does.Workloads, "answers", len(does.Flips))
	if err := d.desk.Prices(does, d.fleetRoute(alerting.PricesMoved, ""), rows, now); err != nil {
		return fmt.Errorf("price changes: %w", err)
	}
	return nil
}

// repriced returns e with what the change does, and whether that is worth a message that was not sent before. What was told ahead is told
// again on its day only if answers change.
func (d *Daemon) repriced(e model.PriceEvent, tariffs map[string]decide.Tariff, at, now time.Time) (model.PriceEvent, bool, error) {
	if len(e.Moves) == 0 {
		return e, false, nil
	}
	if told, err := d.desk.PricesTold(e.Moves, e.Ahead, now); told || err != nil {
		return e, false, err
	}
	foretold, err := d.desk.PricesTold(e.Moves, true, now)
	if err != nil {
		return e, false, err
	}
	does, material := decide.Reprice(d.priced, tariffs, at, !e.Ahead)
	does.From, does.Ahead, does.Moves = e.From, e.Ahead, e.Moves
	return does, len(does.Flips) > 0 || !foretold && (material || d.setup.cfg.Policy.Material(does.CostUSDPerMonth)), nil
}

// RefreshPrices brings the copies of price lists up to date. New prices are put in force as by a reload; a list that cannot be fetched is
// named in the log and in the report, and the copy there is stays in force.
func (d *Daemon) RefreshPrices(ctx context.Context) {
	d.mu.Lock()
	in := d.setup
	d.mu.Unlock()
	var stale []model.Warning
	fresh := false
	for _, list := range in.cfg.Lists {
		now := d.options.Now().UTC()
		changed, bad, err := in.refresh(ctx, list, now)
		if ctx.Err() != nil {
			return
		}
		for _, q := range bad {
			d.options.Log.Debug("price quarantined", "list", list.Name, "item", q.Item, "field", q.Field, "value", q.Value, "reason", q.Reason)
			if list.From == config.OpenCost || in.charges(q.Item) {
				stale = append(stale, quarantined(q))
			}
		}
		if err != nil {
			d.options.Log.Error("prices not refreshed", "list", list.Name, "error", err)
			stale = append(stale, model.Warning{Code: "PRICES_NOT_REFRESHED", Text: err.Error()})
			continue
		}
		d.options.Log.Info("prices refreshed", "list", list.Name, "changed", changed, "quarantined", len(bad))
		fresh = fresh || changed || in.checked(list.Name) != now.Format(time.DateOnly) // an old price that was looked at again is not old
	}
	d.mu.Lock()
	d.stale = stale
	d.mu.Unlock()
	if !fresh {
		return
	}
	if err := d.Reload(); err != nil {
		d.options.Log.Error("new prices are not in force", "error", err)
	}
}

// refresh brings the copy of one list up to date.
func (s *setup) refresh(ctx context.Context, list config.PriceSource, now time.Time) (changed bool, bad []config.Quarantined, err error) {
	if list.From != config.OpenCost {
		return pricelist.Refresh(ctx, list, s.cfg.Confirmed, now)
	}
	i := slices.IndexFunc(s.sources, func(from source) bool { return from.cfg.Name == list.Source })
	samples, err := s.sources[i].collector.Ask(ctx, pricelist.NodePrices(collector.Matchers(list.Select)), now) // config has looked whether there is one
	if err != nil {
		return false, nil, fmt.Errorf("price list %s: %w", list.Name, err)
	}
	var found []config.NodePrice
	for _, sample := range samples {
		found = append(found, pricelist.NodePrice(sample.Labels, sample.Value))
	}
	return pricelist.RefreshOpenCost(list, found, s.cfg.Confirmed, now)
}

// charges reports whether an option is charged by a price of item.
func (s *setup) charges(item string) bool {
	return slices.ContainsFunc(s.cfg.Options, func(o decide.Option) bool {
		return slices.ContainsFunc(o.Prices, func(p model.PriceSource) bool { return p.Item == item })
	})
}

// checked returns the day on which the book in force that is called name was looked at, empty when there is none.
func (s *setup) checked(name string) string {
	for _, b := range s.cfg.Books {
		if b.Book == name {
			return b.Checked
		}
	}
	return ""
}

// quarantined says that q is not believed.
func quarantined(q config.Quarantined) model.Warning {
	return model.Warning{Code: "PRICE_QUARANTINED", Text: fmt.Sprintf("the price %s of %s %s is not believed: %s", q.Value, q.Item, q.Field, q.Reason)}
}
