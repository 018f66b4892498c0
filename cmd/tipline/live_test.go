package main

import (
	"strings"
	"testing"
	"time"

	"tipline/collector/promtest"
)

// TestCheckLive asks the servers of a configuration and says of each finding what to do about it.
func TestCheckLive(t *testing.T) {
	t.Parallel()
	folder, prom, _ := stageProgram(t)
	series := func(labels map[string]string, at time.Time, v float64) promtest.Answer {
		return promtest.Answer{Series: []promtest.Series{{Labels: labels, Points: []promtest.Point{{At: at, Value: v}}}}}
	}
	good := func(q promtest.Query) promtest.Answer {
		now := time.Now()
		switch {
		case strings.HasPrefix(q.Expr, "count(up)") && q.End.After(now.Add(5*time.Minute)):
			return promtest.Answer{}
		case strings.HasPrefix(q.Expr, "count(") && q.End.Before(now.AddDate(0, 0, -10)):
			return promtest.Answer{} // the history goes back about a week
		case strings.HasPrefix(q.Expr, "count by (__name__)"):
			return series(map[string]string{"__name__": "litellm_metric_total"}, q.End, 3)
		}
		return series(map[string]string{"team_alias": "a"}, q.End, 1)
	}
	prom.Answer(good)
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
		"none of them":  {func(promtest.Query) promtest.Answer { return promtest.Answer{} }, exitNotRight, "ok    cache_write: nothing found, which means none"},
		"nothing there": {func(promtest.Query) promtest.Answer { return promtest.Answer{} }, exitNotRight, "FIX   input: nothing found: are the metrics of "},
		"starting":      {func(promtest.Query) promtest.Answer { return promtest.Status(503, "starting") }, exitUnreachable, "FIX   "},
		"not let in":    {func(promtest.Query) promtest.Answer { return promtest.Status(401, "who are you") }, exitNotRight, "give basic_auth"},
		"a login page":  {func(promtest.Query) promtest.Answer { return promtest.HTML() }, exitNotRight, "login page in front?"},
		"a clock ahead": {func(q promtest.Query) promtest.Answer {
			if strings.HasPrefix(q.Expr, "count(up)") {
				return series(map[string]string{}, q.End, 1)
			}
			return good(q)
		}, exitNotRight, "FIX   the server has samples a quarter of an hour ahead"},
	} {
		prom.Answer(tc.answer)
		if code, out, errs := tipline(t, folder, "check", "--live"); code != tc.code || !strings.Contains(out, tc.want) || errs != "" {
			t.Errorf("%s: exit %d, %s\n%s\nwant %d and %q", name, code, errs, out, tc.code, tc.want)
		}
	}
}
