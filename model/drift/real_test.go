package drift

import (
	"compress/gzip"
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"tipline/model"
)

// TestRealTraffic holds the volume alarms of the real series that are long enough to the rate that README.md states. They are those of
// the development set of the forecast, read in place: TIPLINE_DATA, or the folder beside the repository.
func TestRealTraffic(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("TIPLINE_DATA")
	if folder == "" {
		folder = "../../../shared/data"
	}
	files, err := filepath.Glob(filepath.Join(folder, "traces", "traffic-*.csv.gz"))
	if err != nil || len(files) == 0 {
		t.Skipf("skipped: no series in %s, %v; set TIPLINE_DATA to the folder of the development set", folder, err)
	}
	alarms, days := 0, 0
	for _, file := range files {
		for _, u := range series(t, file) {
			quiet := week
			for k := least + Recent; k <= len(u.Hours)/24; k++ {
				f, known := Find(DaysOf(*u, u.Start.Truncate(24*time.Hour).AddDate(0, 0, k)).Volume, Ratio, true)
				if !known {
					continue
				}
				days++
				if quiet++; f.Score >= 1 {
					if quiet > week {
						alarms++
					}
					quiet = 0
				}
			}
		}
	}
	years := float64(days) / 365
	t.Logf("%d alarms in %.1f series-years", alarms, years)
	if years < 5 || float64(alarms)/years > 1.5 {
		t.Errorf("got %d alarms in %.1f series-years, want about one a year and five years at least", alarms, years)
	}
}

// series reads the hours of a file of timestamp, workload, input tokens, output tokens and requests.
func series(t *testing.T, path string) map[string]*model.Usage {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(unzipped).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]*model.Usage{}
	for _, row := range rows[1:] {
		at, err := time.Parse(time.RFC3339, row[0])
		tokens, numErr := strconv.ParseFloat(row[2], 64)
		if err != nil || numErr != nil {
			t.Fatalf("%s: got %q", path, row)
		}
		u := found[row[1]]
		if u == nil {
			u = &model.Usage{Workload: row[1], Start: at}
			found[row[1]] = u
		}
		for i := int(at.Sub(u.Start) / time.Hour); len(u.Hours) <= i; {
			u.Hours = append(u.Hours, model.Hour{})
		}
		u.Hours[len(u.Hours)-1] = model.Hour{Tokens: model.Volume{model.Input: model.Tokens(tokens)}, Coverage: 1}
	}
	return found
}
