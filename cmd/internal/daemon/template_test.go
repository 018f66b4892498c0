package daemon

import (
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"tipline/model"
)

// TestTemplateThatBreaks lives with a template that can say the samples and not what happens: the message goes out in the built-in words, and
// the counter and the report say so until the template is put right. One that cannot say the samples is not put in force.
func TestTemplateThatBreaks(t *testing.T) {
	t.Parallel()
	r := supported(t)
	with := func(headline string) {
		r.text = strings.Split(r.text, "notify:")[0] + "notify:\n  templates:\n    - {kinds: [first_seen, switched], headline: '" + headline + "'}\n"
	}
	broken := func(report *model.Report) bool {
		return slices.ContainsFunc(report.Warnings, func(w model.Warning) bool {
			return w.Code == "TEMPLATE_BROKEN" && strings.Contains(w.Text, "index out of range: 9")
		})
	}
	with("{{slice .Workload 0 9}} to {{.Option}}") // support-chat has as many
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	r.days(t, 3)
	if e := r.box.events[0]; e.Workload != "support" || e.Headline != "" || e.Body != nil {
		t.Errorf("got %s in the words %q and %q, want it in the built-in ones", e.Workload, e.Headline, e.Body)
	}
	if got := testutil.ToFloat64(r.metrics.templateFailures); got != 1 {
		t.Errorf("counted %v failures, want one", got)
	}
	if report := r.days(t, 1); !broken(report) {
		t.Errorf("got %+v, want a warning", report.Warnings)
	}
	with("{{.Workloads}}")
	if err := r.Reload(); err == nil || !strings.Contains(err.Error(), "tipline.yml:") || !broken(r.days(t, 1)) {
		t.Errorf("a template that can say nothing: got %v, want it refused and the other in force", err)
	}
	with("{{.Workload}} to {{.Option}}")
	if err := r.Reload(); err != nil {
		t.Fatal(err)
	}
	if report := r.days(t, 1); broken(report) {
		t.Errorf("got %+v after it was put right, want no warning", report.Warnings)
	}
}
