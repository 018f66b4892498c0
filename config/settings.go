package config

import (
	"math/big"
	"net/url"
	"regexp"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/robfig/cron/v3"

	"tipline/model/decide"
)

// Defaults of the schedule and the store.
const (
	defaultCollect  = "7 * * * *"
	defaultEvaluate = "0 6 * * *"
	defaultPrices   = "37 5 * * *"
	defaultTimeZone = "UTC"

	defaultStorePath = "data"
)

// defaultPolicy returns what holds where a configuration says nothing (cost model, sections 8, 11 and 18).
func defaultPolicy() decide.Policy {
	const day = 24 * time.Hour
	return decide.Policy{
		Enter:            big.NewRat(20, 100),
		Leave:            big.NewRat(10, 100),
		Confirmations:    3,
		ConfirmEvery:     day,
		MinSavingUSD:     big.NewRat(1000, 1),
		MinProbability:   big.NewRat(80, 100),
		MaxPaybackMonths: big.NewRat(12, 1),
		LeadTime:         90 * day,
		DiscountRate:     big.NewRat(8, 100),
		WaitMonths:       3,
		MinHistory:       7 * day,
		MaxPriceAge:      30 * day,
		DriftUSD:         big.NewRat(1000, 1),
	}
}

// policy reads what raw says otherwise than base.
func (r *reader) policy(raw rawPolicy, base decide.Policy) decide.Policy {
	number := func(value **big.Rat, s scalar, d demand) {
		if s.given() {
			*value = r.number(s, d)
		}
	}
	share := demand{"a probability from 0 to 1", share}
	usd := demand{"dollars per month, 0 or more", notNegative}
	ofCost := demand{"a share of the current cost, 0 or more and less than 1, such as 0.2 for 20%", belowOne}
	number(&base.Enter, raw.Enter, ofCost)
	number(&base.Leave, raw.Leave, ofCost)
	number(&base.MinSavingUSD, raw.MinSavingUSD, usd)
	number(&base.MinProbability, raw.MinProbability, share)
	number(&base.MaxPaybackMonths, raw.MaxPaybackMonths, demand{"months, more than 0", positive})
	number(&base.DiscountRate, raw.DiscountRate, demand{"a share a year, 0 or more and less than 1, such as 0.08 for 8%", belowOne})
	number(&base.DriftUSD, raw.DriftUSD, usd)
	base.Confirmations = int(r.whole(raw.Confirmations, "evaluations in a row", 1, int64(base.Confirmations)))
	base.WaitMonths = int(r.whole(raw.WaitMonths, "months", 0, int64(base.WaitMonths)))
	base.ConfirmEvery = r.duration(raw.ConfirmEvery, base.ConfirmEvery, true)
	base.LeadTime = r.duration(raw.LeadTime, base.LeadTime, true)
	base.MinHistory = r.duration(raw.MinHistory, base.MinHistory, true)
	base.MaxPriceAge = r.duration(raw.MaxPriceAge, base.MaxPriceAge, true)
	return base
}

func (r *reader) schedule(raw rawSchedule) Schedule {
	s := Schedule{Location: time.UTC}
	zone := defaultTimeZone
	if raw.TimeZone.given() {
		zone = r.word(raw.TimeZone)
	}
	// "Local" would make the schedule depend on the machine.
	location, err := time.LoadLocation(zone)
	switch {
	case zone == "":
	case err != nil || strings.EqualFold(zone, "local"):
		r.wrong(raw.TimeZone.place, "got %s, want a time zone such as UTC or Europe/Berlin", quote(zone))
	default:
		s.Location = location
	}
	s.Collect = r.cron(raw.Collect, defaultCollect)
	s.Evaluate = r.cron(raw.Evaluate, defaultEvaluate)
	s.Prices = r.cron(raw.Prices, defaultPrices)
	s.Digest = r.cron(raw.Digest, "")
	return s
}

// cron reads a cron spec that fires some day, or fallback when the key is absent.
func (r *reader) cron(s scalar, fallback string) string {
	if !s.given() {
		return fallback
	}
	spec := strings.TrimSpace(s.text())
	// The parser panics on a time zone without a spec after it, and schedule.time_zone holds for all of them.
	if strings.HasPrefix(spec, "TZ=") || strings.HasPrefix(spec, "CRON_TZ=") {
		r.wrong(s.place, "got %s, want a schedule without a time zone, which schedule.time_zone sets", quote(spec))
		return fallback
	}
	parsed, err := cron.ParseStandard(spec)
	if err != nil {
		r.wrong(s.place, `got %s, want a cron schedule of five fields such as "0 6 * * *", or @daily: %s`, quote(spec), redact(err.Error()))
		return fallback
	}
	// Any start will do: the parser looks five years ahead, and the 29th of February comes at least every eighth.
	if parsed.Next(time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		r.wrong(s.place, "got %s, which never fires", quote(spec))
		return fallback
	}
	return spec
}

func (r *reader) notify(raw rawNotify) Notify {
	var n Notify
	if raw.Slack != nil {
		n.Slack = r.slack(raw)
	}
	if raw.Webhook != nil {
		n.Webhook = r.webhook(raw.Webhook)
	}
	if a := raw.Alertmanager; a != nil {
		n.Alertmanager = &Alertmanager{URL: r.address(a.URL)}
		if !a.URL.given() {
			r.missing(a.At, "url", ", want the address of an Alertmanager, such as http://alertmanager:9093")
		}
	}
	n.Templates = r.templates(raw.Templates)
	return n
}

func (r *reader) webhook(raw *rawWebhook) *Webhook {
	w := Webhook{URL: r.address(raw.URL), URLFile: r.path(raw.URLFile), SecretFile: r.path(raw.SecretFile)}
	switch {
	case raw.URL.given() && raw.URLFile.given():
		r.wrong(raw.URLFile.place, "url is set too, want one of the two")
	case !raw.URL.given() && !raw.URLFile.given():
		r.wrong(raw.At, "want url, where to post, or url_file, the path of a file that holds it")
	}
	return &w
}

func (r *reader) slack(raw rawNotify) *Slack {
	s := Slack{
		TokenFile:      r.path(raw.Slack.TokenFile),
		WebhookURLFile: r.path(raw.Slack.WebhookURLFile),
		Channel:        r.channel(raw.Slack.Channel),
		APIURL:         r.address(raw.Slack.APIURL),
		AppTokenFile:   r.path(raw.Slack.AppTokenFile),
	}
	at := raw.Slack.At
	switch token, webhook := raw.Slack.TokenFile.given(), raw.Slack.WebhookURLFile.given(); {
	case token && webhook:
		r.wrong(raw.Slack.WebhookURLFile.place, "token_file is set too, want one of the two")
	case !token && !webhook:
		r.wrong(at, "want token_file, the path of a file that holds a bot token, or webhook_url_file")
	case webhook && raw.Slack.Channel.given():
		r.wrong(raw.Slack.Channel.place, "a webhook posts to the channel it was made for, want no channel")
	case webhook && raw.Slack.APIURL.given():
		r.wrong(raw.Slack.APIURL.place, "a webhook has a URL of its own, want no api_url")
	case webhook && raw.Slack.AppTokenFile.given():
		r.wrong(raw.Slack.AppTokenFile.place, "a webhook shows no buttons, want token_file beside it")
	case token && !raw.Slack.Channel.given():
		r.missing(at, "channel", `, want the name of a channel such as "#llm-cost" or its id`)
	}
	return &s
}

// channelName matches the name of a Slack channel or its id.
var channelName = regexp.MustCompile(`^#?[^\s#@<>&,:/]{1,80}$`)

func (r *reader) channel(s scalar) string {
	if !s.given() || holdsSecret(s.text()) {
		return ""
	}
	if !channelName.MatchString(s.text()) {
		r.wrong(s.place, `got %s, want the name of a channel such as "#llm-cost" or its id`, quote(s.text()))
		return ""
	}
	return s.text()
}

// mustURL returns an address that has been checked before.
func mustURL(address string) promconfig.URL {
	parsed, err := url.Parse(address)
	if err != nil {
		panic("config: " + err.Error())
	}
	return promconfig.URL{URL: parsed}
}
