package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the expected problems of testdata/bad anew; read the difference before committing it")

// packs are the names that stand for the metric packs of the collector.
var packs = []string{"dcgm", "litellm", "vllm"}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in testdata/bad: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yml"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse("tipline.yml", data, packs...)
			var problems Problems
			if !errors.As(err, &problems) {
				t.Fatalf("Parse(%s): got %v, want Problems", file, err)
			}
			got := problems.Error() + "\n"
			if strings.Contains(got, "hunter2") {
				t.Errorf("the problems of %s show a secret:\n%s", file, got)
			}
			expected := strings.TrimSuffix(file, ".yml") + ".err"
			if *update {
				if err := os.WriteFile(expected, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(expected)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("problems of %s (-want +got):\n%s", file, diff)
			}
		})
	}
}
