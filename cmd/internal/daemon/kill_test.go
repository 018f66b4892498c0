package daemon

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/alerting/slack"
	"tipline/alerting/slack/slacktest"
	"tipline/cmd/internal/ledger"
	"tipline/cmd/internal/store"
	"tipline/collector"
	"tipline/collector/promtest"
	"tipline/config"
)

// childEnv makes the test binary a tipline that kills itself: its value is the folder with its configuration and data.
const childEnv = "TIPLINE_KILL_TEST"

// steps counts the points between two durable steps and kills the process at one of them. Sources pass them at the same time.
type steps struct {
	passed atomic.Int64
	kill   int64
}

func (s *steps) pass() {
	if s.passed.Add(1) == s.kill {
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

// person is who answers the move that the child tells: in the data folder as tipline decide does, or with a button. What was answered is kept in
// a file of the person's own, so that it is not answered again in the next life.
type person struct {
	kind   string // of slack.Press; empty answers nothing
	button bool
	folder string
}

// answered reports whether p has nothing to answer any more.
func (p person) answered() bool {
	_, err := os.Stat(filepath.Join(p.folder, "answered"))
	return p.kind == "" || err == nil
}

// answer says what p has to say to the move that stands, on the third morning, on which it is told, or later.
func (p person) answer(d *Daemon, s *steps) error {
	told := d.desk.Said("support")
	if p.answered() || d.options.Now().Before(opening.AddDate(0, 0, 2)) || len(d.desk.Firing()) == 0 || d.desk.Pending() > 0 {
		return nil
	}
	press := slack.Press{Kind: p.kind, Decision: told, Workload: "support", By: "maria (Slack user U0123ABCD)"}
	switch p.kind {
	case slack.Snooze:
		press.Until = opening.AddDate(0, 0, 4).Format(time.DateOnly)
	case slack.Decline:
		press.Until, press.Reason = opening.AddDate(1, 0, 0).Format(time.DateOnly), "no staff"
	}
	s.pass()
	if err := p.leave(d, press); err != nil {
		return err
	}
	s.pass()
	if err := os.WriteFile(filepath.Join(p.folder, "answered"), nil, 0o600); err != nil {
		return err
	}
	s.pass()
	return nil
}

// leave leaves the answer of press; a button is told twice, as when Slack does not hear that it arrived.
func (p person) leave(d *Daemon, press slack.Press) error {
	if !p.button {
		day, err := time.Parse(time.DateOnly, cmp.Or(press.Until, "0001-01-01"))
		if err != nil {
			return err
		}
		return ledger.Leave(d.folder, ledger.NewAnswer(press.Decision, kindOf[press.Kind], press.Reason, day, opening.Add(50*time.Hour)))
	}
	at, posted, err := d.desk.Posted(slack.NotifierName, press.Workload, "fleet")
	if err != nil || !posted {
		return fmt.Errorf("the message of the move is not known: %w", err)
	}
	press.Channel, press.Message = at.Channel, at.Time
	return errors.Join(buttons{d}.Answer(press), buttons{d}.Answer(press))
}

// child lives through six mornings from where its data stands, killing itself at the step that the environment names.
func child() int {
	folder := os.Getenv(childEnv)
	kill, err := strconv.Atoi(os.Getenv(childEnv + "_AT"))
	if err != nil {
		return 2
	}
	who := person{os.Getenv(childEnv + "_ANSWER"), os.Getenv(childEnv+"_BUTTON") != "", folder}
	s := &steps{kill: int64(kill)}
	file, err := store.Open(filepath.Join(folder, "data"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	to := slack.Settings{WebhookURLFile: filepath.Join(folder, "hook")}
	if address := os.Getenv(childEnv + "_SLACK"); address != "" {
		to = slack.Settings{TokenFile: filepath.Join(folder, "token"), AppTokenFile: filepath.Join(folder, "token"), Channel: "#llm-cost", APIURL: address}
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
		if err := who.answer(d, s); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		now = now.Truncate(24 * time.Hour).Add(30 * time.Hour)
	}
	fmt.Printf("steps %d\n", s.passed.Load())
	return 0
}

// TestKilledBetweenDurableSteps kills the process at every point between two durable steps of six mornings, the first of which
// begins with nothing and the third of which has a message to send, that a person answers; restarts it, kills it again at a second point, and
// lets it finish. Through a webhook a message arrives once, and a second time only where a kill fell between its acceptance and the record
// of it; with a token, which may look for it in the history of the channel, it arrives once whatever happens. The answer is taken once.
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
	random := rand.New(rand.NewPCG(1, 9))
	calm := map[person]mortal{} // by what is answered, a life without a kill
	kills, doubled := 0, 0
	for round := 0; kills < rounds; round++ {
		who := person{kind: []string{"", slack.Acknowledge, slack.Snooze, slack.Decline, slack.Done}[random.IntN(5)], button: bot && random.IntN(2) == 0}
		if _, lived := calm[who]; !lived {
			m := newMortal(t, server.URL, bot, who)
			m.live(t, 0)
			calm[who] = m
		}
		want := calm[who]
		m := newMortal(t, server.URL, bot, who)
		died := 0
		for _, at := range []int{1 + round%want.steps, 1 + (round*7)%23, 0} {
			if m.live(t, at) {
				died++
			}
		}
		kills += died
		messages, least := len(m.box.Messages()), len(want.box.Messages())
		if messages < least || messages > least+repeat*died {
			t.Fatalf("round %d, %d kills, %+v: got %d messages, want %d and at most %d more for every kill", round, died, who, messages, least, repeat)
		}
		if messages > least {
			doubled++
		}
		if got, want := m.said(t), want.said(t); !slices.Equal(got, want) {
			t.Fatalf("round %d, %d kills, %+v: got %q, want %q", round, died, who, got, want)
		}
	}
	t.Logf("%d kills, %d rounds with a doubled message", kills, doubled)
}

// mortal is a process that is killed and begins again, with the Slack that it writes to.
type mortal struct {
	folder  string
	address string // of the API; empty writes through a webhook
	box     *slacktest.Server
	who     person
	steps   int // of its last life, which was not killed
}

func newMortal(t *testing.T, url string, bot bool, who person) mortal {
	t.Helper()
	m := mortal{folder: t.TempDir(), box: slacktest.New(t), who: who}
	write(t, filepath.Join(m.folder, "tipline.yml"), strings.ReplaceAll(fmt.Sprintf(settings, url, url, "data"), "backfill: 14d", "backfill: 8d"))
	write(t, filepath.Join(m.folder, "hook"), m.box.URL+slacktest.HookPath)
	write(t, filepath.Join(m.folder, "token"), slacktest.Token)
	if bot {
		m.address = m.box.URL + "/api"
	}
	return m
}

// live runs the child once, to be killed at a step, and reports whether it was; 0 lets it finish.
func (m *mortal) live(t *testing.T, at int) (killed bool) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c := exec.CommandContext(t.Context(), binary)
	c.Env = append(os.Environ(), childEnv+"="+m.folder, childEnv+"_AT="+strconv.Itoa(at), childEnv+"_SLACK="+m.address, childEnv+"_ANSWER="+m.who.kind,
		childEnv+"_BUTTON="+map[bool]string{true: "1"}[m.who.button])
	c.Stdout, c.Stderr = &out, &out
	if err = c.Run(); err == nil {
		if _, err := fmt.Sscanf(out.String(), "steps %d", &m.steps); err != nil {
			t.Fatalf("the life ended with %q", out.String())
		}
		return false
	}
	status, ok := c.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended with %v: %s", err, out.String())
	}
	return true
}

// said returns what m has told, each once however often it came, and what it holds of answers, sorted.
func (m mortal) said(t *testing.T) (all []string) {
	t.Helper()
	file, err := store.Open(filepath.Join(m.folder, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	answers, err := ledger.LoadAnswers(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range answers {
		all = append(all, fmt.Sprintf("answer %s %s %q by %q until %v", a.Workload, a.Kind, a.Reason, a.By, a.Until))
	}
	left, err := os.ReadDir(filepath.Join(m.folder, "data", "answers"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, l := range left {
		if !strings.HasPrefix(l.Name(), "new-") { // one that was never whole
			all = append(all, "left "+l.Name())
		}
	}
	for _, message := range m.box.Messages() {
		all = append(all, message.Text)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
