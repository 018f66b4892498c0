package collector

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strconv"
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

// FuzzDecimal holds that digits are read as strconv does, to the last bit.
func FuzzDecimal(f *testing.F) {
	for _, seed := range []string{"0", "1", "12.5", "1234567.0909090908", "9007199254740993", "9007199254740993.5", "18014398509481985.5", "9999999999999999999", "0.0000000000000000001", "900719925474099.4999", ".5", "5.", ".", "1.2.3", "1e5", "", "123456789012345678901234567890", "00000.12345678901234567"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, n := decimal([]byte(text))
		if n == 0 {
			return
		}
		want, err := strconv.ParseFloat(text[:n], 64)
		if err != nil || math.Float64bits(got) != math.Float64bits(want) {
			t.Errorf("%q: got %v, want %v, error %v", text[:n], got, want, err)
		}
	})
}

// TestDecimal holds the same for values as Prometheus writes them, and for digits of any length that are the hardest to round.
func TestDecimal(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		text := strconv.FormatFloat(random.ExpFloat64()*math.Pow(10, float64(random.IntN(16)-3)), 'f', -1, 64)
		if random.IntN(2) == 0 { // half way between two that are next to each other
			v := new(big.Float).SetUint64(random.Uint64()>>11 | 1<<52)
			text = v.Add(v, big.NewFloat(0.5)).Mul(v, big.NewFloat(math.Ldexp(1, -random.IntN(4)))).Text('f', -1)
		}
		got, n := decimal([]byte(text + `"`))
		want, err := strconv.ParseFloat(text, 64)
		if err != nil || n != len(text) && len(text) < 20 || n > 0 && got != want {
			t.Fatalf("%s: got %v of %d bytes, want %v, error %v", text, got, n, want, err)
		}
	}
}

// BenchmarkDecimal is one value, and the same by strconv.
func BenchmarkDecimal(b *testing.B) {
	text := []byte("120345.27272727272")
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			decimal(text)
		}
	})
	b.Run("strconv", func(b *testing.B) {
		for b.Loop() {
			number(text)
		}
	})
}
