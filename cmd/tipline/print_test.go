package main

import (
	"strings"
	"testing"

	"tipline/model"
)

// TestSharedFleetsArePrinted holds that every form of the report names them, and that a name cannot turn the text around it.
func TestSharedFleetsArePrinted(t *testing.T) {
	t.Parallel()
	report := &model.Report{SharedFleets: []model.SharedFleet{{Option: "fleet", Because: "chat|\x1b[31m and search may share fleet"}}}
	for format, want := range map[string]string{
		"table":    "shared fleet: chat|\uFFFD[31m and search may share fleet\n",
		"markdown": `- shared fleet: chat\|` + "\uFFFD" + `\[31m and search may share fleet` + "\n",
		"json":     `"because": "chat|\u001b[31m and search may share fleet"`,
	} {
		var out strings.Builder
		if err := printReport(&out, report, format); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: got %v and\n%s\nwant it to hold %q", format, err, out.String(), want)
		}
	}
}
