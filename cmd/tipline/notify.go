package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"tipline/alerting"
	"tipline/alerting/slack"
	"tipline/cmd/internal/daemon"
	"tipline/config"
	"tipline/model"
)

// addNotify adds the notify commands to app and to commands.
func addNotify(app *kingpin.Application, p *program, commands map[string]func(context.Context) int) {
	notify := app.Command("notify", "Try the places that messages go to.")
	notify.Command("test", "Send a message that says it is a test to every place of the configuration, and say how that went.")
	commands["notify test"] = p.testNotifiers
}

// testNotifiers sends a test to every notifier, for Slack to every channel. The exit code is 3 when one could not be reached and 1 when
// something must be put right, or when nothing is configured.
func (p *program) testNotifiers(ctx context.Context) int {
	cfg, err := p.load()
	if err != nil {
		return p.fail(err)
	}
	notifiers, err := daemon.Notifiers(cfg.Notify, p.now, nil)
	if err != nil {
		return p.fail(err)
	}
	if len(notifiers) == 0 && cfg.Notify.Alertmanager == nil {
		return p.fail(fmt.Errorf("%s: notify is empty, so nothing is ever sent: want slack, webhook or alertmanager in it", p.configFile))
	}
	code := exitDone
	sent := func(place string, err error) {
		outcome := "delivered"
		if err != nil {
			outcome, code = "FAILED: "+err.Error(), max(code, failureCode(err))
		}
		fmt.Fprintln(p.stdout, model.Printable(place+": "+outcome))
	}
	now := p.now().UTC()
	for _, n := range notifiers {
		for _, channel := range channels(n, cfg) {
			_, err := n.Send(ctx, alerting.NewTest(channel.asked, now))
			sent(n.Name()+channel.shown, err)
		}
		if to, ok := n.(*slack.Notifier); ok && to.Listens() {
			sent(n.Name()+" buttons", to.Reachable(ctx))
		}
	}
	if c := cfg.Notify.Alertmanager; c != nil {
		sent("alertmanager", daemon.Board(*c).Test(ctx, now))
	}
	return code
}

// failureCode returns the exit code for a test that did not arrive: whether it must be put right, or may pass by itself.
func failureCode(err error) int {
	var failed *alerting.SendError
	if errors.As(err, &failed) && (failed.Remedy == alerting.FixSettings || failed.Remedy == alerting.Simplify) {
		return exitNotRight
	}
	return exitUnreachable
}

// channel is where in a notifier a message goes: as an event asks for it, and as it is shown.
type channel struct{ asked, shown string }

// channels returns the channels of n that the configuration names, that of the notifier first.
func channels(n alerting.Notifier, cfg *config.Config) []channel {
	s := cfg.Notify.Slack
	if n.Name() != "slack" || s == nil || s.Channel == "" {
		return []channel{{}}
	}
	names := []string{s.Channel}
	asked := []string{cfg.Defaults.SlackChannel}
	for _, name := range cfg.Labels.Channels {
		if !strings.HasSuffix(name, "*") {
			asked = append(asked, name)
		}
	}
	for _, w := range cfg.Workloads {
		asked = append(asked, w.SlackChannel)
	}
	for _, b := range cfg.Budgets {
		asked = append(asked, b.SlackChannel)
	}
	for _, route := range cfg.Notify.Routes {
		asked = append(asked, route.SlackChannel)
	}
	for _, name := range asked {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	var all []channel
	for _, name := range names {
		all = append(all, channel{name, " " + name})
	}
	return all
}
