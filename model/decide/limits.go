package decide

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"tipline/model"
	"tipline/model/cost"
)

// Limits is what a managed endpoint takes as one request (cost model, section 5).
type Limits struct {
	Duration      time.Duration // in which it must be answered; 0 when not known
	PayloadBytes  *big.Rat      // of its body; nil when not known
	BytesPerToken *big.Rat      // of the prompts
	Source        string        // who says so
}

// within returns an error when requests of the workload are certain to be above the limits of o, of which a replica serves tokensPerHour at
// maximum load. It warns of what it cannot tell: a replica serves many requests at once, so that one takes longer than its share of the time.
func (p *plan) within(o Option, tokensPerHour *big.Rat) error {
	l := o.Limits
	if l == nil {
		return nil
	}
	var untold []string
	if l.Duration > 0 {
		least, why := p.leastTime(tokensPerHour)
		if least > l.Duration {
			return fmt.Errorf("a mean request takes a replica of %s %s at least, and %s is the limit: %s", o.Name, least.Round(time.Millisecond), short(l.Duration), l.Source)
		}
		untold = append(untold, fmt.Sprintf("whether requests are answered in %s (%s)", short(l.Duration), why))
	}
	if l.PayloadBytes != nil {
		why, fits, err := p.payload(o)
		if err != nil {
			return err
		}
		if !fits {
			untold = append(untold, why)
		}
	}
	if len(untold) > 0 {
		p.warn("ENDPOINT_LIMITS", "of the limits of %s (%s) it is not certain %s", o.Name, l.Source, strings.Join(untold, ", nor "))
	}
	return nil
}

// short writes d without what is zero behind it, such as 1h.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// leastTime returns how long a mean request takes at least, 0 when that is not known, and says so.
func (p *plan) leastTime(tokensPerHour *big.Rat) (least time.Duration, why string) {
	if p.demand.perRequest == nil {
		return 0, "how many tokens they have is not known"
	}
	hours := float(new(big.Rat).Quo(p.demand.perRequest, tokensPerHour))
	least = time.Duration(min(hours, 1e6) * float64(time.Hour))
	return least, fmt.Sprintf("a mean one takes %s of a replica, and longer by what runs beside it, which is not known", least.Round(time.Millisecond))
}

// payload reports whether all prompts fit the payload of o, and says why that is not certain. The error says that some do not.
func (p *plan) payload(o Option) (why string, fits bool, err error) {
	l := o.Limits
	most := new(big.Rat).Quo(l.PayloadBytes, orOne(l.BytesPerToken)) // tokens
	size := fmt.Sprintf("%s bytes, which are %s tokens of %s each", cost.Decimal(l.PayloadBytes), tokensText(most), cost.Decimal(orOne(l.BytesPerToken)))
	if p.demand.prompts != nil {
		if above, _, known := p.demand.prompts.Above(float(most)); known {
			if above.Low > 0 {
				return "", false, fmt.Errorf("%s of the prompts of the last day are above the %s that %s takes: %s", between(above), size, o.Name, l.Source)
			}
			return fmt.Sprintf("whether all prompts fit %s (up to %s of those of the last day may not)", size, model.FormatPercent(above.High)), above.High == 0, nil
		}
	}
	if p.demand.perRequest == nil {
		return fmt.Sprintf("whether prompts fit %s (how many tokens they have is not known)", size), false, nil
	}
	mean := new(big.Rat).Sub(one, p.demand.mix[model.Output])
	if mean.Mul(mean, p.demand.perRequest).Cmp(most) > 0 {
		return "", false, fmt.Errorf("a mean prompt of %s tokens is above the %s that %s takes: %s", tokensText(mean), size, o.Name, l.Source)
	}
	return fmt.Sprintf("whether all prompts fit %s (a mean one has %s; how long the longest is, is not known)", size, tokensText(mean)), false, nil
}
