package main

import (
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tipline/collector/promtest"
)

// gatewayAnswers answers discover as a server with a LiteLLM does, as long as it is asked for no more than longest.
func gatewayAnswers(longest string) func(promtest.Query) promtest.Answer {
	series := func(q promtest.Query, labels map[string]string, v float64) promtest.Series {
		return promtest.Series{Labels: labels, Points: []promtest.Point{{At: q.End, Value: v}}}
	}
	return func(q promtest.Query) promtest.Answer {
		switch {
		case strings.HasPrefix(q.Expr, "count by (__name__, job)"):
			return promtest.Answer{Series: []promtest.Series{series(q, map[string]string{"__name__": "litellm_input_tokens_metric_total", "job": "litellm"}, 3)}}
		case len(q.Signals()) > 0 && !strings.Contains(q.Expr, "["+longest+"]"):
			return promtest.JSON(422, `{"status":"error","errorType":"execution","error":"the query time range exceeds the limit"}`)
		case len(q.Signals()) > 0:
			labels := map[string]string{"team_alias": "support", "requested_model": "gpt-5-mini", "api_provider": "openai", "job": "litellm"}
			return promtest.Answer{Series: promtest.Each(q, labels, func(string, time.Time) (float64, bool) { return 1e6, true })}
		}
		return promtest.Answer{}
	}
}

// TestDiscoverShortens holds that a server that does not answer for 28 days is asked for less, and that the configuration says so.
func TestDiscoverShortens(t *testing.T) {
	t.Parallel()
	prom := promtest.Start(t, gatewayAnswers("28d"))
	for longest, tc := range map[string]struct{ tokens, note string }{
		"28d": {"2.00M tokens in 28 days", ""},
		"7d":  {"8.00M tokens in 28 days", "going by the last 7 days"},
		"1d":  {"56.0M tokens in 28 days", "going by the last day"},
	} {
		prom.Answer(gatewayAnswers(longest))
		code, out, errs := tipline(t, t.TempDir(), "discover", "--prometheus", prom.URL)
		if code != exitDone || !strings.Contains(out, tc.tokens) || !strings.Contains(errs, tc.tokens) || !strings.Contains(out, tc.note) ||
			strings.Contains(out, "going by") != (tc.note != "") {
			t.Errorf("%s: exit %d, %s\n%s", longest, code, errs, out)
		}
	}
	prom.Answer(gatewayAnswers("none"))
	code, out, errs := tipline(t, t.TempDir(), "discover", "--prometheus", prom.URL)
	if code != exitNotRight || out != "" || !strings.Contains(errs, "not placed: litellm_input_tokens_metric_total of litellm: the server does not say") ||
		!strings.Contains(errs, "exceeds the limit") {
		t.Errorf("a server that answers for nothing: exit %d, %s\n%s", code, errs, out)
	}
}

// TestDiscoverSaysWhyNot holds that a server that is asked in vain is told from one that cannot be asked, with what to do about it.
func TestDiscoverSaysWhyNot(t *testing.T) {
	t.Parallel()
	prom := promtest.Start(t, nil)
	answer := func(a promtest.Answer) func(promtest.Query) promtest.Answer {
		return func(promtest.Query) promtest.Answer { return a }
	}
	scraped := func(q promtest.Query) promtest.Answer {
		if q.Expr == "count(up)" {
			return promtest.Answer{Series: []promtest.Series{{Labels: map[string]string{}, Points: []promtest.Point{{At: q.End, Value: 7}}}}}
		}
		return promtest.Answer{}
	}
	for name, tc := range map[string]struct {
		answer func(promtest.Query) promtest.Answer
		code   int
		want   string
	}{
		"empty":         {answer(promtest.Answer{}), exitNotRight, "is it the right tenant"},
		"no LLMs":       {scraped, exitNotRight, "Are the gateways or engines scraped?"},
		"not let in":    {answer(promtest.Status(401, "who are you")), exitNotRight, "say how to authenticate with --http.config.file"},
		"a limit":       {answer(promtest.JSON(422, `{"status":"error","error":"too many series"}`)), exitNotRight, "too many series"},
		"a login page":  {answer(promtest.HTML()), exitNotRight, "login page in front?"},
		"starting":      {answer(promtest.Status(503, "starting")), exitUnreachable, "overloaded (HTTP 503): starting"},
		"hanging":       {answer(promtest.Answer{Hang: true}), exitUnreachable, "more time with --timeout"},
		"a broken body": {answer(promtest.JSON(200, `{"status":"success"`)), exitNotRight, "bad_answer"},
	} {
		prom.Answer(tc.answer)
		timeout := "1m"
		if name == "hanging" {
			timeout = "100ms"
		}
		code, out, errs := tipline(t, t.TempDir(), "discover", "--prometheus", prom.URL, "--timeout", timeout)
		if code != tc.code || out != "" || !strings.Contains(errs, tc.want) || strings.Contains(errs, "\x1b") {
			t.Errorf("%s: exit %d, %s\n%s\nwant %d and %q", name, code, errs, out, tc.code, tc.want)
		}
	}
	if code, _, errs := tipline(t, t.TempDir(), "discover", "--prometheus", "http://127.0.0.1:1"); code != exitUnreachable || !strings.Contains(errs, "may this machine reach it?") {
		t.Errorf("nobody there: exit %d, %s", code, errs)
	}
	client := filepath.Join(t.TempDir(), "client.yml")
	writeFile(t, client, "proxy_url: http://me:hunter2@127.0.0.1:1\n")
	for name, args := range map[string][]string{
		"a proxy":      {"--prometheus", prom.URL, "--http.config.file", client},
		"no address":   {},
		"no scheme":    {"--prometheus", "prometheus:9090"},
		"a password":   {"--prometheus", "http://me:hunter2@127.0.0.1:1"},
		"no such file": {"--prometheus", prom.URL, "--http.config.file", "nowhere.yml"},
	} {
		code, out, errs := tipline(t, t.TempDir(), append([]string{"discover"}, args...)...)
		if code != exitUsage || out != "" || strings.Count(errs, "\n") != 1 || strings.Contains(errs, "hunter2") {
			t.Errorf("%s: exit %d, %q, %q", name, code, out, errs)
		}
	}
}

// TestDiscoverAuthenticates holds that the configuration authenticates as the search did, and holds no secret.
func TestDiscoverAuthenticates(t *testing.T) {
	t.Parallel()
	answers := gatewayAnswers("28d")
	prom := promtest.Start(t, func(q promtest.Query) promtest.Answer {
		if user, password, _ := (&http.Request{Header: q.Header}).BasicAuth(); user != "tipline" || password != "hunter2" || q.Header.Get("X-Scope-Orgid") != "platform" {
			return promtest.Status(401, "who are you")
		}
		if slices.Contains(q.Signals(), "coverage") || slices.Contains(q.Signals(), "retries") { // of check --live, as the daemon asks
			return promtest.Answer{Series: promtest.Each(q, map[string]string{"team_alias": "support"}, func(signal string, _ time.Time) (float64, bool) {
				v, known := map[string]float64{"input": 10, "output": 4, "requests": 1, "coverage": 1, "resets": 0}[signal]
				return v, known
			})}
		}
		if strings.HasPrefix(q.Expr, "count(") || strings.HasPrefix(q.Expr, "topk") || slices.Contains(q.Signals(), "errors") {
			return promtest.Answer{}
		}
		if len(q.Signals()) == 0 && !strings.HasPrefix(q.Expr, "count by (__name__, job)") { // of check --live
			return promtest.Answer{Series: []promtest.Series{{
				Labels: map[string]string{"__name__": "litellm_metric_total"}, Points: []promtest.Point{{At: q.End, Value: 1}},
			}}}
		}
		return answers(q)
	})
	folder := t.TempDir()
	writeFile(t, filepath.Join(folder, "password"), "hunter2")
	client := filepath.Join(folder, "client.yml")
	writeFile(t, client, "basic_auth: {username: tipline, password_file: password}\nhttp_headers: {X-Scope-OrgID: {values: [platform]}}\n")
	code, out, errs := tipline(t, folder, "discover", "--prometheus", prom.URL, "--http.config.file", client)
	if code != exitDone || strings.Contains(out+errs, "hunter2") {
		t.Fatalf("exit %d, %s\n%s", code, errs, out)
	}
	elsewhere := t.TempDir() // paths of the files are absolute
	writeFile(t, filepath.Join(elsewhere, "tipline.yml"), out)
	if code, live, errs := tipline(t, elsewhere, "check", "--live"); code != exitDone || errs != "" {
		t.Errorf("check --live: exit %d, %s\n%s\n%s", code, errs, live, out)
	}
	writeFile(t, client, "basic_auth: {username: tipline, password: hunter2}\nhttp_headers: {X-Scope-OrgID: {values: [platform]}}\n")
	code, out, errs = tipline(t, folder, "discover", "--prometheus", prom.URL, "--http.config.file", client)
	if code != exitDone || strings.Contains(out+errs, "hunter2") || !strings.Contains(errs, "authentication: password is not written here") {
		t.Errorf("a password in the file: exit %d, %s\n%s", code, errs, out)
	}
}
