package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"tipline/model"
)

// The kinds of an Answer.
const (
	NotViable = "not_viable" // the move cannot be made before Until
	Done      = "done"       // the move has been made
	Migrating = "migrating"  // the move is being made since Since, and nothing is to be said of it until a day
	Snoozed   = "snoozed"    // nothing is to be said of the move until a day, or until it saves or the workload uses more
	Seen      = "seen"       // somebody has taken note of the move, and is to decide
)

var kinds = []string{NotViable, Done, Migrating, Snoozed, Seen}

// The largest saving in dollars a month, the most tokens in 30 days and the largest growth that a person means; more is a slip of the pen.
const (
	mostSaving = 1e12
	mostTokens = 1e18
	mostGrowth = 1000
)

// maxReason bounds the words of a person, in characters.
const maxReason = 300

// Answer is what a person says to a decision to move.
type Answer struct {
	Version  int       `json:"version"`
	ID       string    `json:"id"`   // of the decision
	Kind     string    `json:"kind"` // NotViable, Done, Migrating, Snoozed or Seen
	Reason   string    `json:"reason,omitempty"`
	Until    time.Time `json:"until,omitzero"`                 // of NotViable, Migrating and Snoozed: the move may be proposed again from then on
	Saving   float64   `json:"saving_usd_per_month,omitempty"` // of Snoozed: or when it saves as much; 0 means that it does not matter
	Growth   float64   `json:"saving_growth,omitempty"`        // of Snoozed: the same as a share by which it saves more than the decision says
	Tokens   float64   `json:"tokens_per_month,omitempty"`     // of Snoozed: or when as many are projected for 30 days; 0 means that it does not matter
	Volume   float64   `json:"volume_growth,omitempty"`        // of Snoozed: the same as a share by which it is more than the decision rests on
	Since    time.Time `json:"since,omitzero"`                 // of Migrating: the day on which the move began
	Given    time.Time `json:"given"`
	By       string    `json:"by,omitempty"`       // who gave it, where that is known
	Ended    time.Time `json:"ended,omitzero"`     // of Done: the evaluation that found From no longer configured, from which on it counts no more
	Workload string    `json:"workload,omitempty"` // this and the next two from the receipt, once the answer is taken
	From     string    `json:"from,omitempty"`     // the current option of the decision
	Option   string    `json:"option,omitempty"`   // the option that it said to move to
}

const answerVersion = 1

// Check returns what is wrong with a.
func (a Answer) Check() error {
	switch {
	case a.Version != answerVersion:
		return fmt.Errorf("answer: got version %d, want %d", a.Version, answerVersion)
	case !ValidID(a.ID):
		return fmt.Errorf("answer: got the id %q, want the 12 hexadecimal digits of a decision", a.ID)
	case !slices.Contains(kinds, a.Kind):
		return fmt.Errorf("answer: got the kind %q, want one of %s", a.Kind, strings.Join(kinds, ", "))
	case a.Kind == NotViable && strings.TrimSpace(a.Reason) == "":
		return errors.New("answer: the reason is empty, want why the move is not viable")
	case model.Printable(a.Reason) != a.Reason:
		return errors.New("answer: the reason has control characters, want one line of text")
	case model.Printable(a.By) != a.By || utf8.RuneCountInString(a.By) > maxReason:
		return fmt.Errorf("answer: who gave it has control characters or more than %d, want one line of text", maxReason)
	case utf8.RuneCountInString(a.Reason) > maxReason:
		return fmt.Errorf("answer: the reason has %d characters, want at most %d", utf8.RuneCountInString(a.Reason), maxReason)
	case a.Kind == Snoozed && a.Until.IsZero() && !a.Conditional():
		return errors.New("answer: the snooze has no end, want a day, a saving, a volume, or several")
	case (a.Kind == Migrating) == a.Since.IsZero():
		return fmt.Errorf("answer: got the kind %q and a day on which the move began: %v, want both or neither", a.Kind, !a.Since.IsZero())
	case a.Since.After(a.Given):
		return fmt.Errorf("answer: since %s is after %s, when it was given", a.Since.Format(time.DateOnly), a.Given.Format(time.DateOnly))
	case !(a.Saving >= 0 && a.Saving <= mostSaving):
		return fmt.Errorf("answer: got a saving of %v dollars a month, want 0 or more and at most %v", a.Saving, float64(mostSaving))
	case !(a.Growth >= 0 && a.Growth <= mostGrowth):
		return fmt.Errorf("answer: got a saving that grows by %v, want 0 or more and at most %v", a.Growth, float64(mostGrowth))
	case !(a.Tokens >= 0 && a.Tokens <= mostTokens):
		return fmt.Errorf("answer: got %v tokens in 30 days, want 0 or more and at most %v", a.Tokens, float64(mostTokens))
	case !(a.Volume >= 0 && a.Volume <= mostGrowth):
		return fmt.Errorf("answer: got a volume that grows by %v, want 0 or more and at most %v", a.Volume, float64(mostGrowth))
	case a.Kind != Done && !a.Ended.IsZero():
		return fmt.Errorf("answer: got the kind %q and an end, want one of what is done alone", a.Kind)
	case (a.Kind == NotViable || !a.Until.IsZero()) && !a.Until.After(a.Given):
		return fmt.Errorf("answer: until %s is not after %s, when it was given", a.Until.Format(time.DateOnly), a.Given.Format(time.DateOnly))
	}
	return nil
}

// NewAnswer returns an answer of the form written today.
func NewAnswer(id, kind, reason string, until, given time.Time) Answer {
	return Answer{Version: answerVersion, ID: id, Kind: kind, Reason: reason, Until: until, Given: given}
}

// ParseSaving reads dollars a month, or by which share a saving grows.
func ParseSaving(text string) (usd, growth float64, err error) {
	const want = "dollars a month such as 5000, or a growth such as +15%"
	if strings.ContainsAny(text, "+%") {
		growth, err = parseGrowth(text, want)
		return 0, growth, err
	}
	usd, err = strconv.ParseFloat(text, 64)
	if err != nil || !(usd > 0) || math.IsInf(usd, 0) {
		return 0, 0, fmt.Errorf("got %q, want %s", text, want)
	}
	return usd, 0, nil
}

// ParseGrowth reads a share by which something grows, such as +15%.
func ParseGrowth(text string) (float64, error) { return parseGrowth(text, "a growth such as +15%") }

// parseGrowth reads a share by which something grows, where want is what may stand there.
func parseGrowth(text, want string) (float64, error) {
	number, isShare := strings.CutSuffix(text, "%")
	number, isMore := strings.CutPrefix(number, "+")
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || !(value > 0) || math.IsInf(value, 0) || !isShare || !isMore {
		return 0, fmt.Errorf("got %q, want %s", text, want)
	}
	return value / 100, nil
}

// About returns a with the workload and the options of the decision of r, which must be one to move.
func (a Answer) About(r Receipt) (Answer, error) {
	if about := r.About(); about != "" {
		return a, fmt.Errorf("decision %s is about %s, want one about a workload: its receipt names those of the workloads", a.ID, about)
	}
	d := r.Workload.Decision
	if d.Recommendation != model.Move {
		return a, fmt.Errorf("decision %s does not say to move %s, so there is nothing to answer", a.ID, r.Workload.Workload)
	}
	a.Workload, a.From, a.Option = r.Workload.Workload, r.Workload.Current, d.Option
	if a.Growth > 0 {
		if d.SavingUSDPerMonth == nil || d.SavingUSDPerMonth.P50 <= 0 {
			return a, fmt.Errorf("decision %s names no saving that could grow by %s, want a saving in dollars", a.ID, model.FormatPercent(model.Fraction(a.Growth)))
		}
		a.Saving = float64(d.SavingUSDPerMonth.P50) * (1 + a.Growth)
	}
	if a.Volume > 0 {
		f := r.Workload.Forecast
		if f == nil || f.Next30dTokens.P50 <= 0 {
			return a, fmt.Errorf("decision %s names no volume that could grow by %s, want a projection", a.ID, model.FormatPercent(model.Fraction(a.Volume)))
		}
		a.Tokens = float64(f.Next30dTokens.P50) * (1 + a.Volume)
	}
	return a, nil
}

// Conditional reports whether a ends when the workload comes to what it says, and not only on a day.
func (a Answer) Conditional() bool {
	return a.Saving > 0 || a.Growth > 0 || a.Tokens > 0 || a.Volume > 0
}

// Reached reports whether the workload of w has come to what a says: the move saves as much, or as much is projected.
func (a Answer) Reached(w model.WorkloadReport) bool {
	saves, f := w.Decision.SavingUSDPerMonth, w.Forecast
	return a.Saving > 0 && saves != nil && float64(saves.P50) >= a.Saving ||
		a.Tokens > 0 && f != nil && float64(f.Next30dTokens.P50) >= a.Tokens
}

// Row returns the key and the value under which a is kept in the ledger. A later answer to the same decision takes its place.
func (a Answer) Row() (key string, value []byte) {
	value, err := json.Marshal(a)
	if err != nil {
		panic("ledger: " + err.Error()) // every field can be written
	}
	return answered + a.ID, model.EscapeJSON(value)
}

// Text says a in one sentence.
func (a Answer) Text() string {
	given := model.FormatDate(a.Given) + a.by()
	switch a.Kind {
	case Done:
		return fmt.Sprintf("the move from %s to %s was answered as done on %s (decision %s)", a.From, a.Option, given, a.ID)
	case Seen:
		return fmt.Sprintf("the move from %s to %s was acknowledged on %s (decision %s)", a.From, a.Option, given, a.ID)
	case Migrating, Snoozed:
		return fmt.Sprintf("the move from %s to %s is %s (answered on %s to decision %s)", a.From, a.Option, a.Outcome(), given, a.ID)
	}
	return fmt.Sprintf("%s is left out until %s: not viable, %s (answered on %s to decision %s)", a.Option, model.FormatDate(a.Until), a.Reason, given, a.ID)
}

// Outcome says in a few words what a makes of the move; a reason stands beside it.
func (a Answer) Outcome() string {
	switch a.Kind {
	case Done:
		return "done"
	case Migrating:
		by := ""
		if !a.Until.IsZero() {
			by = ", to be done by " + model.FormatDate(a.Until)
		}
		return "being made since " + model.FormatDate(a.Since) + by
	case Seen:
		return "acknowledged"
	case Snoozed:
		return "snoozed " + a.end()
	}
	return "declined until " + model.FormatDate(a.Until)
}

// Final reports whether nothing more is to be answered to the decision of a.
func (a Answer) Final() bool { return a.Kind != Seen }

func (a Answer) by() string {
	if a.By == "" {
		return ""
	}
	return " by " + a.By
}

// end says when a snooze ends.
func (a Answer) end() string {
	var ends []string
	if !a.Until.IsZero() {
		ends = append(ends, "until "+model.FormatDate(a.Until))
	}
	if a.Saving > 0 {
		ends = append(ends, fmt.Sprintf("until it saves %s a month", model.FormatUSD(model.USD(a.Saving))))
	}
	if a.Tokens > 0 {
		ends = append(ends, fmt.Sprintf("until %s tokens are projected for 30 days", model.FormatTokens(model.Tokens(a.Tokens))))
	}
	return strings.Join(ends, " or ")
}

// Answers are those that were taken, the oldest first.
type Answers []Answer

// Store keeps rows on disk. cmd/internal/store satisfies it.
type Store interface {
	Get(bucket, key string) ([]byte, error)
	Scan(bucket, prefix string, fn func(key string, value []byte) error) error
	Apply(batch map[string]map[string][]byte) error
}

// LoadAnswers reads the answers that s holds. A row that is not one is left out, and named in the error.
func LoadAnswers(s Store) (Answers, error) {
	var all Answers
	var errs []error
	err := s.Scan(Bucket, answered, func(key string, value []byte) error {
		a, err := parseAnswer(value)
		if err != nil {
			errs = append(errs, fmt.Errorf("row %q: %w", key, err))
			return nil
		}
		all = append(all, a)
		return nil
	})
	all.sort()
	return all, errors.Join(append(errs, err)...)
}

func (all Answers) sort() {
	slices.SortStableFunc(all, func(a, b Answer) int {
		if c := a.Given.Compare(b.Given); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
}

// With returns all with a in place of an earlier answer to the same decision.
func (all Answers) With(a Answer) Answers {
	next := slices.DeleteFunc(slices.Clone(all), func(old Answer) bool { return old.ID == a.ID })
	next = append(next, a)
	next.sort()
	return next
}

// To returns the answer to the decision id.
func (all Answers) To(id string) (Answer, bool) {
	i := slices.IndexFunc(all, func(a Answer) bool { return a.ID == id })
	if i < 0 {
		return Answer{}, false
	}
	return all[i], true
}

// Heed returns the current option and the candidates of workload with the answers taken into account at now, and what is to be
// said of each that counted. A move that is done counts until the configuration names another current option, see Caught; an option that is
// not viable is left out until the date, unless it has become the current one. A snooze or a migration that is spent is not mentioned.
func (all Answers) Heed(workload, current string, candidates []string, now time.Time, spent func(Answer) bool) (from string, to []string, said []model.Warning) {
	for _, a := range all {
		if a.made(workload) && a.From == current {
			current = a.Option
			text := a.Text() + fmt.Sprintf(": %s counts as the current option until the configuration names it", current)
			said = append(said, model.Warning{Code: "ANSWERED_DONE", Text: text})
		}
	}
	candidates = slices.Clone(candidates)
	for _, a := range all {
		out := func(name string) bool { return name == a.Option }
		if a.declines(workload, current, now) && slices.ContainsFunc(candidates, out) {
			candidates = slices.DeleteFunc(candidates, out)
			said = append(said, model.Warning{Code: "ANSWERED_NOT_VIABLE", Text: a.Text()})
		}
	}
	if a, ok := all.Quiet(workload, current); ok && !spent(a) {
		said = append(said, model.Warning{Code: map[string]string{Migrating: "ANSWERED_MIGRATING", Snoozed: "ANSWERED_SNOOZED"}[a.Kind], Text: a.Text()})
	}
	return current, candidates, said
}

// made reports whether a says of workload that a move is done, and counts.
func (a Answer) made(workload string) bool {
	return a.Kind == Done && a.Workload == workload && a.Ended.IsZero()
}

// Caught returns the moves of workload that were answered as done, and that end at now: the configuration, in which configured is the current
// option, does not name any more what they were made from. Should it do so again, the workload has gone back there.
func (all Answers) Caught(workload, configured string, now time.Time) (ended []Answer) {
	if configured == "" {
		return nil
	}
	for _, a := range all {
		switch {
		case !a.made(workload):
		case a.From == configured:
			configured = a.Option // what was done after it began there
		default:
			a.Ended = now
			ended = append(ended, a)
		}
	}
	return ended
}

// Quiet returns the newest answer for which nothing is to be said of a move of workload away from current: it is being made, or snoozed.
func (all Answers) Quiet(workload, current string) (Answer, bool) {
	for _, a := range slices.Backward(all) {
		if a.Workload == workload && a.From == current && (a.Kind == Snoozed || a.Kind == Migrating) {
			return a, true
		}
	}
	return Answer{}, false
}

// Seen reports whether somebody has acknowledged since a time that workload should move from current to option.
func (all Answers) Seen(workload, current, option string, since time.Time) bool {
	return slices.ContainsFunc(all, func(a Answer) bool {
		return a.Kind == Seen && !a.Given.Before(since) && a.Workload == workload && a.From == current && a.Option == option
	})
}

// Declined returns the newest answer in force at now that an option is not viable for workload, which is on current; empty without one.
func (all Answers) Declined(workload, current string, now time.Time) (option string, until time.Time) {
	for _, a := range slices.Backward(all) {
		if a.declines(workload, current, now) {
			return a.Option, a.Until
		}
	}
	return "", until
}

// declines reports whether a leaves an option of workload, which is on current, out at now.
func (a Answer) declines(workload, current string, now time.Time) bool {
	return a.Kind == NotViable && a.Workload == workload && now.Before(a.Until) && a.Option != current
}

func parseAnswer(data []byte) (Answer, error) {
	var a Answer
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return a, errors.New("answer: " + model.Printable(err.Error())) // it quotes what it could not read, and time leaves DEL in that
	}
	a.Reason = model.Printable(a.Reason) // an older version kept what cannot be seen and comes with a text that is pasted
	return a, a.Check()
}

// folder is where answers wait in the data folder until the daemon takes them at its next cycle. A file needs no port, no
// password and no daemon that is up; whoever may write to the data folder may answer.
const folder = "answers"

// Leave puts a into the data folder for the daemon, whole or not at all. One that waits for the same decision is replaced.
func Leave(data string, a Answer) error {
	if err := a.Check(); err != nil {
		return err
	}
	_, value := a.Row()
	dir := filepath.Join(data, folder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	file, err := os.CreateTemp(dir, "new-*")
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	_, err = file.Write(value)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(dir, a.ID+".json"))
	}
	if err == nil {
		err = sync(dir)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

// sync has the names of a folder outlive a loss of power.
func sync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// maxAnswerBytes bounds a file that is taken for an answer.
const maxAnswerBytes = 8 << 10

// A Waiting answer lies in the data folder.
type Waiting struct {
	Answer Answer
	Err    error // what is wrong with it; the answer is then empty
	path   string
}

// Left returns the answers that lie in the data folder, in the order of their decisions.
func Left(data string) ([]Waiting, error) {
	entries, err := os.ReadDir(filepath.Join(data, folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("answers: %w", err)
	}
	var all []Waiting
	for _, e := range entries {
		id, isAnswer := strings.CutSuffix(e.Name(), ".json")
		if !isAnswer || !e.Type().IsRegular() {
			continue
		}
		w := Waiting{path: filepath.Join(data, folder, e.Name())}
		w.Answer, w.Err = readAnswer(w.path)
		if w.Err == nil && w.Answer.ID != id {
			w.Err = fmt.Errorf("answer: the file %q holds one to decision %s", e.Name(), w.Answer.ID)
		}
		all = append(all, w)
	}
	return all, nil
}

// Given returns the answer to the decision id that waits in the data folder or that s holds, and false when there is none.
func Given(s Store, data, id string) (Answer, bool, error) {
	a, err := readAnswer(filepath.Join(data, folder, id+".json"))
	if !errors.Is(err, fs.ErrNotExist) {
		return a, err == nil, err
	}
	row, err := s.Get(Bucket, answered+id)
	if row == nil || err != nil {
		return Answer{}, false, err
	}
	a, err = parseAnswer(row)
	return a, err == nil, err
}

func readAnswer(path string) (Answer, error) {
	file, err := os.Open(path)
	if err != nil {
		return Answer{}, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxAnswerBytes))
	if err != nil {
		return Answer{}, err
	}
	return parseAnswer(data)
}

// Taken removes the file of an answer that is in the ledger. A later answer that has taken its place since it was read stays, to be taken next.
func (w Waiting) Taken() error {
	lies, err := readAnswer(w.path)
	if err != nil {
		return err
	}
	_, now := lies.Row()
	if _, read := w.Answer.Row(); !bytes.Equal(now, read) {
		return nil
	}
	return os.Remove(w.path)
}

// Refuse puts the file aside, where a person finds it.
func (w Waiting) Refuse() error { return os.Rename(w.path, w.path+".refused") }
