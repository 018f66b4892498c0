package alerting

import (
	"cmp"
	"math"
	"slices"
	"time"

	"tipline/model"
)

// Told is a drift that a message was about. As long as it lasts nothing more is said of it.
type Told struct {
	Kind string    `json:"kind"`
	Last time.Time `json:"last"` // the last evaluation that found it
}

// overAfter is how long after it was last found a drift counts as over, and the next one of its kind as news.
const overAfter = 14 * 24 * time.Hour

// tell returns the material drifts of w that nobody was told of, the one that moves the cost most first, and what has been told once they are. told is not changed.
func tell(told []Told, w model.WorkloadReport, now time.Time) (news []model.Drift, after []Told) {
	after = slices.DeleteFunc(slices.Clone(told), func(t Told) bool { return now.Sub(t.Last) > overAfter })
	for _, d := range w.Drift {
		i := slices.IndexFunc(after, func(t Told) bool { return t.Kind == d.Kind })
		switch {
		case d.Score < 1:
		case i >= 0:
			after[i].Last = now
		case d.Material:
			news, after = append(news, d), append(after, Told{Kind: d.Kind, Last: now})
		}
	}
	slices.SortStableFunc(news, func(a, b model.Drift) int { return cmp.Compare(effect(b), effect(a)) })
	return news, after
}

// effect returns by how much d moves the cost, 0 when that is not known.
func effect(d model.Drift) float64 {
	if d.CostUSDPerMonth == nil {
		return 0
	}
	return math.Abs(float64(*d.CostUSDPerMonth))
}
