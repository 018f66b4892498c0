package daemon

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	promconfig "github.com/prometheus/common/config"

	"tipline/alerting"
	"tipline/alerting/alertmanager"
	"tipline/alerting/chart"
	"tipline/alerting/slack"
	"tipline/alerting/templates"
	"tipline/alerting/webhook"
	"tipline/collector"
	"tipline/config"
	"tipline/model"
	"tipline/model/decide"
)

// setup is one configuration made ready to use. It is replaced as a whole at a reload.
type setup struct {
	cfg       *config.Config
	sources   []source
	notifiers []alerting.Notifier
	board     *alertmanager.Board           // nil shows nothing
	socket    *slack.Notifier               // has buttons to listen to; nil when none has
	broken    atomic.Pointer[model.Warning] // the last template that could not say a message; nil when all could
}

type source struct {
	cfg       config.Source
	settings  collector.Settings
	collector *collector.Collector
}

// prepare makes cfg ready to use; it opens no connection.
func (d *Daemon) prepare(cfg *config.Config) (*setup, error) {
	s := &setup{cfg: cfg}
	library, err := collector.OpenLibrary(cfg.PacksDir)
	if err != nil {
		return nil, err
	}
	shared := servers(cfg.Sources)
	for _, sc := range cfg.Sources {
		one, err := d.newSource(sc, shared[origin(sc)], cfg.Siblings(sc), library)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", sc.Name, err)
		}
		s.sources = append(s.sources, one)
	}
	if s.notifiers, err = Notifiers(cfg.Notify, d.options.Now, d.draws()); err != nil {
		return nil, err
	}
	for _, n := range s.notifiers {
		if to, ok := n.(*slack.Notifier); ok && to.Listens() {
			s.socket = to
		}
	}
	if ac := cfg.Notify.Alertmanager; ac != nil {
		s.board = Board(*ac)
	}
	own, err := Templates(cfg.Notify)
	if err != nil {
		return nil, err
	}
	s.notifiers = append(s.notifiers, d.options.Notifiers...)
	for i, n := range s.notifiers {
		s.notifiers[i] = counted{worded{n, own, func(e alerting.Event, err error) {
			d.panicked(inTemplate, err, "event", e.ID)
			d.options.Log.Error("template broken; the message is said in the built-in words", "event", e.ID, "error", err)
			d.metrics.templateFailures.Inc()
			s.broken.Store(&model.Warning{Code: "TEMPLATE_BROKEN", Text: "a message was said in the built-in words, since its template could not: " + err.Error()})
		}}, d}
	}
	return s, nil
}

// draws returns what draws charts, a panic in which is counted and costs the picture alone; nil where there are none.
func (d *Daemon) draws() func(io.Writer, *chart.Chart) error {
	if d.options.Draw == nil {
		return nil
	}
	return func(out io.Writer, c *chart.Chart) (err error) {
		if !d.guarded(inMessage, func() { err = d.options.Draw(out, c) }, "chart", c.Title) {
			return errPanicked
		}
		return err
	}
}

// Templates returns those of n, each of which can say a message of every kind that it covers; the error is a config.Problems.
func Templates(n config.Notify) (templates.List, error) {
	var all templates.List
	var wrong config.Problems
	for _, t := range n.Templates {
		for _, part := range []struct {
			at             config.Phrase
			headline, body string
		}{{t.Headline, t.Headline.Text, ""}, {t.Body, "", t.Body.Text}} {
			one, err := templates.New(t.Kinds, part.headline, part.body)
			if err == nil {
				err = one.Try()
			}
			if err != nil {
				wrong = append(wrong, part.at.Wrong(err))
			}
		}
		whole, err := templates.New(t.Kinds, t.Headline.Text, t.Body.Text)
		if err == nil {
			all = append(all, whole)
		}
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return all, nil
}

// worded is a Notifier to which messages go in the words of templates.
type worded struct {
	alerting.Notifier
	own    templates.List
	broken func(alerting.Event, error) // is told of a message that no template could say
}

// Send delivers e in the words of the template that covers it, or in the built-in ones if that cannot say it.
func (w worded) Send(ctx context.Context, e alerting.Event) (alerting.Posted, error) {
	said, err := w.own.Apply(e)
	if err != nil {
		w.broken(e, err)
	}
	return w.Notifier.Send(ctx, said)
}

// notifyTimeout is for one request to a notifier.
const notifyTimeout = 30 * time.Second

// Notifiers returns what delivers messages to the places of n; it opens no connection. Charts are drawn by draw where Slack shows none, and
// left out where that is nil.
func Notifiers(n config.Notify, now func() time.Time, draw func(io.Writer, *chart.Chart) error) ([]alerting.Notifier, error) {
	var all []alerting.Notifier
	if c := n.Slack; c != nil {
		to, err := slack.New(slack.Settings{
			TokenFile: c.TokenFile, WebhookURLFile: c.WebhookURLFile, Channel: c.Channel, APIURL: c.APIURL, AppTokenFile: c.AppTokenFile, Draw: draw,
		}, &http.Client{Timeout: notifyTimeout})
		if err != nil {
			return nil, fmt.Errorf("notify.slack: %w", err)
		}
		all = append(all, to)
	}
	if c := n.Webhook; c != nil {
		to, err := webhook.New(webhook.Settings(*c), &http.Client{Timeout: notifyTimeout}, now)
		if err != nil {
			return nil, fmt.Errorf("notify.webhook: %w", err)
		}
		all = append(all, to)
	}
	return all, nil
}

// Board returns what shows firing alerts in the Alertmanager of c; it opens no connection.
func Board(c config.Alertmanager) *alertmanager.Board {
	return alertmanager.New(c.URL, &http.Client{Timeout: notifyTimeout})
}

// AlertPolicy returns the part of p that alerts need.
func AlertPolicy(p decide.Policy) alerting.Policy {
	enter, _ := p.Enter.Float64()
	leave, _ := p.Leave.Float64()
	return alerting.Policy{Enter: enter, Leave: leave, Confirmations: p.Confirmations, ConfirmEvery: p.ConfirmEvery, LeadTime: p.LeadTime}
}

// origin returns the scheme, host and port of the server of s, at which all paths and tenants are one server.
func origin(s config.Source) string {
	u, err := url.Parse(s.Prometheus.URL)
	if err != nil {
		return s.Prometheus.URL // which the collector refuses
	}
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// servers returns what sources share by their origins: as many queries may be in flight at a server as the source allows that allows the fewest.
func servers(sources []config.Source) map[string]*collector.Server {
	fewest := map[string]int{}
	for _, s := range sources {
		at := origin(s)
		fewest[at] = min(cmp.Or(fewest[at], s.Prometheus.Concurrency), s.Prometheus.Concurrency)
	}
	shared := map[string]*collector.Server{}
	for at, n := range fewest {
		shared[at] = collector.NewServer(n)
	}
	return shared
}

func (d *Daemon) newSource(s config.Source, server *collector.Server, siblings []map[string]string, library *collector.Library) (source, error) {
	settings, err := CollectorSettings(s, library)
	if err != nil {
		return source{}, err
	}
	settings.Server, settings.Siblings, settings.Clock = server, siblings, d.options.Clock
	if d.options.Background {
		settings.AtOnce = atOnce
	}
	c, err := collector.New(settings, d.options.Store, d.options.Log)
	return source{cfg: s, settings: settings, collector: c}, err
}

// CollectorSettings returns how a configured source is asked. The error is about a certificate or a secret that cannot be read.
func CollectorSettings(s config.Source, library *collector.Library) (collector.Settings, error) {
	transport, err := promconfig.NewRoundTripperFromConfig(s.Prometheus.HTTP, s.Name)
	if err != nil {
		return collector.Settings{}, err
	}
	settings := collector.Settings{
		Name: s.Name, URL: s.Prometheus.URL, Client: credentialed{transport, credentialFiles(s.Prometheus.HTTP)},
		Pack: s.Pack, Library: library, Select: s.Select, GroupBy: s.GroupBy,
		ReplicaLabel: s.ReplicaLabel, CacheApart: s.CacheApart, Period: s.Period, Stamps: s.Stamps,
		Backfill: s.Backfill, Delay: s.Delay,
		Timeout: s.Prometheus.Timeout, MaxResponseBytes: s.Prometheus.MaxResponseBytes, Concurrency: s.Prometheus.Concurrency,
	}
	if q := s.Queries; q != nil {
		own := collector.Queries(*q)
		settings.Queries = &own
	}
	if g := s.GPUs; g != nil {
		gpus := collector.GPUs(*g)
		settings.GPUs = &gpus
	}
	return settings, nil
}
