package config

import (
	"net/url"
	"regexp"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/robfig/cron/v3"

	"tipline/model/decide"
)

// Defaults of the policy (cost model, sections 8, 11 and 18), the schedule and the store.
const (
	defaultEnter            = "0.20"
	defaultLeave            = "0.10"
	defaultConfirmations    = 3
	defaultConfirmEvery     = 24 * time.Hour
	defaultMinSavingUSD     = "1000"
	defaultMinProbability   = "0.80"
	defaultMaxPaybackMonths = "12"
	defaultLeadTime         = 90 * 24 * time.Hour
	defaultDiscountRate     = "0.08"
	defaultWaitMonths       = 3
	defaultMinHistory       = 7 * 24 * time.Hour
	defaultMaxPriceAge      = 30 * 24 * time.Hour
	defaultDriftUSD         = "1000"

	defaultCollect  = "7 * * * *"
	defaultEvaluate = "0 6 * * *"
	defaultPrices   = "37 5 * * *"
	defaultTimeZone = "UTC"

	defaultStorePath = "data"
)

func (r *reader) policy(raw rawPolicy) decide.Policy {
	ofCost := demand{"a share of the current cost, 0 or more and less than 1, such as 0.2 for 20 %", belowOne}
	return decide.Policy{
		Enter:            r.numberOr(raw.Enter, ofCost, defaultEnter),
		Leave:            r.numberOr(raw.Leave, ofCost, defaultLeave),
		Confirmations:    int(r.whole(raw.Confirmations, "evaluations in a row", 1, defaultConfirmations)),
		ConfirmEvery:     r.duration(raw.ConfirmEvery, defaultConfirmEvery, true),
		MinSavingUSD:     r.numberOr(raw.MinSavingUSD, demand{"dollars per month, 0 or more", notNegative}, defaultMinSavingUSD),
		MinProbability:   r.numberOr(raw.MinProbability, demand{"a probability from 0 to 1", share}, defaultMinProbability),
		MaxPaybackMonths: r.numberOr(raw.MaxPaybackMonths, demand{"months, more than 0", positive}, defaultMaxPaybackMonths),
		LeadTime:         r.duration(raw.LeadTime, defaultLeadTime, true),
		DiscountRate:     r.numberOr(raw.DiscountRate, demand{"a share a year, 0 or more and less than 1, such as 0.08 for 8 %", belowOne}, defaultDiscountRate),
		WaitMonths:       int(r.whole(raw.WaitMonths, "months", 0, defaultWaitMonths)),
		MinHistory:       r.duration(raw.MinHistory, defaultMinHistory, true),
		MaxPriceAge:      r.duration(raw.MaxPriceAge, defaultMaxPriceAge, true),
		DriftUSD:         r.numberOr(raw.DriftUSD, demand{"dollars per month, 0 or more", notNegative}, defaultDriftUSD),
	}
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
