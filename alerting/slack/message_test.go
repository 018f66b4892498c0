package slack

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	slackapi "github.com/slack-go/slack"

	"tipline/alerting"
	"tipline/alerting/sample"
	"tipline/alerting/words"
	"tipline/model"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The messages that most tests change one thing of.
func event() alerting.Event    { return sampled(alerting.Switched) }
func drifted() alerting.Event  { return sampled(alerting.Drifted) }
func weekly() alerting.Event   { return sampled(alerting.Digested) }
func repriced() alerting.Event { return sampled(alerting.PricesMoved) }

func sampled(r alerting.Reason) alerting.Event {
	e, ok := sample.Of(r)
	if !ok {
		panic("no sample of " + r)
	}
	return e
}

// TestGolden shows a message of every kind as JSON and as preview.
func TestGolden(t *testing.T) {
	t.Parallel()
	files := map[string]string{}
	for _, r := range alerting.Kinds {
		name := strings.ReplaceAll(string(r), "_", "-")
		files[name+".json"], files[name+".txt"] = string(JSON(sampled(r), Layout{Buttons: true, Charts: true}))+"\n", Preview(sampled(r), Layout{}, 100, false)
	}
	for name, got := range files {
		if spaced := regexp.MustCompile(`\d %`).FindString(got); spaced != "" {
			t.Errorf("%s: says %q, where a percentage has no space", name, spaced)
		}
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// checkLimits holds Block Kit's limits and that nothing in the message pings or links.
func checkLimits(t *testing.T, e alerting.Event) {
	t.Helper()
	for _, l := range []Layout{{}, {Buttons: true, Charts: true}} {
		checkLimitsOf(t, e, Blocks(e, l))
	}
}

func checkLimitsOf(t *testing.T, e alerting.Event, blocks []slackapi.Block) {
	t.Helper()
	if len(blocks) > 50 {
		t.Errorf("got %d blocks, want at most 50", len(blocks))
	}
	total := 0
	check := func(what, text string, most int, markdown bool) {
		n := utf8.RuneCountInString(text)
		total += n
		if n > most {
			t.Errorf("%s: got %d characters, want at most %d", what, n, most)
		}
		if !utf8.ValidString(text) {
			t.Errorf("%s: %q is not UTF-8", what, text)
		}
		if markdown && strings.ContainsAny(text, "<>") {
			t.Errorf("%s: %q has an angle bracket, which could ping or link", what, text)
		}
		if strings.ContainsRune(text, '\u202e') || strings.ContainsRune(text, 0) {
			t.Errorf("%s: %q turns the direction or has a control character", what, text)
		}
	}
	for _, block := range blocks {
		switch b := block.(type) {
		case *slackapi.HeaderBlock:
			check("header", b.Text.Text, 150, false)
		case *slackapi.SectionBlock:
			check("section", b.Text.Text, 3000, true)
		case *slackapi.DataVisualizationBlock:
			if err := b.Validate(); err != nil {
				t.Errorf("chart: %v", err)
			}
		case *slackapi.ActionBlock:
			for _, element := range b.Elements.ElementSet {
				button := element.(*slackapi.ButtonBlockElement)
				check("button", button.Text.Text, 75, false)
				if n := utf8.RuneCountInString(button.Value); n > 2000 {
					t.Errorf("value of a button: got %d characters, want at most 2,000", n)
				}
				if c := button.Confirm; c != nil {
					check("title of a question", c.Title.Text, 100, false)
					check("question", c.Text.Text, 300, false)
					check("answer", c.Confirm.Text, 30, false)
				}
			}
		case *slackapi.ContextBlock:
			if n := len(b.ContextElements.Elements); n > 10 {
				t.Errorf("context: got %d elements, want at most 10", n)
			}
			for _, element := range b.ContextElements.Elements {
				check("context", element.(*slackapi.TextBlockObject).Text, 2000, false)
			}
		}
	}
	if total > 12_000 {
		t.Errorf("got %d characters in all, want at most 12,000", total)
	}
	check("text", Text(e), 4000, true)
	if err := json.Unmarshal(JSON(e, Layout{Buttons: true}), new(any)); err != nil {
		t.Errorf("payload: %v", err)
	}
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"<!channel>", "<@U123>", "<https://evil.example|click>", "*bold* `code` ~gone~", "line\nbreak\r\x1b[31mred", "right\u202eleft",
		strings.Repeat("名前", 3000), strings.Repeat("🦙", 2000), "&lt;!here&gt;", "\xff\xfe",
	} {
		e := event()
		e.Workload, e.Report.Current, e.Report.Decision.Option, e.Report.Decision.Because = text, text, text, text
		e.Report.Decision.WouldChange = []string{text, text, text, text, text, text, text}
		e.Report.Options[0].Option = text
		moved := drifted()
		moved.Workload, moved.Report.Current, moved.Report.Decision.Option, moved.Drifts[0].Text = text, text, text, text
		checkLimits(t, moved)
		digest := weekly()
		digest.Digest.Items = slices.Repeat(digest.Digest.Items, 20)
		for i := range digest.Digest.Items {
			digest.Digest.Items[i].Workload, digest.Digest.Items[i].Text = text, text
		}
		checkLimits(t, digest)
		prices := repriced()
		prices.Prices.Moves[0].Option, prices.Prices.Flips[0].Workload, prices.Prices.Closer = text, text, slices.Repeat([]string{text}, 30)
		prices.Prices.Moves = slices.Repeat(prices.Prices.Moves, 20)
		checkLimits(t, prices)
		for range 30 {
			e.Report.Options = append(e.Report.Options, model.OptionCost{Option: text, Infeasible: text, Warnings: []model.Warning{{Text: text}}})
		}
		e.Report.Warnings = []model.Warning{{Text: text}}
		checkLimits(t, e)
		if preview := Preview(e, Layout{}, 80, false); strings.ContainsAny(preview, "\x1b\r") {
			t.Errorf("%q: the preview has control characters", text)
		}
	}
}

func FuzzBlocks(f *testing.F) {
	f.Add("<!channel>", "at 5B tokens <b>api</b> costs less", 3)
	f.Add("a\u202eb", strings.Repeat("*_`~", 900), 60)
	f.Fuzz(func(t *testing.T, name, sentence string, n int) {
		e := event()
		e.Workload, e.Previous, e.Report.Decision.Option, e.Report.Decision.Because = name, name, name, sentence
		for range min(max(0, n), 100) {
			e.Report.Decision.WouldChange = append(e.Report.Decision.WouldChange, sentence)
			e.Report.Options = append(e.Report.Options, model.OptionCost{Option: name, Infeasible: sentence, Blocked: []string{name}})
			e.Superseded = append(e.Superseded, alerting.Superseded{Option: name})
		}
		checkLimits(t, e)
		Preview(e, Layout{Buttons: true}, n, true)
	})
}

func TestCutsAreShown(t *testing.T) {
	t.Parallel()
	e := event()
	for range 10 {
		e.Report.Options = append(e.Report.Options, model.OptionCost{Option: "more"})
	}
	text := string(JSON(e, Layout{Buttons: true}))
	if !strings.Contains(text, "+6 more options") {
		t.Errorf("got %s, want the options left out to be counted", text)
	}
}

// TestAnsweredWithoutButtons holds that an answer to what has no buttons brings none.
func TestAnsweredWithoutButtons(t *testing.T) {
	t.Parallel()
	for reason, want := range map[alerting.Reason]bool{alerting.Switched: true, alerting.Unstable: false} {
		e := sampled(reason)
		e.Reason, e.Answer = alerting.Answered, &alerting.Answer{Text: "is acknowledged", Time: e.Time, About: reason}
		if got := string(JSON(e, Layout{Buttons: true})); strings.Contains(got, `"type": "button"`) != want {
			t.Errorf("%s: want buttons: %v, got %s", reason, want, got)
		}
	}
}

func TestReturned(t *testing.T) {
	t.Parallel()
	e := event()
	e.Reason, e.Report.Decision.Recommendation, e.Report.Decision.Option = alerting.Returned, model.Stay, "haiku"
	if got, want := words.Headline(e), "support-chat: stay on haiku after all"; got != want {
		t.Errorf("headline: got %q, want %q", got, want)
	}
}

// outrage puts text in the place of every text in v but those that name a kind, and makes every list long.
func outrage(v reflect.Value, text string) {
	switch v.Kind() {
	default: // a number stays
	case reflect.String:
		if v.CanSet() && v.Type() == reflect.TypeFor[string]() {
			v.SetString(text)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			outrage(v.Elem(), text)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			if !slices.Contains([]string{"Recommendation", "Kind"}, v.Type().Field(i).Name) {
				outrage(v.Field(i), text)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			if named, ok := v.Index(i).Addr().Interface().(*alerting.Event); ok { // of which a line is shown
				named.Workload, named.Report.Decision.Option, named.Report.Decision.ID = text, text, text
				continue
			}
			outrage(v.Index(i), text)
		}
		for v.CanSet() && v.Len() > 0 && v.Len() < 24 {
			v.Set(reflect.AppendSlice(v, v))
		}
	}
}

// TestWorstCase holds every limit of Slack in a message of every kind in which every text is hostile and as long as it likes, and every list is
// long, in the channel and in a thread, with buttons and without.
func TestWorstCase(t *testing.T) {
	t.Parallel()
	for _, r := range alerting.Kinds {
		t.Run(string(r), func(t *testing.T) {
			t.Parallel()
			for _, text := range []string{"", "<!channel>", strings.Repeat("*_`~<&>", 130), strings.Repeat("\u202e名\x00\xff\n", 200)} {
				e := sampled(r)
				outrage(reflect.ValueOf(&e).Elem(), text)
				checkLimits(t, e)
				checkLimitsOf(t, e, below(e))
				if first, _, _ := strings.Cut(Preview(e, Layout{Buttons: true, Charts: true}, 40, false), "\n"); first == "" {
					t.Error("no preview")
				}
				if t.Failed() {
					t.Fatalf("with %.40q", text)
				}
			}
		})
	}
}
