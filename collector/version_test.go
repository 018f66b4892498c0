package collector

import (
	"slices"
	"strings"
	"testing"
	"time"

	prommodel "github.com/prometheus/common/model"
)

// TestVersionOf holds what is read as a version, and that versions are in the order of their numbers.
func TestVersionOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]int{
		"v1.4.1": {1, 4, 1}, "1.10": {1, 10}, "1.5.0": {1, 5}, "v1.6.0-rc.1": {1, 6}, "2026.8.6+build": {2026, 8, 6}, "v0.0": {},
		"": nil, "main-77cc": nil, "3f2a91": nil, "latest": nil, "7": nil, "v99999999999999999999.1": nil,
	} {
		got, ok := versionOf(text)
		if ok != (want != nil) || ok && !slices.Equal(got, want) {
			t.Errorf("%q: got %v, %v, want %v", text, got, ok, want)
		}
	}
	order := []string{"0.9", "1.4.1", "v1.4.2", "1.5.0", "1.10.0", "2.0"}
	for i := range order[1:] {
		a, _ := versionOf(order[i])
		b, _ := versionOf(order[i+1])
		if slices.Compare(a, b) >= 0 {
			t.Errorf("%s is not before %s", order[i], order[i+1])
		}
	}
}

// TestChangesIn holds that every hour in which processes go from one side of a version to the other is a moment of its own, an upgrade in steps and one that is taken back too; and that what is
// no version, upgrades on one side of it, and another number of processes on a side, are none.
func TestChangesIn(t *testing.T) {
	t.Parallel()
	p := &pack{Version: &versionMetric{"build_info", "tag"}, Changes: []change{{After: "1.4.1", Signal: input, What: "more"}}}
	for _, tc := range []struct {
		name string
		by   map[string]string // version → processes hour by hour, - for none
		want string            // hour, from, to
	}{
		{"at once", map[string]string{"v1.4.1": "22--", "v1.5.0": "--22"}, "2 v1.4.1 v1.5.0"},
		{"in steps", map[string]string{"v1.4.1": "21--", "v1.5.0": "-122"}, "1 v1.4.1 v1.5.0, 2 v1.4.1 v1.5.0"},
		{"taken back", map[string]string{"v1.4.1": "2-22", "v1.5.0": "-2--"}, "1 v1.4.1 v1.5.0, 2 v1.5.0 v1.4.1"},
		{"before it", map[string]string{"v1.3.0": "22--", "v1.4.1": "--22"}, ""},
		{"after it", map[string]string{"v1.5.0": "22--", "v1.6.0": "--22"}, ""},
		{"more processes", map[string]string{"v1.4.1": "1234"}, ""},
		{"more processes of one side", map[string]string{"v1.4.1": "1234", "v1.5.0": "2222"}, ""},
		{"more of both, and less", map[string]string{"v1.4.1": "1241", "v1.5.0": "3583"}, ""},
		{"a first one of a side while the other stays", map[string]string{"v1.4.1": "222-", "v1.5.0": "-122"}, "1 v1.4.1 v1.5.0, 3 v1.4.1 v1.5.0"},
		{"no versions", map[string]string{"main": "22--", "latest": "--22"}, ""},
		{"a gap", map[string]string{"v1.4.1": "1--1"}, ""},
		{"a gap, and an upgrade in it", map[string]string{"v1.4.1": "1---", "v1.5.0": "---1"}, "3 v1.4.1 v1.5.0"},
	} {
		var m prommodel.Matrix
		begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		for version, counts := range tc.by {
			stream := &prommodel.SampleStream{Metric: prommodel.Metric{"tag": prommodel.LabelValue(version)}}
			for hour, c := range counts {
				if c != '-' {
					stream.Values = append(stream.Values, prommodel.SamplePair{Timestamp: prommodel.TimeFromUnix(begin.Add(time.Duration(hour) * time.Hour).Unix()), Value: prommodel.SampleValue(c - '0')})
				}
			}
			m = append(m, stream)
		}
		var got []string
		for _, c := range changesIn(m, p) {
			got = append(got, strings.Join([]string{string('0' + rune(c.At.Sub(begin)/time.Hour)), c.From, c.To}, " "))
		}
		if all := strings.Join(got, ", "); all != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, all, tc.want)
		}
	}
}

// TestPackWithVersions holds what is said of a pack whose versions cannot be used.
func TestPackWithVersions(t *testing.T) {
	t.Parallel()
	const text = "name: own\ntokens: {input: {metrics: [in_total]}, output: {metrics: [out_total]}}\n"
	for more, want := range map[string]string{
		"version: {metric: own_build_info, label: version}\nchanges: [{after: 1.4.1, signal: input, what: all of it}]\n": "",
		"version: {metric: own_build_info}\n":                                                "own.yaml:3: version.label: missing",
		"changes: [{after: 1.4.1, signal: input, what: all of it}]\n":                        "own.yaml:3: changes: want version beside it",
		"version: {metric: m, label: l}\nchanges: [{after: last week, signal: inputs}]\n":    "own.yaml:4: changes: after: got \"last week\"",
		"version: {metric: m, label: l}\nchanges: [{after: 1.2, signal: inputs, what: w}]\n": "own.yaml:4: changes: signal: got \"inputs\"",
		"version: {metric: m, label: l}\nchanges: [{after: 1.2, signal: output}]\n":          "own.yaml:4: changes: what: missing",
	} {
		_, err := parsePack("own.yaml", []byte(text+more))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", more, err, want)
		}
	}
}
