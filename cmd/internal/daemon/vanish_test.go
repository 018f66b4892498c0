package daemon

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"tipline/alerting"
	"tipline/collector/promtest"
	"tipline/model"
)

// TestF20_RandomHistories lets workloads of a constant load appear, vanish and come back at random, over restarts too: an hour in which one is absent is not known and never nothing, so that what
// it used in the hours that are known and what is projected are as ever; while it is absent there is no verdict; and a move that was announced is never withdrawn.
func TestF20_RandomHistories(t *testing.T) {
	t.Parallel()
	const teams, perHour = 8, 2e7
	random := rand.New(rand.NewPCG(20, 20))
	begin := opening.AddDate(0, 0, -40)
	there := make([][]bool, teams) // hour by hour from begin on
	for i := range there {
		for on := true; len(there[i]) < 70*24; on = !on {
			spell := 1 + random.IntN(60)
			if on {
				spell *= 3
			}
			for range spell {
				there[i] = append(there[i], on)
			}
		}
	}
	at := func(team int, t time.Time) bool { // of the hour that begins at t
		i := int(t.Sub(begin) / time.Hour)
		return i >= 0 && there[team][i]
	}
	r := newRig(t, route(func(q promtest.Query) promtest.Answer {
		var all promtest.Answer
		for team := range teams {
			load := within(steady(map[string]string{"team_alias": fmt.Sprint("team-", team)}, perHour), func(end time.Time) bool { return at(team, end.Add(-time.Hour)) })
			all.Series = append(all.Series, load(q).Series...)
		}
		return all
	}, steady(map[string]string{"model_name": "llama"}, 1e5)))
	standing, absent, decided := map[string]bool{}, 0, 0
	for day := range 14 {
		if day%5 == 4 {
			r.start(t)
		}
		now := r.clock()
		report := r.days(t, 1)
		for team := range teams {
			w := workload(t, report, fmt.Sprint("team-", team))
			known := 0
			end := now.Add(-2 * time.Minute).Truncate(time.Hour)
			for h := end.AddDate(0, 0, -30); h.Before(end); h = h.Add(time.Hour) {
				if at(team, h) && !h.Before(opening.AddDate(0, 0, -14)) {
					known++
				}
			}
			if used := float64(*w.Usage.Last30dTokens); math.Abs(used/perHour-float64(known)) > 2 { // an hour more or less at the ends
				t.Errorf("day %d: %s: got %v tokens, want those of %d hours", day, w.Workload, used, known)
			}
			if w.Forecast == nil || math.Abs(float64(w.Forecast.Next30dTokens.P50)/(perHour*720)-1) > 0.05 {
				t.Errorf("day %d: %s: got the projection %+v, want as much as ever", day, w.Workload, w.Forecast)
			}
			unknown := w.Decision.Recommendation == model.Unknown
			switch away := now.Sub(*w.Usage.LastSample) > staleAfter; {
			case away:
				absent++
				if !unknown {
					t.Errorf("day %d: %s: got %s while it is absent, want no verdict", day, w.Workload, w.Decision.Recommendation)
				}
			case !unknown:
				decided++
				if w.Decision.Recommendation != model.Move {
					t.Errorf("day %d: %s: got %s (%s), want the move", day, w.Workload, w.Decision.Recommendation, w.Decision.Because)
				}
			}
		}
		stands := map[string]bool{}
		for _, f := range r.desk.Firing() {
			stands[f.Workload] = true
		}
		for name := range standing {
			if !stands[name] {
				t.Errorf("day %d: the move of %s does not stand any more", day, name)
			}
		}
		standing = stands
	}
	if absent < teams || decided < teams || len(standing) < teams/2 {
		t.Errorf("%d readings without and %d with a verdict, %d moves stand: too few to tell", absent, decided, len(standing))
	}
	for _, e := range r.box.events {
		if e.Reason == alerting.Returned || e.Reason == alerting.NoOption {
			t.Errorf("got %+v, want no move withdrawn", e.Reason)
		}
	}
}
