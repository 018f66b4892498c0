package collector

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
)

// TestSplit holds that every series of numbers is given away, however it is written and wherever reads end, and that the rest stays in the
// envelope.
func TestSplit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200_000)
	for _, tc := range []struct {
		name, result string
		taken        string // labels and points of every series
		left         string // of the result
	}{
		{"nothing", `[]`, "", `[]`},
		{"as Prometheus writes it", `[{"metric":{"a":"x","b":"y"},"values":[[60,"1"],[120,"2.5"]]},{"metric":{},"values":[[60,"NaN"]]}]`, "a=x b=y 60000:1 120000:2.5;60000:NaN;", `[]`},
		{"fractions of seconds", `[{"metric":{},"values":[[60.25,"1e3"],[1.2e2,"+Inf"]]}]`, "60250:1000 120000:+Inf;", `[]`},
		{"spaces", `[ {"metric": {"a": "x"}, "values": [ [60, "1"] ]} , {"values":[[60,"2"]],"metric":{}} ]`, "a=x 60000:1;60000:2;", `[]`},
		{"escapes", `[{"metric":{"a":"\"}],\\"},"values":[[60,"1"]]}]`, `a="}],\ 60000:1;`, `[]`},
		{"no UTF-8", `[{"metric":{"a":"x` + "\xff" + `"},"values":[[60,"1"]]}]`, "a=x\ufffd 60000:1;", `[]`},
		{"a long value", `[{"metric":{"a":"` + long + `"},"values":[[60,"1"]]}]`, "a=" + long + " 60000:1;", `[]`},
		{"a native histogram", `[{"metric":{},"values":[[60,"1"]]},{"metric":{},"histograms":[]},{"metric":{},"value":[60,"1"]}]`, "60000:1;", `[{"metric":{},"histograms":[]},{"metric":{},"value":[60,"1"]}]`},
		{"no number", `[{"metric":{},"values":[[60,"one"]]}]`, "", `[{"metric":{},"values":[[60,"one"]]}]`},
		{"beyond numbers", `[{"metric":{},"values":[[60,"1e309"]]}]`, "", `[{"metric":{},"values":[[60,"1e309"]]}]`},
		{"a scalar", `[60,"1"]`, "", `[60,"1"]`},
	} {
		body := `{"status":"success","data":{"resultType":"matrix","result":` + tc.result + `},"infos":["{\"result\":[{"]}`
		for name, from := range map[string]*strings.Reader{"whole": strings.NewReader(body), "byte by byte": strings.NewReader(body)} {
			var taken strings.Builder
			take := func(labels []label, points []point) error {
				for _, l := range labels {
					fmt.Fprintf(&taken, "%s=%s ", l.name, l.value)
				}
				parts := make([]string, len(points))
				for i, p := range points {
					parts[i] = fmt.Sprintf("%d:%v", p.at, p.value)
				}
				taken.WriteString(strings.Join(parts, " ") + ";")
				return nil
			}
			reader := iotest.DataErrReader(from)
			if name != "whole" {
				reader = iotest.OneByteReader(from)
			}
			envelope, err := split(reader, take)
			want := strings.Replace(body, tc.result, tc.left, 1)
			if err != nil || string(envelope) != want || taken.String() != tc.taken {
				t.Errorf("%s, %s: got error %v, took %.100q, left %.200s; want %.100q and %.200s", tc.name, name, err, taken.String(), envelope, tc.taken, want)
			}
		}
	}
	refused := errors.New("refused")
	if _, err := split(strings.NewReader(`{"data":{"result":[{"metric":{},"values":[[60,"1"]]}]}}`), func([]label, []point) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("got error %v, want that of the taker", err)
	}
}
