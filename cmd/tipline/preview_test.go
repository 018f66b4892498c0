package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tipline/alerting"
	"tipline/collector"
	"tipline/config"
)

// TestPreviewOfEveryKind holds that every kind of message has a preview in both forms.
func TestPreviewOfEveryKind(t *testing.T) {
	t.Parallel()
	for _, r := range alerting.Kinds {
		code, text, errs := tipline(t, t.TempDir(), "preview", string(r))
		if code != exitDone || !strings.HasPrefix(text, "╭") {
			t.Errorf("%s: exit %d, %s\n%s", r, code, errs, text)
		}
		code, form, errs := tipline(t, t.TempDir(), "preview", string(r), "-o", "json")
		if code != exitDone || !json.Valid([]byte(form)) {
			t.Errorf("%s: exit %d, %s\n%s", r, code, errs, form)
		}
	}
	code, _, errs := tipline(t, t.TempDir(), "preview", "switch")
	if code != exitUsage || !strings.Contains(errs, `got "switch", want one of first_seen, switched`) {
		t.Errorf("an unknown kind: exit %d, %s", code, errs)
	}
}

// TestPreviewIsWhatWasPosted holds that the preview of a decision in the ledger is the message that Slack got about it, with what a template says
// of its owner and severity.
func TestPreviewIsWhatWasPosted(t *testing.T) {
	t.Parallel()
	folder, prom, box := stageProgram(t)
	writeFile(t, filepath.Join(folder, "tipline.yml"), fmt.Sprintf(programConfig, prom.URL, box.URL)+`  templates: [{headline: "{{.Severity}} for {{.Owner}}: {{.Headline}}"}]
workloads: [{match: {team_alias: "sup|port"}, owner: team-support, critical: true}]
`)
	id, _ := evaluated(t, folder)
	code, out, errs := tipline(t, folder, "preview", id, "-o", "json")
	if code != exitDone {
		t.Fatalf("exit %d, %s", code, errs)
	}
	var shown, posted struct {
		Text   string
		Blocks any
	}
	message := box.Messages()[0]
	if !strings.HasPrefix(message.Text, "warning for team-support: ") {
		t.Errorf("got %q, want the words of the template", message.Text)
	}
	posted.Text = message.Text
	if err := json.Unmarshal(message.Blocks, &posted.Blocks); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), &shown); err != nil {
		t.Fatal(err)
	}
	was, _ := json.Marshal(posted)
	is, _ := json.Marshal(shown)
	if string(was) != string(is) {
		t.Errorf("posted\n%s\nshown\n%s", was, is)
	}
	if code, _, errs := tipline(t, folder, "preview", strings.Repeat("0", 12)); code != exitNotRight || !strings.Contains(errs, "does not hold it") {
		t.Errorf("an id that the ledger does not hold: exit %d, %s", code, errs)
	}
}

// TestPreviewOfATemplate holds that a preview says what a message would, that check and preview refuse a template that cannot say every kind that it
// covers, and with its place.
func TestPreviewOfATemplate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, template string
		code           int
		says           string
	}{
		{"of the kind", `{kinds: [switched], headline: "Time to move {{.Workload}}"}`, exitDone, "Time to move support-chat"},
		{"of another kind", `{kinds: [digest], headline: "The week: {{.Headline}}"}`, exitDone, "support-chat: move to base-plus-burst, saves $6,200 a month"},
		{"one that knows a field that there is not", `{headline: "{{.Workload}}", body: "{{.Price}}"}`, exitNotRight, `tipline.yml:6:41: notify.templates[0].body: body of a message first_seen: 1:2: at <.Price>: can't evaluate field Price`},
		{"one that has nothing to say of a digest", `{kinds: [digest, switched], headline: "{{.Workload}}"}`, exitNotRight, "headline of a message digest: says nothing"},
		{"one that is none", `{headline: "{{"}`, exitNotRight, "notify.templates[0].headline: 1: unclosed action"},
		{"of a kind that there is not", `{kinds: [switch], headline: x}`, exitNotRight, `unknown kind of message "switch", did you mean "switched"?`},
		{"without words", `{kinds: [switched]}`, exitNotRight, "want headline, body, or both"},
	} {
		folder := t.TempDir()
		config := `sources: [{name: gateway, prometheus: {url: "http://127.0.0.1:1"}, pack: litellm, group_by: [team], hosting: api}]
options: [{name: mini, kind: api, model: openai/gpt-5-mini}]
notify:
  slack: {token_file: token, channel: "#llm-cost"}
  templates:
    - ` + tc.template + "\n"
		if err := os.WriteFile(filepath.Join(folder, "tipline.yml"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errs := tipline(t, folder, "preview", "switched")
		if code != tc.code || !strings.Contains(out+errs, tc.says) {
			t.Errorf("%s: exit %d, want %d and %q in\n%s%s", tc.name, code, tc.code, tc.says, out, errs)
		}
		if code, _, errs := tipline(t, folder, "check"); code != tc.code || tc.code != exitDone && !strings.Contains(errs, tc.says) {
			t.Errorf("check of %s: exit %d, want %d; %s", tc.name, code, tc.code, errs)
		}
	}
}

// TestEverySeverityCanBeRouted holds that the configuration knows the severities of messages.
func TestEverySeverityCanBeRouted(t *testing.T) {
	t.Parallel()
	for _, s := range alerting.Severities {
		_, err := config.Parse("tipline.yml", []byte(`
sources: [{name: gateway, prometheus: {url: "http://127.0.0.1:1"}, pack: litellm, group_by: [team], hosting: api}]
options: [{name: mini, kind: api, model: openai/gpt-5-mini}]
notify:
  slack: {token_file: token, channel: "#llm-cost"}
  routes: [{severities: [`+string(s)+`], slack_channel: "#x"}]
`), collector.Packs()...)
		if err != nil {
			t.Errorf("%s: got %v", s, err)
		}
	}
}

// TestEveryKindCanBeRouted holds that the configuration knows the kinds of messages, but for those that come where they belong anyway.
func TestEveryKindCanBeRouted(t *testing.T) {
	t.Parallel()
	for _, r := range alerting.Kinds {
		_, err := config.Parse("tipline.yml", []byte(`
sources: [{name: gateway, prometheus: {url: "http://127.0.0.1:1"}, pack: litellm, group_by: [team], hosting: api}]
options: [{name: mini, kind: api, model: openai/gpt-5-mini}]
notify:
  slack: {token_file: token, channel: "#llm-cost"}
  routes: [{kinds: [`+string(r)+`], slack_channel: "#x"}]
`), collector.Packs()...)
		if always := r == alerting.Tested || r == alerting.Summed || r == alerting.Answered; (err != nil) != always {
			t.Errorf("%s: got %v", r, err)
		}
	}
}
