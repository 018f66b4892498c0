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

// tariff is what an option is charged at one time, and the rows of the price book that this is from.
type tariff struct {
	decide.Tariff

	Rows []model.PriceSource `json:"rows"` // none in what an early version kept
}

// standing is what options are charged, and since when.
type standing struct {
	Since   time.Time         `json:"since"` // the evaluation that found it
	Options map[string]tariff `json:"options"`
}

// standingOf reads what the ledger holds of an evaluation before; an early version kept the options alone.
func standingOf(row []byte) (s standing, err error) {
	if row == nil {
		return s, nil
	}
	if err := json.Unmarshal(row, &s); err == nil && s.Options != nil {
		return s, nil
	}
	s = standing{}
	err = json.Unmarshal(row, &s.Options)
	return s, err
}

// tellPrices compares what options are charged with the evaluation before, whatever happened in between, and looks at the changes that are
// known ahead for as long as a move takes. Each change is one message, if it changes an answer or the cost by policy.drift_usd. What changes back because
// the clock has gone back is nobody's news.
func (d *Daemon) tellPrices(now time.Time) error {
	options := d.setup.cfg.Options
	is := standing{Since: now, Options: map[string]tariff{}}
	for _, o := range options {
		is.Options[o.Name] = tariff{o.TariffAt(now), o.Prices}
	}
	row, err := d.options.Store.Get(ledger.Bucket, tariffsKey)
	if err != nil {
		return fmt.Errorf("tariffs: %w", err)
	}
	before, err := standingOf(row)
	if err != nil {
		d.options.Log.Error("tariffs of the evaluation before cannot be read; changes since then are not told", "error", err)
	}
	if now.Before(before.Since) {
		d.options.Log.Warn("the clock has gone back; changes of prices since then are not told", "since", before.Since)
		before = standing{}
	}
	past := newChange(now, true)
	var moves []model.PriceMove
	for _, o := range options {
		if old, known := before.Options[o.Name]; known {
			if differ := decide.Moves(o.Name, old.Tariff, is.Options[o.Name].Tariff); len(differ) > 0 {
				moves = append(moves, differ...)
				past.add(o.Name, old, is.Options[o.Name])
			}
		}
	}
	rows := map[string][]byte{}
	if same, err := sameTariffs(before, is); err != nil {
		return fmt.Errorf("tariffs: %w", err)
	} else if !same {
		if rows[tariffsKey], err = json.Marshal(is); err != nil {
			return fmt.Errorf("tariffs: %w", err)
		}
	}
	if err := d.tellPrice(model.PriceEvent{From: now.Format(time.DateOnly), Moves: moves}, past, rows, now); err != nil {
		return err
	}
	ahead := decide.Turning(options, now, now.Add(d.setup.cfg.LongestLeadTime()))
	for _, day := range slices.SortedFunc(maps.Keys(ahead), time.Time.Compare) {
		e := model.PriceEvent{From: day.Format(time.DateOnly), Ahead: true}
		then := newChange(day, false)
		for _, name := range slices.Sorted(maps.Keys(ahead[day])) {
			i := slices.IndexFunc(options, func(o decide.Option) bool { return o.Name == name })
			eve := options[i].TariffAt(day.Add(-time.Nanosecond))
			e.Moves = append(e.Moves, decide.Moves(name, eve, ahead[day][name])...)
			then.add(name, tariff{eve, options[i].Prices}, tariff{Tariff: ahead[day][name]})
		}
		if err := d.tellPrice(e, then, map[string][]byte{}, now); err != nil {
			return err
		}
	}
	return nil
}

// sameTariffs reports whether options are charged the same by a and b.
func sameTariffs(a, b standing) (bool, error) {
	x, err := json.Marshal(a.Options)
	if err != nil {
		return false, err
	}
	y, err := json.Marshal(b.Options)
	return bytes.Equal(x, y), err
}

// repricing is a change of prices with what its receipt is to hold of it.
type repricing struct {
	change  decide.Change
	grounds *ledger.Grounds
}

// newChange returns that at a time, of no option yet; past says that prices have changed.
func newChange(at time.Time, past bool) repricing {
	c := decide.Change{Tariffs: map[string]decide.Tariff{}, At: at, Past: past}
	return repricing{c, &ledger.Grounds{Change: &c, Standing: map[string]decide.Tariff{}}}
}

// add adds an option that is charged otherwise after r than before.
func (r repricing) add(option string, before, after tariff) {
	r.change.Tariffs[option], r.grounds.Standing[option] = after.Tariff, before.Tariff
	if r.change.Past {
		r.change.Tariffs[option], r.grounds.Standing[option] = before.Tariff, after.Tariff
	}
	for _, p := range before.Rows {
		r.grounds.Rows = append(r.grounds.Rows, ledger.PriceRow{Option: option, Before: true, PriceSource: p})
	}
	for _, p := range after.Rows {
		r.grounds.Rows = append(r.grounds.Rows, ledger.PriceRow{Option: option, PriceSource: p})
	}
}

// tellPrice writes rows to the ledger and queues the message of e, whose From, Ahead and Moves are known and which is the change of r, if it is worth one.
func (d *Daemon) tellPrice(e model.PriceEvent, r repricing, rows map[string][]byte, now time.Time) error {
	worth, err := d.repriced(&e, r, now)
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
	d.options.Log.Info("price change told", "from", e.From, "workloads", e.Workloads, "answers", len(e.Flips))
	if err := d.desk.Prices(e, r.grounds, d.fleetRoute(alerting.PricesMoved, ""), rows, now); err != nil {
		return fmt.Errorf("price changes: %w", err)
	}
	return nil
}

// repriced adds to e and to the grounds of r what the change does, and reports whether that is worth a message that was not sent before. What was told
// ahead is told again on its day only if answers change.
func (d *Daemon) repriced(e *model.PriceEvent, r repricing, now time.Time) (bool, error) {
	if len(e.Moves) == 0 {
		return false, nil
	}
	if told, err := d.desk.PricesTold(e.Moves, e.Ahead, now); told || err != nil {
		return false, err
	}
	foretold, err := d.desk.PricesTold(e.Moves, true, now)
	if err != nil {
		return false, err
	}
	does := r.change.Reprice(d.priced)
	does.From, does.Ahead, does.Moves = e.From, e.Ahead, e.Moves
	*e, r.grounds.Each, r.grounds.Bills = does.PriceEvent, does.Each, does.Bills
	return len(does.Flips) > 0 || !foretold && (does.Material || d.setup.cfg.Policy.Material(does.CostUSDPerMonth)), nil
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
