package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/alerting/slack/slacktest"
	"tipline/collector"
	"tipline/collector/promtest"
	"tipline/config"
	"tipline/model"
)

// one is an answer of one series with one sample.
func one(labels map[string]string, at time.Time, v float64) promtest.Answer {
	return promtest.Answer{Series: []promtest.Series{{Labels: labels, Points: []promtest.Point{{At: at, Value: v}}}}}
}

// scraped answers a live check as a server does where nothing is wrong.
func scraped(q promtest.Query) promtest.Answer {
	now := time.Now()
	switch {
	case strings.HasPrefix(q.Expr, "count(count without"):
		return promtest.Answer{}
	case strings.HasPrefix(q.Expr, "count(up)") && q.End.After(now.Add(5*time.Minute)):
		return promtest.Answer{}
	case strings.HasPrefix(q.Expr, "count(") && q.End.Before(now.AddDate(0, 0, -10)):
		return promtest.Answer{} // the history goes back about a week
	case strings.HasPrefix(q.Expr, "count by (__name__)"):
		return one(map[string]string{"__name__": "litellm_metric_total"}, q.End, 3)
	}
	return one(map[string]string{"team_alias": "a"}, q.End, 1)
}

// TestCheckLive asks the servers of a configuration and says of each finding what to do about it.
func TestCheckLive(t *testing.T) {
	t.Parallel()
	folder, prom, _ := stageProgram(t)
	prom.Answer(scraped)
	code, out, errs := tipline(t, folder, "check", "--live")
	if code != exitDone || errs != "" {
		t.Errorf("exit %d, %s", code, errs)
	}
	for _, want := range []string{"good: 1 source", "gateway, http://", "ok    answers, ", "ok    input: 3 series of 1 workload, litellm_metric_total", "ok    history: "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "FIX") {
		t.Errorf("something to put right in\n%s", out)
	}
	for name, tc := range map[string]struct {
		answer func(promtest.Query) promtest.Answer
		code   int
		want   string
	}{
		"none of them":   {func(promtest.Query) promtest.Answer { return promtest.Answer{} }, exitNotRight, "ok    cache_write: nothing found, which means none"},
		"nothing there":  {func(promtest.Query) promtest.Answer { return promtest.Answer{} }, exitNotRight, "FIX   input: nothing found: are the metrics of "},
		"another tenant": {func(promtest.Query) promtest.Answer { return promtest.Answer{} }, exitNotRight, "FIX   nothing was scraped in the last five minutes, not even `up`: is it the right tenant"},
		"sent to it": {func(q promtest.Query) promtest.Answer {
			if strings.HasPrefix(q.Expr, "count(up)") {
				return promtest.Answer{}
			}
			return scraped(q)
		}, exitDone, "ok    no series `up` was scraped in the last five minutes: what is there was sent"},
		"starting":     {func(promtest.Query) promtest.Answer { return promtest.Status(503, "starting") }, exitUnreachable, "FIX   "},
		"not let in":   {func(promtest.Query) promtest.Answer { return promtest.Status(401, "who are you") }, exitNotRight, "give basic_auth"},
		"a login page": {func(promtest.Query) promtest.Answer { return promtest.HTML() }, exitNotRight, "login page in front?"},
		"a clock ahead": {func(q promtest.Query) promtest.Answer {
			if strings.HasPrefix(q.Expr, "count(up)") {
				return one(map[string]string{}, q.End, 1)
			}
			return scraped(q)
		}, exitNotRight, "FIX   the server has samples a quarter of an hour ahead"},
		"replicas": {func(q promtest.Query) promtest.Answer {
			if strings.HasPrefix(q.Expr, "count(count without") {
				return one(map[string]string{}, q.End, 3)
			}
			return scraped(q)
		}, exitNotRight, "FIX   counters are stored once for every replica of a Prometheus (3 of"},
	} {
		prom.Answer(tc.answer)
		if code, out, errs := tipline(t, folder, "check", "--live"); code != tc.code || !strings.Contains(out, tc.want) || errs != "" {
			t.Errorf("%s: exit %d, %s\n%s\nwant %d and %q", name, code, errs, out, tc.code, tc.want)
		}
	}
}

// TestF38_CheckLiveNames holds that a live check names the metric that is misspelt in a query of one's own, and GPUs that nobody shows, which its look at a pack does not.
func TestF38_CheckLiveNames(t *testing.T) {
	t.Parallel()
	prom, folder := promtest.Start(t, func(q promtest.Query) promtest.Answer {
		return promtest.Answer{Series: promtest.Each(q, map[string]string{"app": "a"}, func(signal string, _ time.Time) (float64, bool) {
			return 1, !strings.Contains(signal, "cahced") && signal != "wanted_cache_read" && !strings.HasPrefix(signal, "wanted_gpus")
		})}
	}), t.TempDir()
	writeFile(t, filepath.Join(folder, "tipline.yml"), fmt.Sprintf("sources:\n  - {name: own, prometheus: {url: %q}, group_by: [app], hosting: self-hosted, backfill: 2d, gpus: {pack: amd, join: [app]}, queries: "+
		"{input: in_total, output: out_total, cache_read: in_total - cahced_total}}\n", prom.URL))
	code, out, _ := tipline(t, folder, "check", "--live")
	for _, want := range []string{"FIX   nothing is found of cache_read (cahced_total)\n", "FIX   nothing is found of gpus (gpu_gfx_activity, amd_gpu_gfx_activity, gpu_used_vram, amd_gpu_used_vram)\n"} {
		if code != exitNotRight || !strings.Contains(out, want) {
			t.Errorf("exit %d, want %d and %q in\n%s", code, exitNotRight, want, out)
		}
	}
}

// TestCheckLiveWithoutCredentials holds that a file with credentials that is not there is told from a server that cannot be reached.
func TestCheckLiveWithoutCredentials(t *testing.T) {
	t.Parallel()
	prom, folder := promtest.Start(t, scraped), t.TempDir()
	writeFile(t, filepath.Join(folder, "tipline.yml"), fmt.Sprintf(
		"sources:\n  - {name: gateway, prometheus: {url: %q, authorization: {credentials_file: token}}, pack: litellm, group_by: [team_alias], hosting: api}\n", prom.URL,
	))
	code, out, errs := tipline(t, folder, "check", "--live")
	if code != exitNotRight || !strings.Contains(out, "FIX   no_credentials: ") || !strings.Contains(out, "no such file or directory: name a file that is there and may be read\n") ||
		strings.Contains(out, "is the address right") || errs != "" {
		t.Errorf("exit %d, %s\n%s", code, errs, out)
	}
}

// TestCovered holds that the hour in which a workload began is no gap, and that every other hour of the last week that was not measured is one.
func TestCovered(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 17, 0, 0, 0, time.UTC)
	for text, want := range map[string]model.Fraction{"": -1, "-": -1, "+": -1, "-+": 1, "-++": 1, "+-+": 0.5, "-+-+--": 2. / 3, "--": 0, "-" + strings.Repeat("+", 6*24): 1} {
		u := model.Usage{Start: now.Add(-time.Duration(len(text)) * time.Hour)}
		for _, hour := range text {
			u.Hours = append(u.Hours, model.Hour{Coverage: map[rune]model.Fraction{'+': 1, '-': 0.4}[hour]})
		}
		got, known := covered([]model.Usage{u}, func(u model.Usage) model.Usage { return u }, now)
		if known != (want >= 0) || known && math.Abs(float64(got-want)) > 1e-9 {
			t.Errorf("%q: got %v, %v, want %v", text, got, known, want)
		}
	}
	long := model.Usage{Start: now.Add(-8 * 24 * time.Hour), Hours: make([]model.Hour, 8*24)} // the first hour of the week is none of its first
	for i := range long.Hours {
		long.Hours[i].Coverage = model.Fraction(min(i%168, 1))
	}
	if got, known := covered([]model.Usage{long}, func(u model.Usage) model.Usage { return u }, now); !known || math.Abs(float64(got)-167./168) > 1e-9 {
		t.Errorf("got %v, %v, want all hours of a week but one", got, known)
	}
}

// TestCheckLiveWeighsQueries holds that a live check says of every query what it took and which limits it is near, without that being something to put right, and that JSON has the same.
func TestCheckLiveWeighsQueries(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	prom := promtest.Start(t, func(q promtest.Query) promtest.Answer {
		if len(q.Signals()) == 0 {
			return scraped(q)
		}
		if hours := len(q.Times()); hours > 6 {
			return promtest.JSON(422, `{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory in query execution"}`)
		}
		answer := promtest.Answer{Series: promtest.Each(q, map[string]string{"team_alias": "a"}, func(signal string, _ time.Time) (float64, bool) {
			return map[string]float64{"coverage": 1, "input": 4e6, "output": 1e6, "requests": 2e3}[signal], signal != "resets"
		})}
		return answer
	})
	writeFile(t, filepath.Join(folder, "tipline.yml"), fmt.Sprintf(
		"sources:\n  - {name: gateway, prometheus: {url: %q, max_response_bytes: 2048}, pack: litellm, group_by: [team_alias], hosting: api, backfill: 2d}\n", prom.URL,
	))
	code, out, errs := tipline(t, folder, "check", "--live")
	for _, want := range []string{
		"        QUERY                ASKED  SERIES  SAMPLES  SIZE", "; the slowest is ", "s of 30s\n", "  input output cache_read cache_write requests coverage resets\n",
		"  near  hours: asks for 6 hours at once, since the server refused, or had no time for, 24: ",
		"B, and prometheus.max_response_bytes is 2.05kB: raise it, group by fewer labels, or select fewer series\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if code != exitDone || errs != "" {
		t.Errorf("exit %d, %s", code, errs)
	}
	if code, _, errs = tipline(t, folder, "check", "-o", "json"); code != exitUsage || !strings.Contains(errs, "--live") {
		t.Errorf("JSON of nothing: exit %d, %s", code, errs)
	}
	code, out, errs = tipline(t, folder, "check", "--live", "-o", "json")
	var report liveReport
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitDone || errs != "" {
		t.Fatalf("exit %d, %v, %s\n%s", code, err, errs, out)
	}
	s := report.Sources[0]
	if len(report.Sources) != 1 || s.Name != "gateway" || s.URL != prom.URL || len(s.Findings) < 5 || len(report.All.Findings) == 0 || report.Notifiers == nil {
		t.Errorf("got %+v", report)
	}
	q := s.Queries[0]
	if len(s.Queries) < 3 || q.Query != "hours" || q.Pack != "litellm" || len(q.Signals) != 7 || q.Requests < 8 || q.Hours != 6 || q.Series != 6 || q.Samples != 36 || q.Bytes < 1024 ||
		q.Seconds <= 0 || q.Peak != nil || len(q.Near) != 2 {
		t.Errorf("got %+v, want 6 series of 6 hours near two limits, and nothing of what the server held, since it does not say", q)
	}
}

// TestCheckLiveAsksForLess holds that a server which has no time for a day of hours is asked for fewer, as the daemon would from the next hour on, and that one which has no
// time for any is given up.
func TestCheckLiveAsksForLess(t *testing.T) {
	t.Parallel()
	folder, prom, _ := stageProgram(t)
	for longest, tc := range map[int]struct {
		code int
		want string
	}{
		6: {exitDone, "near  hours: asks for 6 hours at once, since the server refused, or had no time for, 24: "},
		0: {exitUnreachable, "query timed out: is the server overloaded, or prometheus.timeout too short?\n"},
	} {
		prom.Answer(func(q promtest.Query) promtest.Answer {
			if len(q.Times()) > longest && slices.Contains(q.Signals(), "coverage") {
				return promtest.JSON(503, `{"status":"error","errorType":"timeout","error":"query timed out"}`)
			}
			if len(q.Signals()) == 0 {
				return scraped(q)
			}
			return promtest.Answer{Series: promtest.Each(q, map[string]string{"team_alias": "a"}, func(signal string, _ time.Time) (float64, bool) {
				return map[string]float64{"coverage": 1, "input": 4e6, "output": 1e6, "requests": 2e3}[signal], signal != "resets"
			})}
		})
		code, out, errs := tipline(t, folder, "check", "--live")
		if code != tc.code || !strings.Contains(out, tc.want) || errs != "" {
			t.Errorf("%d hours: exit %d, %s\n%s\nwant %d and %q", longest, code, errs, out, tc.code, tc.want)
		}
	}
}

// TestNearLimits holds from where on a query is near a limit.
func TestNearLimits(t *testing.T) {
	t.Parallel()
	limits := config.Prometheus{Timeout: 30 * time.Second, MaxResponseBytes: 32 << 20}
	for _, tc := range []struct {
		cost collector.Cost
		want string // in what is said; empty for nothing
	}{
		{collector.Cost{Hours: 24, Took: 14 * time.Second, Bytes: 16<<20 - 1, Peak: mostSamples/2 - 1}, ""},
		{collector.Cost{Took: 15 * time.Second}, "took 15s, and prometheus.timeout is 30s"},
		{collector.Cost{Bytes: 16 << 20}, "an answer has 16.8MB, and prometheus.max_response_bytes is 33.6MB"},
		{collector.Cost{Peak: mostSamples / 2}, "the server held 25.0M samples at once, and Prometheus refuses more than 50.0M"},
		{collector.Cost{Hours: 23}, "asks for 23 hours at once"},
		{collector.Cost{Parts: 1}, ""},
		{collector.Cost{Parts: 8}, "asks for an hour in 8 parts"},
	} {
		got := strings.Join(nearLimits(tc.cost, limits), "\n")
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%+v: got %q, want %q", tc.cost, got, tc.want)
		}
	}
}

// TestCheckLiveAsksSlack holds that a live check says whether Slack takes the token, and sends no message for it.
func TestCheckLiveAsksSlack(t *testing.T) {
	t.Parallel()
	folder, prom, box := stageProgram(t)
	prom.Answer(scraped)
	for name, tc := range map[string]struct {
		answer *slacktest.Answer
		code   int
		want   string
	}{
		"a good token":      {nil, exitDone, "slack\n  ok    takes the token"},
		"a token withdrawn": {new(slacktest.Error("token_revoked")), exitNotRight, "token_revoked"},
		"a Slack in need":   {&slacktest.Answer{Status: 503}, exitUnreachable, "slack\n  FIX   slack: "},
	} {
		box.Lookups(func(int) *slacktest.Answer { return tc.answer })
		code, out, errs := tipline(t, folder, "check", "--live")
		if code != tc.code || !strings.Contains(out, tc.want) || errs != "" || len(box.Messages()) > 0 {
			t.Errorf("%s: exit %d, %s\n%s\nwant %d and %q", name, code, errs, out, tc.code, tc.want)
		}
	}
}

// TestCheckLiveReadsTheHours holds that a live check finds in the hours what is counted twice until the configuration says where it is priced, what was not measured, and
// counters that fall, and that it leaves no data file.
func TestCheckLiveReadsTheHours(t *testing.T) {
	t.Parallel()
	volume := func(at time.Time) float64 {
		h := fnv.New32a()
		_, _ = h.Write([]byte(at.Format(time.RFC3339)))
		return 1e6 * (0.5 + float64(h.Sum32()%1000)/1000)
	}
	answer := func(coverage, falls float64) func(promtest.Query) promtest.Answer {
		return func(q promtest.Query) promtest.Answer {
			if len(q.Signals()) == 0 { // that a live check asks besides
				if strings.HasPrefix(q.Expr, "count((stddev") || strings.HasPrefix(q.Expr, "count(count without") || q.End.After(time.Now().Add(time.Minute)) {
					return promtest.Answer{}
				}
				return promtest.Answer{Series: []promtest.Series{{Labels: map[string]string{"__name__": "x_total"}, Points: []promtest.Point{{At: q.End, Value: 1}}}}}
			}
			labels := map[string]string{"team_alias": "chat", "model_name": "llama"}
			return promtest.Answer{Series: promtest.Each(q, labels, func(signal string, at time.Time) (float64, bool) {
				v, known := map[string]float64{
					"input": 4 * volume(at), "output": volume(at), "requests": volume(at) / 500, "coverage": coverage, "resets": falls,
				}[signal]
				return v, known
			})}
		}
	}
	prom, folder := promtest.Start(t, answer(1, 0)), t.TempDir()
	text := fmt.Sprintf(`sources:
  - {name: gateway, prometheus: {url: "%[1]s"}, pack: litellm, group_by: [team_alias], hosting: api}
  - {name: engines, prometheus: {url: "%[1]s"}, pack: vllm, group_by: [model_name], hosting: self-hosted}
`, prom.URL)
	for name, tc := range map[string]struct {
		stanza          string
		coverage, falls float64
		code            int
		want            string
	}{
		"twice":             {"", 1, 0, exitNotRight, "FIX   metered twice: chat (source gateway) and llama (source engines) count the same traffic"},
		"twice and settled": {"workloads: [{source: gateway, meter: primary}]\n", 1, 0, exitDone, "ok    metered twice: chat (source gateway) and llama (source engines) count the same traffic"},
		"half of the hours": {"workloads: [{source: gateway, meter: primary}]\n", 0.4, 0, exitNotRight, "FIX   coverage: 0% of the hours of the last week"},
		"a sawtooth":        {"workloads: [{source: gateway, meter: primary}]\n", 1, 9, exitNotRight, "FIX   SAWTOOTH: chat: the counter fell more than 3 times an hour"},
	} {
		prom.Answer(answer(tc.coverage, tc.falls))
		writeFile(t, filepath.Join(folder, "tipline.yml"), text+tc.stanza)
		code, out, errs := tipline(t, folder, "check", "--live")
		if code != tc.code || !strings.Contains(out, tc.want) || errs != "" {
			t.Errorf("%s: exit %d, %s\n%s\nwant %d and %q", name, code, errs, out, tc.code, tc.want)
		}
	}
	// A server that counts at an engine too, which no source reads.
	prom.Answer(func(q promtest.Query) promtest.Answer {
		series := func(names ...string) promtest.Answer {
			var all []promtest.Series
			for _, name := range names {
				all = append(all, promtest.Series{Labels: map[string]string{"__name__": name, "job": "j"}, Points: []promtest.Point{{At: q.End, Value: 3}}})
			}
			return promtest.Answer{Series: all}
		}
		switch {
		case strings.HasPrefix(q.Expr, "count by (__name__, job)"):
			return series("vllm:prompt_tokens_total", "vllm:generation_tokens_total", "litellm_input_tokens_metric_total", "litellm_output_tokens_metric_total")
		case strings.HasPrefix(q.Expr, "topk"), strings.HasPrefix(q.Expr, "count(count without"):
			return promtest.Answer{}
		case strings.Contains(q.Expr, "[28d]"):
			return promtest.Answer{Series: promtest.Each(q, map[string]string{"job": "j", "model_name": "m"}, func(string, time.Time) (float64, bool) { return 1e9, true })}
		}
		return answer(1, 0)(q)
	})
	writeFile(t, filepath.Join(folder, "tipline.yml"), strings.Replace(text, "  - {name: engines", "  #- {name: engines", 1))
	code, out, errs := tipline(t, folder, "check", "--live")
	if want := "ok    not read: 2.00B tokens in 28 days of the pack vllm (vllm:prompt_tokens_total)"; code != exitDone || !strings.Contains(out, want) || strings.Contains(out, "pack litellm") || errs != "" {
		t.Errorf("a program that no source reads: exit %d, %s\n%s\nwant %q", code, errs, out, want)
	}
	if _, err := os.Stat(filepath.Join(folder, "data")); err == nil {
		t.Error("the check left a data file")
	}
}
