package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/common/promslog"

	"tipline/alerting"
	"tipline/alerting/sample"
	"tipline/cmd/internal/ledger"
	"tipline/model"
)

// hostile are texts that a terminal, a log, JSON or a table gives a meaning to.
var hostile = []string{
	"support-chat", "", "a\nb\r\tc", "\x1b[31m\x1b]0;title\a", "\u009b2J\x7f", "right\u202eleft\u2066", "\xff\xfe", `"} level=error msg="x`, `a\nb\u001b`, "\u2028|<b>`*_",
	"\U000e0041\u200b\ufeff", strings.Repeat("名前", 200),
}

// FuzzLog holds that no text from outside makes more of a record of the log than a value of one line, which comes back as it was and does nothing to
// a terminal.
func FuzzLog(f *testing.F) {
	for _, text := range hostile {
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, workload, failure string) {
		for _, format := range []string{"logfmt", "json"} {
			var out bytes.Buffer
			logging := logTo(&out)
			if err := logging.Format.Set(format); err != nil {
				t.Fatal(err)
			}
			promslog.New(logging).Error("evaluation failed", "workload", workload, "error", errors.New(failure))
			line, ended := strings.CutSuffix(out.String(), "\n")
			if !ended || model.Printable(line) != line {
				t.Errorf("%s: got %q, want one line that a terminal can show", format, out.String())
			}
			values := map[string]string{}
			if format == "json" {
				var fields map[string]any
				if err := json.Unmarshal([]byte(line), &fields); err != nil {
					t.Fatalf("got %q: %v", line, err)
				}
				for name := range fields {
					values[name], _ = fields[name].(string)
				}
			} else {
				values = logfmt(t, line)
			}
			if got := strings.Join(slices.Sorted(maps.Keys(values)), " "); got != "error level msg source time workload" {
				t.Errorf("%s: got the fields %s in %q", format, got, line)
			}
			for name, want := range map[string]string{"workload": workload, "error": failure} {
				exact := format == "logfmt" && !strings.Contains(want, "\x7f") || format == "json" && utf8.ValidString(want) // slog does not quote for the sake of U+007F
				if exact && values[name] != want {
					t.Errorf("%s: %s: got %q, want %q", format, name, values[name], want)
				}
			}
		}
	})
}

// logfmt reads the fields of a line.
func logfmt(t *testing.T, line string) map[string]string {
	t.Helper()
	values := map[string]string{}
	for line != "" {
		name, rest, found := strings.Cut(line, "=")
		if _, twice := values[name]; !found || twice {
			t.Fatalf("got the field %q in %q, want every one once and with a value", name, line)
		}
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			values[name], line, _ = strings.Cut(rest, " ")
			continue
		}
		if values[name], err = strconv.Unquote(quoted); err != nil {
			t.Fatal(err)
		}
		line = strings.TrimPrefix(rest[len(quoted):], " ")
	}
	return values
}

// spoil puts text in the place of every text in v, but for what says whether to move.
func spoil(v reflect.Value, text string) {
	switch v.Kind() {
	default: // a number stays
	case reflect.String:
		v.SetString(text)
	case reflect.Pointer:
		if !v.IsNil() {
			spoil(v.Elem(), text)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() && field.Name != "Recommendation" {
				spoil(v.Field(i), text)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			spoil(v.Index(i), text)
		}
	}
}

// FuzzExplain holds that no text in a receipt, in what the ledger keeps beside it, in a report and in an error does anything to the terminal on which
// they are printed, and that a receipt as JSON says what it said.
func FuzzExplain(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, _ := sample.Of(alerting.Switched)
		spoil(reflect.ValueOf(&e.Report).Elem(), text)
		e.Report.Labels = map[string]string{text: text}
		for i := range e.Report.Options {
			e.Report.Options[i].Parts = []model.CostPart{{Name: text, Formula: text, USDPerMonth: 1}}
		}
		r := ledger.Receipt{
			AsOf: e.Time, Engine: text, ConfigHash: text, Frozen: text, Workload: e.Report,
			Samples:  &ledger.Samples{Source: text, From: e.Time, To: e.Time, Expression: text, TTFTExpression: text, GPUExpression: text},
			Capacity: []model.CapacityNumber{{Option: text, What: text, Value: text, Unit: text, Label: text, From: text}},
		}
		data, err := r.Seal()
		if err != nil {
			t.Fatal(err)
		}
		if at := model.Printable(string(data)); at != string(data) {
			t.Errorf("the ledger keeps %q, want a line that a terminal can show", data)
		}
		kept := found{
			data: data, announcement: &alerting.Announcement{Event: text, Reason: alerting.Reason(text), Previous: text},
			answer: &ledger.Answer{ID: text, Kind: ledger.NotViable, Reason: text, By: text, From: text, Option: text},
		}
		show := func(what string, run func(p *program) error) string {
			t.Helper()
			var out bytes.Buffer
			if err := run(&program{stdout: &out, stderr: &out}); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			for line := range strings.SplitSeq(out.String(), "\n") {
				if model.Printable(line) != line {
					t.Errorf("%s: got the line %q, want one that a terminal can show", what, line)
				}
			}
			return out.String()
		}
		show("explain", func(p *program) error { return p.explain(kept, "text") })
		printed := show("explain -o json", func(p *program) error { return p.explain(kept, "json") })
		if err := ledger.Verify([]byte(printed)); err != nil {
			t.Errorf("%s: %v", printed, err)
		}
		if back, err := ledger.Open([]byte(printed)); err != nil || utf8.ValidString(text) && back.Workload.Workload != text {
			t.Errorf("got %q, %v, want %q", back.Workload.Workload, err, text)
		}
		report := &model.Report{Workloads: []model.WorkloadReport{e.Report}, Sources: []model.SourceReport{{Source: text, Error: text}}}
		for _, format := range []string{"table", "markdown", "json"} {
			show("report -o "+format, func(p *program) error { return printReport(p.stdout, report, format) })
		}
		show("an error", func(p *program) error { p.fail(errors.New(text)); return nil })
	})
}
