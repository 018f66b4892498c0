package decide

import (
	"fmt"
	"strings"
	"time"

	"tipline/model"
)

// retired reports whether o counts as gone at t: a move takes lead, so from that long before its model is retired on nobody can move to
// it in time, and who is on it has to begin to leave.
func (o Option) retired(t time.Time, lead time.Duration) bool {
	return !o.Retires.IsZero() && !t.Before(o.Retires.Add(-lead))
}

// retires warns when the model of c, or of one of its parts, is retired within the months that are looked at.
func (c *costed) retires(options map[string]Option, in Input) {
	t := in.Forecast.Origin
	for _, part := range c.option.parts(options) {
		switch at := part.Retires; {
		case at.IsZero() || at.After(t.AddDate(0, monthsAhead+1, 0)):
		case !t.Before(at):
			c.warn("RETIRES", "the model of %s is served no more since %s", part.Name, at.Format(time.DateOnly))
		default:
			c.warn("RETIRES", "the model of %s is served until %s; a move away would have to begin by %s", part.Name,
				at.AddDate(0, 0, -1).Format(time.DateOnly), at.Add(-in.Policy.LeadTime).Format(time.DateOnly))
		}
	}
}

// maxRateAge is the age above which a measured throughput is doubted (cost model, section 18).
const maxRateAge = 180 * 24 * time.Hour

// aged warns when what is known of the prices of c, or of its throughput, is older than the policy wants. A number without a date, which
// the configuration gives, has no age.
func (c *costed) aged(in Input) {
	if in.Policy.MaxPriceAge == 0 {
		return
	}
	var price, rate model.PriceSource
	for _, p := range c.option.Prices {
		oldest := &price
		if strings.HasSuffix(p.Unit, perReplica) {
			oldest = &rate
		}
		if p.Date != "" && (oldest.Date == "" || p.Date < oldest.Date) {
			*oldest = p
		}
	}
	for _, old := range []struct {
		what string
		row  model.PriceSource
		most time.Duration
	}{{"price", price, in.Policy.MaxPriceAge}, {"throughput", rate, maxRateAge}} {
		looked, err := time.Parse(time.DateOnly, old.row.Date)
		if age := in.Forecast.Origin.Sub(looked); err == nil && age > old.most {
			c.warn("PRICE_OLD", "the %s of %s was looked up on %s, %s ago, want %s at most", old.what, old.row.Item,
				model.FormatDate(looked), days(age), days(old.most))
		}
	}
}

func days(d time.Duration) string { return fmt.Sprintf("%d days", d/(24*time.Hour)) }
