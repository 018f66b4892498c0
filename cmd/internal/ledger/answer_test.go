package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/model"
)

var notViable = Answer{
	Version: answerVersion, ID: "0123456789ab", Kind: NotViable, Reason: "no staff", Given: asOf, Until: asOf.AddDate(0, 3, 0),
	Workload: "support", From: "api", Option: "own",
}

func TestAnswerCheck(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		change func(*Answer)
		want   string // in the error; empty for none
	}{
		{"a reason and a date", func(*Answer) {}, ""},
		{"done needs neither", func(a *Answer) { a.Kind, a.Reason, a.Until = Done, "", time.Time{} }, ""},
		{"no reason", func(a *Answer) { a.Reason = " " }, "the reason is empty"},
		{"a date that is over", func(a *Answer) { a.Until = asOf.AddDate(0, 0, -1) }, "until 2026-11-22 is not after 2026-11-23"},
		{"an id of something else", func(a *Answer) { a.ID = "../../etc/x" }, `got the id "../../etc/x"`},
		{"a kind that is not known", func(a *Answer) { a.Kind = "maybe" }, `got the kind "maybe"`},
		{"a reason that moves the cursor", func(a *Answer) { a.Reason = "a\x1b[2J" }, "control characters"},
		{"a reason that turns the text", func(a *Answer) { a.Reason = "a\u202eb" }, "control characters"},
		{"an essay", func(a *Answer) { a.Reason = strings.Repeat("é", 301) }, "301 characters"},
		{"who gave it", func(a *Answer) { a.By = "maria (Slack user U0123ABCD)" }, ""},
		{"a name that moves the cursor", func(a *Answer) { a.By = "a\x1b[2J" }, "who gave it has control characters"},
		{"a name without end", func(a *Answer) { a.By = strings.Repeat("é", 301) }, "who gave it"},
		{"a snooze until a day", func(a *Answer) { a.Kind, a.Reason = Snoozed, "" }, ""},
		{"a snooze until it saves more", func(a *Answer) { a.Kind, a.Until, a.Saving = Snoozed, time.Time{}, 5000 }, ""},
		{"a snooze without an end", func(a *Answer) { a.Kind, a.Until = Snoozed, time.Time{} }, "the snooze has no end"},
		{"a snooze that is over", func(a *Answer) { a.Kind, a.Until, a.Saving = Snoozed, asOf, 5000 }, "until 2026-11-23 is not after 2026-11-23"},
		{"a saving below nothing", func(a *Answer) { a.Kind, a.Saving = Snoozed, -1 }, "got a saving of -1 dollars a month"},
		{"a saving that is no number", func(a *Answer) { a.Kind, a.Saving = Snoozed, math.NaN() }, "got a saving of NaN"},
		{"a growth beyond reason", func(a *Answer) { a.Kind, a.Growth = Snoozed, 1001 }, "grows by 1001"},
		{"a volume beyond reason", func(a *Answer) { a.Kind, a.Tokens = Snoozed, 2e18 }, "2e+18 tokens"},
		{"a volume that shrinks", func(a *Answer) { a.Kind, a.Volume = Snoozed, -0.1 }, "grows by -0.1"},
		{"until a volume alone", func(a *Answer) { a.Kind, a.Until, a.Volume = Snoozed, time.Time{}, 0.15 }, ""},
		{"without an end", func(a *Answer) { a.Kind, a.Until = Snoozed, time.Time{} }, "the snooze has no end"},
		{"over although it is not done", func(a *Answer) { a.Ended = asOf }, "of what is done alone"},
		{"a move that is being made", func(a *Answer) { a.Kind, a.Since, a.Until = Migrating, asOf, time.Time{} }, ""},
		{"and to be done by a day", func(a *Answer) { a.Kind, a.Since = Migrating, asOf }, ""},
		{"and that has not begun", func(a *Answer) { a.Kind, a.Since = Migrating, asOf.AddDate(0, 0, 1) }, "since 2026-11-24 is after 2026-11-23"},
		{"and of which nobody knows since when", func(a *Answer) { a.Kind = Migrating }, "want both or neither"},
		{"a beginning of what is not made", func(a *Answer) { a.Since = asOf }, "want both or neither"},
		{"another version", func(a *Answer) { a.Version = 2 }, "version 2"},
	} {
		a := notViable
		tc.change(&a)
		err := a.Check()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestHeed(t *testing.T) {
	t.Parallel()
	snoozed := notViable
	snoozed.Kind = Snoozed
	making := notViable
	making.Kind, making.Since = Migrating, asOf
	done := Answer{Version: 1, ID: "ba9876543210", Kind: Done, Given: asOf, Workload: "support", From: "api", Option: "own"}
	all := []string{"api", "own", "both"}
	for _, tc := range []struct {
		name       string
		answers    Answers
		workload   string
		current    string
		now        time.Time
		want       string
		candidates []string
		said       int
		spent      bool
	}{
		{"nothing was said", nil, "support", "api", asOf, "api", all, 0, false},
		{"a move that is not viable is left out", Answers{notViable}, "support", "api", asOf, "api", []string{"api", "both"}, 1, false},
		{"until the second before the date", Answers{notViable}, "support", "api", notViable.Until.Add(-time.Second), "api", []string{"api", "both"}, 1, false},
		{"and no longer", Answers{notViable}, "support", "api", notViable.Until, "api", all, 0, false},
		{"one that is snoozed is not, and is mentioned", Answers{snoozed}, "support", "api", asOf, "api", all, 1, false},
		{"until it is over", Answers{snoozed}, "support", "api", asOf, "api", all, 0, true},
		{"one that is being made is not left out either", Answers{making}, "support", "api", asOf, "api", all, 1, false},
		{"and is mentioned after the day by which it was to be done", Answers{making}, "support", "api", making.Until.AddDate(0, 1, 0), "api", all, 1, false},
		{"until a message has reminded of it", Answers{making}, "support", "api", asOf, "api", all, 0, true},
		{"or until it was made", Answers{making}, "support", "own", asOf, "own", all, 0, false},
		{"or it was made", Answers{snoozed}, "support", "own", asOf, "own", all, 0, false},
		{"for its workload alone", Answers{notViable}, "search", "api", asOf, "api", all, 0, false},
		{"and not once it serves the workload", Answers{notViable}, "support", "own", asOf, "own", all, 0, false},
		{"a move that is done counts as the current option", Answers{done}, "support", "api", asOf, "own", all, 1, false},
		{"until the configuration names it", Answers{done}, "support", "own", asOf, "own", all, 0, false},
		{"or another one", Answers{done}, "support", "both", asOf, "both", all, 0, false},
	} {
		current, candidates, said := tc.answers.Heed(tc.workload, tc.current, all, tc.now, func(Answer) bool { return tc.spent })
		if current != tc.want || !slices.Equal(candidates, tc.candidates) || len(said) != tc.said {
			t.Errorf("%s: got %s, %v and %v, want %s, %v and %d sentences", tc.name, current, candidates, said, tc.want, tc.candidates, tc.said)
		}
	}
}

// TestCaught holds that a move that is done counts until the configuration names another option than it was made from, and never again.
func TestCaught(t *testing.T) {
	t.Parallel()
	done := func(id, from, to string) Answer {
		return Answer{Version: 1, ID: id, Kind: Done, Given: asOf, Workload: "support", From: from, Option: to}
	}
	first, second := done("aaaaaaaaaaaa", "api", "own"), done("bbbbbbbbbbbb", "own", "both")
	for _, tc := range []struct {
		name    string
		answers Answers
		current string // of the configuration
		ended   []string
	}{
		{"not caught up", Answers{first}, "api", nil},
		{"caught up", Answers{first}, "own", []string{first.ID}},
		{"somewhere else", Answers{first}, "both", []string{first.ID}},
		{"nothing is configured", Answers{first}, "", nil},
		{"two moves, the first of which began there", Answers{first, second}, "api", nil},
		{"two moves, caught up with the first", Answers{first, second}, "own", []string{first.ID}},
		{"two moves, caught up with both", Answers{first, second}, "both", []string{first.ID, second.ID}},
		{"of another workload", Answers{notViable, {Kind: Done, Workload: "search", From: "api", Option: "own"}}, "own", nil},
	} {
		later := asOf.AddDate(0, 1, 0)
		var ended []string
		answers := tc.answers
		for _, a := range tc.answers.Caught("support", tc.current, later) {
			if a.Ended != later || a.Check() != nil {
				t.Errorf("%s: got %+v, %v, want it ended at %s", tc.name, a, a.Check(), later)
			}
			ended, answers = append(ended, a.ID), answers.With(a)
		}
		if !slices.Equal(ended, tc.ended) {
			t.Errorf("%s: got %v ended, want %v", tc.name, ended, tc.ended)
		}
		if again := answers.Caught("support", tc.current, later); len(again) > 0 {
			t.Errorf("%s: the second time got %v, want nothing", tc.name, again)
		}
		if len(ended) == len(tc.answers) {
			if current, _, said := answers.Heed("support", "api", nil, later, nil); current != "api" || len(said) > 0 {
				t.Errorf("%s: it is configured as before again: got %s and %v, want the configuration to count", tc.name, current, said)
			}
		}
	}
}

func TestAnswersThatWereLeft(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	if left, err := Left(data); err != nil || left != nil {
		t.Fatalf("before any answer: got %v, %v", left, err)
	}
	first := NewAnswer("0123456789ab", NotViable, "no staff", asOf.AddDate(0, 1, 0), asOf)
	second := NewAnswer("0123456789ab", Done, "", time.Time{}, asOf.Add(time.Hour))
	for _, a := range []Answer{first, second} {
		if err := Leave(data, a); err != nil {
			t.Fatal(err)
		}
	}
	if err := Leave(data, Answer{}); err == nil {
		t.Error("an answer to nothing was left")
	}
	for name, text := range map[string]string{
		"aaaaaaaaaaaa.json": `{"version":1`, "bbbbbbbbbbbb.json": strings.Repeat("x", 1<<20), "cccccccccccc.json": `{"version":1,"id":"dddddddddddd","kind":"done"}`,
		"notes.txt": "not an answer", "new-1": "half an answer",
	} {
		if err := os.WriteFile(filepath.Join(data, folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	left, err := Left(data)
	if err != nil || len(left) != 4 {
		t.Fatalf("got %v, %v, want four files", left, err)
	}
	if left[0].Err != nil || left[0].Answer != second {
		t.Errorf("got %+v, want the later answer to the same decision", left[0])
	}
	for _, w := range left[1:] {
		if w.Err == nil {
			t.Errorf("%s: got %+v, want an error", w.path, w.Answer)
		}
		if err := w.Refuse(); err != nil {
			t.Error(err)
		}
	}
	// One that comes while the one before it is taken is not lost with it.
	third := NewAnswer("0123456789ab", Seen, "", time.Time{}, asOf.Add(2*time.Hour))
	if err := errors.Join(Leave(data, third), left[0].Taken()); err != nil {
		t.Error(err)
	}
	if left, err = Left(data); err != nil || len(left) != 1 || left[0].Answer != third {
		t.Fatalf("got %+v, %v, want the answer that came meanwhile", left, err)
	}
	if err := left[0].Taken(); err != nil {
		t.Error(err)
	}
	if left, err := Left(data); err != nil || len(left) != 0 {
		t.Errorf("after all of them: got %v, %v, want none", left, err)
	}
}

// TestGiven holds that the answer that waits counts before the one that was taken, which it is going to replace.
func TestGiven(t *testing.T) {
	t.Parallel()
	data, taken := t.TempDir(), rows{}
	given := func(want string) {
		t.Helper()
		a, found, err := Given(taken, data, notViable.ID)
		if err != nil || found != (want != "") || a.Kind != want {
			t.Errorf("got %+v, %v, %v, want %q", a, found, err, want)
		}
	}
	given("")
	key, value := notViable.Row()
	taken[key] = value
	given(NotViable)
	waits := NewAnswer(notViable.ID, Seen, "", time.Time{}, asOf)
	waits.By = "maria"
	if err := Leave(data, waits); err != nil {
		t.Fatal(err)
	}
	given(Seen)
	waits.From, waits.Option = "api", "own"
	if got, want := waits.Text(), "acknowledged on 23 Nov 2026 by maria"; !strings.Contains(got, want) || waits.Final() || !notViable.Final() {
		t.Errorf("got %q, final %v, want %q and not final", got, waits.Final(), want)
	}
}

func TestOnlyMovesAreAnswered(t *testing.T) {
	t.Parallel()
	r := *receiptOf(fiveOptions())
	a, err := notViable.About(r)
	if err != nil || a.Workload != "support-chat" || a.From != "api-a" || a.Option != r.Workload.Decision.Option {
		t.Errorf("got %+v, %v, want it to be about %s", a, err, r.Workload.Decision.Option)
	}
	r.Workload.Decision.Recommendation = model.Stay
	if a, err := notViable.About(r); err == nil {
		t.Errorf("an answer to a decision to stay: got %+v, want an error", a)
	}
}

// rows is a Store in memory.
type rows map[string][]byte

func (s rows) Get(_, key string) ([]byte, error) { return s[key], nil }

func (s rows) Scan(_, prefix string, fn func(key string, value []byte) error) error {
	var keys []string
	for key := range s {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		if err := fn(key, s[key]); err != nil {
			return err
		}
	}
	return nil
}

func (s rows) Apply(batch map[string]map[string][]byte) error {
	for key, value := range batch[Bucket] {
		if value == nil {
			delete(s, key)
			continue
		}
		s[key] = value
	}
	return nil
}

func TestCompact(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	const announced, confirmed = "announced/", "confirmed/"
	for _, tc := range []struct {
		name     string
		age      time.Duration
		evidence string // a row beside the receipt
		want     string // whole, summary or gone
	}{
		{"a new receipt", day, "", "whole"},
		{"nobody was told, 90 days", 90 * day, "", "whole"},
		{"nobody was told, longer", 90*day + time.Second, "", "summary"},
		{"nobody was told, more than 400 days", 400*day + time.Second, "", "gone"},
		{"announced, 400 days", 400 * day, announced, "whole"},
		{"announced, longer", 400*day + time.Second, announced, "summary"},
		{"announced, ten years", 3650 * day, announced, "summary"},
		{"confirmed without a message, 400 days", 400 * day, confirmed, "whole"},
		{"answered, longer than 400 days", 401 * day, answered, "summary"},
		{"of tomorrow, by a clock that jumped", -day, "", "whole"},
	} {
		data := seal(t, receiptOf(fiveOptions()))
		r, err := Open(data)
		if err != nil {
			t.Fatal(err)
		}
		s := rows{r.ID: data, "corrupt/x": []byte("?"), "0123456789ab": []byte("not a receipt")}
		if tc.evidence != "" {
			s[tc.evidence+r.ID] = []byte("{}")
		}
		now := asOf.Add(tc.age)
		n, err := Compact(s, now, announced, confirmed)
		if err != nil {
			t.Fatal(err)
		}
		if (n == 0) != (tc.want == "whole") {
			t.Errorf("%s: compacted %d receipts, want %s", tc.name, n, tc.want)
		}
		if n, err := Compact(s, now, announced, confirmed); n != 0 || err != nil {
			t.Errorf("%s: the second time compacted %d, %v, want nothing more", tc.name, n, err)
		}
		left := s[r.ID]
		switch tc.want {
		case "whole":
			if err := Verify(left); err != nil {
				t.Errorf("%s: %v", tc.name, err)
			}
		case "gone":
			if left != nil {
				t.Errorf("%s: got %d bytes, want none", tc.name, len(left))
			}
		default:
			kept, err := Open(left)
			if err != nil || kept.Inputs != nil || len(left)*4 > len(data) {
				t.Errorf("%s: got %d of %d bytes, %v, want a summary", tc.name, len(left), len(data), err)
			}
			if kept.ID != r.ID || kept.Workload.Decision.Because == "" || kept.Workload.Options[1].USDPerMonth == nil || !kept.Compacted.Equal(now) {
				t.Errorf("%s: the summary lost its verdict: %+v", tc.name, kept)
			}
		}
		if len(s) != 3+min(1, len(tc.evidence))-map[string]int{"gone": 1}[tc.want] {
			t.Errorf("%s: rows that are not receipts are gone: %d left", tc.name, len(s))
		}
	}
}

func TestLoadAnswers(t *testing.T) {
	t.Parallel()
	later := notViable
	later.ID, later.Given = "aaaaaaaaaaaa", asOf.Add(time.Hour)
	s := rows{answered + "ffffffffffff": []byte("{")}
	for _, a := range []Answer{later, notViable} {
		key, value := a.Row()
		s[key] = value
	}
	all, err := LoadAnswers(s)
	if err == nil || !slices.Equal(all, Answers{notViable, later}) {
		t.Errorf("got %+v, %v, want both answers, the oldest first, and what is wrong with the third", all, err)
	}
	if a, ok := all.To(later.ID); !ok || a != later {
		t.Errorf("got %+v, want %+v", a, later)
	}
	pasted := notViable
	pasted.Reason = "no\u200b staff"
	key, value := pasted.Row()
	if all, err := LoadAnswers(rows{key: value}); err != nil || len(all) != 1 || all[0].Reason != "no\ufffd staff" {
		t.Errorf("one of an older version: got %+v, %v, want it to count", all, err)
	}
	changed := later
	changed.Kind = Done
	if got := all.With(changed); !slices.Equal(got, Answers{notViable, changed}) || all[1] != later {
		t.Errorf("got %+v, want the answer replaced, and the list as it was", got)
	}
}

// FuzzAnswer holds that an answer in the words of strangers is refused, or comes back as it was left, from a file under the answers that is called
// by the decision and nowhere else; that what the ledger keeps and says of it is a line that a terminal can show; and that no file that
// lies there by another's hand is taken for more than it is.
func FuzzAnswer(f *testing.F) {
	f.Add("no staff", "maria (Slack user U0123ABCD)", "aaaaaaaaaaaa", []byte(`{"version":1,"id":"aaaaaaaaaaaa","kind":"done","given":"2026-11-23T12:00:00Z"}`))
	f.Add("a\nb\u202e\x1b[31m\u009b", "\xff", "../../etc/passwd", []byte(`{"version":1,"id":"../x"}`))
	f.Add(`"}{"kind":"done`, strings.Repeat("名", 300), "\x1b[2J.json", []byte("{\"version\":1,\"reason\":\"\x1b\"}"))
	f.Add("", "", "bbbbbbbbbbbb", []byte("{\"given\":\"2026\xff\x7f1-23T12:00:00Z\"}"))
	name := regexp.MustCompile(`^[0-9a-f]{12}\.json$`)
	f.Fuzz(func(t *testing.T, reason, by, called string, content []byte) {
		data := t.TempDir()
		for _, id := range []string{notViable.ID, called} {
			a := NewAnswer(id, NotViable, reason, asOf.AddDate(0, 1, 0), asOf)
			a.By, a.Workload, a.From, a.Option = by, reason, by, reason
			err := Leave(data, a)
			if err != nil {
				if text := err.Error(); model.Printable(text) != text {
					t.Errorf("got the error %q, want a line", text)
				}
				continue
			}
			kept, found, err := Given(rows{}, data, id)
			if err != nil || !found || kept != a {
				t.Errorf("got %+v, %v, %v, want %+v", kept, found, err, a)
			}
			key, value := a.Row()
			taken, err := LoadAnswers(rows{key: value})
			if err != nil || len(taken) != 1 || taken[0] != a || key != answered+id {
				t.Errorf("%s: got %+v, %v, want %+v", key, taken, err, a)
			}
			for what, text := range map[string]string{"row": string(value), "words": a.Text(), "outcome": a.Outcome()} {
				if model.Printable(text) != text {
					t.Errorf("%s: got %q, want a line", what, text)
				}
			}
		}
		here := map[string]bool{}
		for _, in := range []string{data, filepath.Join(data, folder)} {
			entries, err := os.ReadDir(in)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			for _, e := range entries {
				if here[e.Name()] = true; e.Name() != folder && !name.MatchString(e.Name()) {
					t.Errorf("got a file %q in %s", e.Name(), in)
				}
			}
		}
		stranger := called + ".json"
		if strings.ContainsAny(called, "/\x00") || len(stranger) > 200 || here[stranger] {
			return
		}
		if err := errors.Join(os.MkdirAll(filepath.Join(data, folder), 0o700), os.WriteFile(filepath.Join(data, folder, stranger), content, 0o600)); err != nil {
			t.Fatal(err)
		}
		left, err := Left(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range left {
			switch text := fmt.Sprint(w.Err); {
			case w.Err == nil && (w.Answer.Check() != nil || w.Answer.ID+".json" != filepath.Base(w.path)):
				t.Errorf("%q was taken for %+v", w.path, w.Answer)
			case model.Printable(text) != text || len(text) > 4096:
				t.Errorf("got the error %q, want a line", text)
			case w.Err != nil:
				if err := w.Refuse(); err != nil {
					t.Errorf("%q stays: %v", w.path, err)
				}
			}
		}
	})
}
