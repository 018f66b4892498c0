package collector

import (
	"errors"
	"testing"
	"time"
)

// TestReaches holds that the age of a history is known to the day, or to the hour of a short one, with few questions.
func TestReaches(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, tc := range []struct{ backfill, unit time.Duration }{{60 * day, day}, {60*day + 5*time.Hour, day}, {400 * day, day}, {2 * day, day}, {8 * time.Hour, time.Hour}, {time.Hour, time.Hour}} {
		for age := time.Duration(0); age <= tc.backfill+2*tc.unit; age += tc.unit / 2 {
			asked := 0
			got, err := reaches(tc.backfill, func(back time.Duration) (bool, error) { asked++; return back <= age, nil })
			want := tc.backfill
			if age < tc.backfill {
				want = age.Truncate(tc.unit)
			}
			if err != nil || got != want || asked > 10 {
				t.Errorf("%v of %v: got %v after %d questions (%v), want %v after at most 10", age, tc.backfill, got, asked, err, want)
			}
		}
	}
	broken := errors.New("broken")
	for fails := 1; fails <= 3; fails++ {
		asked := 0
		got, err := reaches(60*day, func(time.Duration) (bool, error) {
			if asked++; asked == fails {
				return true, broken
			}
			return false, nil
		})
		if got != 0 || !errors.Is(err, broken) {
			t.Errorf("question %d fails: got %v and %v, want the error of the server", fails, got, err)
		}
	}
}
