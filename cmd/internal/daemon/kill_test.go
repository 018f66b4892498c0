package daemon

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/alerting/slack"
	"tipline/alerting/slack/slacktest"
	"tipline/cmd/internal/store"
	"tipline/collector"
	"tipline/collector/promtest"
	"tipline/config"
)

// childEnv makes the test binary a tipline that kills itself: its value is the folder with its configuration and data.
const childEnv = "TIPLINE_KILL_TEST"

// steps counts the points between two durable steps and kills the process at one of them.
type steps struct{ passed, kill int }

func (s *steps) pass() {
	s.passed++
	if s.passed == s.kill {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	}
}

// guarded is a Store with a step before and after every write.
type guarded struct {
	*store.Store
	steps *steps
}

func (g guarded) Apply(batch map[string]map[string][]byte) error {
	g.steps.pass()
	err := g.Store.Apply(batch)
	g.steps.pass()
	return err
}

// posting is a Notifier with a step before and after every message.
type posting struct {
	alerting.Notifier
	steps *steps
}

func (p posting) Send(ctx context.Context, e alerting.Event) (alerting.Posted, error) {
	p.steps.pass()
	at, err := p.Notifier.Send(ctx, e)
	p.steps.pass()
	return at, err
}

// child lives through six mornings from where its data stands, killing itself at the step that the environment names.
func child() int {
	folder := os.Getenv(childEnv)
	kill, err := strconv.Atoi(os.Getenv(childEnv + "_AT"))
	if err != nil {
		return 2
	}
	s := &steps{kill: kill}
	file, err := store.Open(filepath.Join(folder, "data"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	to := slack.Settings{WebhookURLFile: filepath.Join(folder, "hook")}
	if address := os.Getenv(childEnv + "_SLACK"); address != "" {
		to = slack.Settings{TokenFile: filepath.Join(folder, "token"), Channel: "#llm-cost", APIURL: address}
	}
	notifier, err := slack.New(to, http.DefaultClient)
	if err != nil {
		return 2
	}
	now := opening
	d, err := New(Options{
		Load: func() (*config.Config, error) {
			return config.Load(filepath.Join(folder, "tipline.yml"), collector.Packs()...)
		},
		Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
		Store: guarded{file, s}, Notifiers: []alerting.Notifier{posting{notifier, s}},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for range 6 {
		if _, err := d.Cycle(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		for range 5 {
			next, err := d.Deliver(context.Background())
			if err == nil && next.IsZero() {
				break
			}
			now = now.Add(10 * time.Minute)
		}
		now = now.Truncate(24 * time.Hour).Add(30 * time.Hour)
	}
	fmt.Printf("steps %d\n", s.passed)
	return 0
}

// TestKilledBetweenDurableSteps kills the process at every point between two durable steps of six mornings, the first of which
// begins with nothing and the third of which has a message to send; restarts it, kills it again at a second point, and
// lets it finish. Through a webhook the message arrives once, and a second time only where a kill fell between its acceptance and the record
// of it; with a token, which may look for it in the history of the channel, it arrives once whatever happens.
func TestKilledBetweenDurableSteps(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		bot    bool
		repeat int // most copies for every kill
	}{{"webhook", false, 1}, {"token", true, 0}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			killedBetweenDurableSteps(t, tc.bot, tc.repeat)
		})
	}
}

func killedBetweenDurableSteps(t *testing.T, bot bool, repeat int) {
	t.Helper()
	rounds := 120
	if testing.Short() || raceDetector {
		rounds = 40
	}
	if asked := os.Getenv("TIPLINE_KILLS"); asked != "" {
		n, err := strconv.Atoi(asked)
		if err != nil {
			t.Fatalf("TIPLINE_KILLS: got %q, want how often to kill", asked)
		}
		rounds = n
	}
	server := promtest.Start(t, route(steady(map[string]string{"team_alias": "support"}, 2e7), func(promtest.Query) promtest.Answer { return promtest.Answer{} }))
	kills, doubled := 0, 0
	for round := 0; kills < rounds; round++ {
		folder, box := t.TempDir(), slacktest.New(t)
		write(t, filepath.Join(folder, "tipline.yml"), strings.ReplaceAll(fmt.Sprintf(settings, server.URL, server.URL, "data"), "backfill: 14d", "backfill: 8d"))
		write(t, filepath.Join(folder, "hook"), box.URL+slacktest.HookPath)
		write(t, filepath.Join(folder, "token"), slacktest.Token)
		address := ""
		if bot {
			address = box.URL + "/api"
		}
		died := 0
		for _, at := range []int{1 + round%37, 1 + (round*7)%23, 0} {
			killed, output := live(t, folder, address, at)
			if killed {
				died++
			} else if at == 0 && !strings.Contains(output, "steps ") {
				t.Fatalf("round %d: the last life ended with %q", round, output)
			}
		}
		kills += died
		messages := len(box.Messages())
		if messages < 1 {
			t.Fatalf("round %d, %d kills: the message is lost", round, died)
		}
		if messages > 1+repeat*died {
			t.Fatalf("round %d, %d kills: got %d messages, want one and at most %d more for every kill", round, died, messages, repeat)
		}
		if messages > 1 {
			doubled++
		}
	}
	t.Logf("%d kills, %d rounds with a doubled message", kills, doubled)
}

// live runs the child once and reports whether it was killed.
func live(t *testing.T, folder, address string, at int) (killed bool, output string) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c := exec.CommandContext(t.Context(), binary)
	c.Env = append(os.Environ(), childEnv+"="+folder, childEnv+"_AT="+strconv.Itoa(at), childEnv+"_SLACK="+address)
	c.Stdout, c.Stderr = &out, &out
	err = c.Run()
	if err == nil {
		return false, out.String()
	}
	status, ok := c.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended with %v: %s", err, out.String())
	}
	return true, out.String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
