package collector

import (
	"encoding/binary"
	"hash/crc32"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	prommodel "github.com/prometheus/common/model"

	"tipline/model"
)

// groupOf returns the answer about one hour, each signal with one value.
func groupOf(values map[signal]float64) *group {
	g := &group{}
	for s, v := range values {
		g.columns = append(g.columns, column{s, []cell{{v, 1}}})
	}
	return g
}

func TestHour(t *testing.T) {
	t.Parallel()
	litellm := mustPack(t, "litellm").rules()
	vllm := mustPack(t, "vllm").rules()
	full := map[signal]float64{input: 1000, output: 200, cacheRead: 300, requests: 10, coverage: 1, resets: 0}
	whole := model.Hour{Tokens: model.Volume{model.Input: 700, model.CacheRead: 300, model.Output: 200}, Requests: 10, Coverage: 1}
	tokens := func(in, read, written, out model.Tokens) model.Hour {
		h := whole
		h.Tokens = model.Volume{model.Input: in, model.CacheRead: read, model.CacheWrite: written, model.Output: out}
		return h
	}
	const absent = -12345
	for _, tc := range []struct {
		name   string
		rules  rules
		change map[signal]float64
		want   hour
	}{
		{"input contains what was read from the cache", litellm, nil, hour{Hour: whole}},
		{"and what was written to it", litellm, map[signal]float64{cacheWrite: 100}, hour{Hour: tokens(600, 300, 100, 200)}},
		{"idle is zero and measured", litellm, map[signal]float64{input: 0, output: 0, cacheRead: 0, requests: 0}, hour{Hour: model.Hour{Coverage: 1}}},
		{"LiteLLM writes no cache counter while it is zero", litellm, map[signal]float64{cacheRead: absent}, hour{Hour: tokens(1000, 0, 0, 200)}},
		{
			"vLLM without a cache counter is an old release", vllm,
			map[signal]float64{cacheRead: absent},
			hour{tokens(1000, 0, 0, 200), noteCacheUnknown},
		},
		{
			"the doubtful counter is better than none", vllm,
			map[signal]float64{cacheRead: absent, cacheReadDoubtful: 400},
			hour{tokens(600, 400, 0, 200), noteCacheDoubtful},
		},
		{"and worse than the good one", vllm, map[signal]float64{cacheReadDoubtful: 900}, hour{Hour: whole}},
		{
			"more from the cache than went in is no split", vllm,
			map[signal]float64{cacheRead: absent, cacheReadDoubtful: 9000},
			hour{tokens(1000, 0, 0, 200), noteCacheUnknown},
		},
		{"a little more is extrapolation", vllm, map[signal]float64{cacheRead: 1005}, hour{Hour: tokens(0, 1000, 0, 200)}},
		{"input without the cache stays as it is", rules{countsRequests: true}, nil, hour{Hour: tokens(1000, 300, 0, 200)}},
		{"requests with other labels are not known", litellm, map[signal]float64{requests: absent}, hour{
			model.Hour{Tokens: whole.Tokens, Coverage: 1}, noteRequests,
		}},
		{"broken requests spoil only requests", litellm, map[signal]float64{requests: math.NaN()}, hour{
			model.Hour{Tokens: whole.Tokens, Coverage: 1}, noteRequests,
		}},
		{"F24 three restarts in an hour are restarts", litellm, map[signal]float64{resets: 3}, hour{Hour: whole}},
		{"F23 four are a saw-tooth", litellm, map[signal]float64{resets: 4}, hour{notes: noteSawtooth}},
		{"no samples", litellm, map[signal]float64{coverage: absent, input: absent, output: absent}, hour{}},
		{"too few samples for an increase", litellm, map[signal]float64{coverage: 0.2, input: absent, output: absent}, hour{}},
		{"F29 half an hour of samples", litellm, map[signal]float64{coverage: 0.4}, hour{Hour: model.Hour{
			Tokens: whole.Tokens, Requests: 10, Coverage: 0.4,
		}}},
		{"output went missing", litellm, map[signal]float64{output: absent}, hour{notes: noteMissing}},
		{"F34 NaN", litellm, map[signal]float64{input: math.NaN()}, hour{notes: noteNotFinite}},
		{"F34 infinity", litellm, map[signal]float64{output: math.Inf(1)}, hour{notes: noteNotFinite}},
		{"F34 cache reads of NaN", litellm, map[signal]float64{cacheRead: math.NaN()}, hour{notes: noteNotFinite}},
		{"F34 coverage of NaN", litellm, map[signal]float64{coverage: math.NaN()}, hour{notes: noteNotFinite}},
		{"F43 negative", litellm, map[signal]float64{input: -1}, hour{notes: noteNegative}},
		{"F43 more than anybody uses", litellm, map[signal]float64{input: 1e18}, hour{notes: noteOutOfRange}},
		{"F43 coverage above 1", litellm, map[signal]float64{coverage: 1.1}, hour{notes: noteOutOfRange}},
	} {
		values := map[signal]float64{}
		maps.Copy(values, full)
		for s, v := range tc.change {
			values[s] = v
			if v == absent {
				delete(values, s)
			}
		}
		if got := judge(tc.rules, groupOf(values), 0); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

// judge returns the i-th hour of a workload that has not generated.
func judge(r rules, g *group, i int) hour { return r.hour(r.cells(g), i, false) }

// readAnswer gives a matrix to an answer.
func readAnswer(m prommodel.Matrix, s span, groupBy []string) (answer, error) {
	a := newAnswer(s, newRoll(groupBy))
	for _, stream := range m {
		var labels []label
		for name, value := range stream.Metric {
			labels = append(labels, label{[]byte(name), []byte(value)})
		}
		var points []point
		for _, p := range stream.Values {
			points = append(points, point{int64(p.Timestamp), float64(p.Value)})
		}
		if err := a.take(labels, points); err != nil {
			return answer{}, err
		}
	}
	return a, nil
}

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	s := span{noon.Truncate(time.Hour).Add(-2 * time.Hour), noon.Truncate(time.Hour)}
	at := func(t time.Time) prommodel.Time { return prommodel.TimeFromUnixNano(t.UnixNano()) }
	stream := func(team string, times ...time.Time) *prommodel.SampleStream {
		ss := &prommodel.SampleStream{Metric: prommodel.Metric{signalLabel: "input", "team": prommodel.LabelValue(team), "pod": "x"}}
		for _, when := range times {
			ss.Values = append(ss.Values, prommodel.SamplePair{Timestamp: at(when), Value: 7})
		}
		return ss
	}
	a, err := readAnswer(prommodel.Matrix{stream("a", s.To), stream("b", s.From.Add(time.Hour), s.To), stream("b", s.To)}, s, []string{"team"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]int{}
	groups := map[string]*group{}
	for g := range a.all() {
		key := canonical(g.labels)
		groups[key] = g
		for _, c := range g.column(input).cells {
			got[key] = append(got[key], c.seen)
		}
	}
	want := map[string][]int{"team=a": {0, 1}, "team=b": {1, 2}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values an hour (-want +got):\n%s", diff)
	}
	if h := judge(rules{}, groups["team=b"], 1); h.notes&noteDuplicate == 0 {
		t.Errorf("F36: two series for one workload: got %+v, want a refusal", h)
	}
	for name, when := range map[string]time.Time{"before": s.From, "after": s.To.Add(time.Hour), "between": s.To.Add(-time.Minute)} {
		_, err := readAnswer(prommodel.Matrix{stream("a", when)}, s, []string{"team"})
		checkReason(t, name, err, BadAnswer)
	}
}

func TestDayRoundTrip(t *testing.T) {
	t.Parallel()
	var d day
	for i := range d {
		d[i] = hour{model.Hour{Tokens: model.Volume{model.Input: model.Tokens(i) * 1e6 / 7, model.Output: 3}, Requests: 1, Coverage: 1}, note(i) & noteAll}
	}
	b := encodeDay(nil, &d)
	var got day
	if err := decodeDay(b, &got); err != nil || got != d {
		t.Errorf("got %+v, error %v; want what was encoded", got, err)
	}
	for n := range b {
		if err := decodeDay(b[:n], &got); err == nil {
			t.Errorf("cut after %d bytes: no error", n)
		}
		for bit := range 8 {
			flipped := append([]byte{}, b...)
			flipped[n] ^= 1 << bit
			if err := decodeDay(flipped, &got); err == nil {
				t.Errorf("byte %d, bit %d flipped: no error", n, bit)
			}
		}
	}
}

// TestFirstDays holds that days are read as the first version wrote them: every hour with two bytes of notes, and its coverage as a value.
func TestFirstDays(t *testing.T) {
	t.Parallel()
	var want day
	row := []byte{1}
	for i := range want {
		h := &want[i]
		switch i % 3 {
		case 0: // nothing is known
			row = append(row, 0, 0, 0)
		case 1:
			h.Tokens[model.Output], h.Requests, h.Coverage, h.notes = model.Tokens(i), 2.5, 1, noteRequests|noteCacheUnknown
			row = binary.LittleEndian.AppendUint16(append(row, 1<<model.Output|1<<model.NumClasses|1<<(model.NumClasses+1)), uint16(h.notes))
			for _, v := range []float64{float64(i), 2.5, 1} {
				row = binary.LittleEndian.AppendUint64(row, math.Float64bits(v))
			}
		case 2:
			h.Coverage = 0.75
			row = binary.LittleEndian.AppendUint64(append(row, 1<<(model.NumClasses+1), 0, 0), math.Float64bits(0.75))
		}
	}
	row = binary.LittleEndian.AppendUint32(row, crc32.ChecksumIEEE(row))
	var got day
	if err := decodeDay(row, &got); err != nil || got != want {
		t.Errorf("got %+v, error %v; want %+v", got, err, want)
	}
	for n := range row {
		if err := decodeDay(row[:n], &got); err == nil {
			t.Errorf("cut after %d bytes: no error", n)
		}
	}
	row[1] = wholeBit // which it did not know
	row = binary.LittleEndian.AppendUint32(row[:len(row)-4], crc32.ChecksumIEEE(row[:len(row)-4]))
	if err := decodeDay(row, &got); err == nil {
		t.Error("a bit that the first version did not have is taken")
	}
}

// FuzzDecodeDay holds that a stored day is read as it was written or not at all.
func FuzzDecodeDay(f *testing.F) {
	f.Add(encodeDay(nil, &day{}))
	f.Add(encodeDay(nil, &day{3: {model.Hour{Tokens: model.Volume{1, 2, 3, 4, 5}, Requests: 6, Coverage: 1}, noteRequests}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d day
		if decodeDay(b, &d) != nil {
			return
		}
		var back day
		if again := encodeDay(nil, &d); string(again) != string(b) && (b[0] == dayVersion || decodeDay(again, &back) != nil || back != d) {
			t.Errorf("%x is read as %+v, which is written as %x", b, d, again)
		}
	})
}

func TestSpans(t *testing.T) {
	t.Parallel()
	zero := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := func(from, to int) span {
		return span{zero.Add(time.Duration(from) * time.Hour), zero.Add(time.Duration(to) * time.Hour)}
	}
	for name, tc := range map[string]struct{ got, want spans }{
		"touching spans become one":        {spans{}.with(s(0, 1)).with(s(2, 3)).with(s(1, 2)), spans{s(0, 3)}},
		"overlapping spans become one":     {spans{s(0, 5)}.with(s(3, 9)), spans{s(0, 9)}},
		"others stay, in order":            {spans{s(5, 6)}.with(s(1, 2)).with(s(9, 10)), spans{s(1, 2), s(5, 6), s(9, 10)}},
		"an empty span is nothing":         {spans{s(5, 6)}.with(s(8, 8)), spans{s(5, 6)}},
		"without the middle":               {spans{s(0, 10)}.without(s(3, 5)), spans{s(0, 3), s(5, 10)}},
		"without all":                      {spans{s(3, 5)}.without(s(0, 10)), nil},
		"nothing known, all is missing":    {spans(nil).missing(s(0, 10)), spans{s(0, 10)}},
		"gaps and ends":                    {spans{s(2, 4), s(6, 8)}.missing(s(0, 10)), spans{s(0, 2), s(4, 6), s(8, 10)}},
		"an empty window misses nothing":   {spans(nil).missing(s(5, 5)), nil},
		"chunks are newest first":          {spans{s(0, 50)}.chunks(12), spans{s(38, 50), s(26, 38), s(14, 26), s(2, 14), s(0, 2)}},
		"those of a day begin at midnight": {spans{s(3, 100)}.chunks(24), spans{s(76, 100), s(72, 76), s(48, 72), s(24, 48), s(3, 24)}},
		"the last hours are one chunk":     {spans{s(2, 50)}.chunks(24), spans{s(26, 50), s(2, 26)}},
		"one chunk spans near gaps":        {spans{s(5, 6), s(10, 11), s(28, 29)}.chunks(24), spans{s(5, 29)}},
		"far gaps are chunks of their own": {spans{s(0, 1), s(10, 11), s(40, 41)}.chunks(24), spans{s(40, 41), s(0, 11)}},
		"a gap is cut where the chunk ends": {
			spans{s(0, 6), s(14, 15)}.chunks(12), spans{s(3, 15), s(0, 3)},
		},
	} {
		if diff := cmp.Diff(tc.want, tc.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, tc := range []struct{ batch, want []span }{
		{[]span{s(26, 50), s(24, 26), s(0, 24)}, []span{s(26, 50), s(24, 26), s(0, 24)}},
		{[]span{s(48, 50), s(36, 48), s(24, 36), s(12, 24)}, []span{s(48, 50), s(36, 48), s(24, 36)}},
		{[]span{s(30, 31), s(29, 30)}, []span{s(30, 31), s(29, 30)}},
	} {
		if got := untilMidnight(tc.batch); !slices.Equal(got, tc.want) {
			t.Errorf("%v: got %v, want %v", tc.batch, got, tc.want)
		}
	}
	if got, want := shorter([]span{s(24, 30), s(0, 24)}, 10), []span{s(24, 30), s(14, 24), s(4, 14), s(0, 4)}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestOutputThatVanishes holds that an output counter that is absent beside an input is zero while the workload never generated anything,
// as one of embeddings, and not known once it has.
func TestOutputThatVanishes(t *testing.T) {
	t.Parallel()
	r := rules{zeroIfAbsent: map[signal]bool{output: true}}
	at := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	say := func(a *archive, from int, outputs ...float64) {
		n := len(outputs)
		seen, in, out := column{coverage, make([]cell, n)}, column{input, make([]cell, n)}, column{output, make([]cell, n)}
		for i, v := range outputs {
			seen.cells[i], in.cells[i] = cell{1, 1}, cell{1000, 1}
			if !math.IsNaN(v) {
				out.cells[i] = cell{v, 1}
			}
		}
		g := &group{labels: map[string]string{"team": "a"}, columns: []column{seen, in, out}}
		a.add(answer{span: span{at.Add(time.Duration(from) * time.Hour), at.Add(time.Duration(from+len(outputs)) * time.Hour)}, others: others{newcomers: map[string]*group{"a": g}}}, r)
	}
	known := func(a *archive, hours int) string {
		var text strings.Builder
		for i := range hours {
			text.WriteString(map[bool]string{true: "+", false: "-"}[a.at(a.series["team=a"], at.Add(time.Duration(i)*time.Hour)).Coverage > 0])
		}
		return text.String()
	}
	absent := math.NaN()
	for _, tc := range []struct {
		name string
		says [][]float64
		want string
	}{
		{"embeddings", [][]float64{{absent, absent}, {absent}}, "+++"},
		{"vanishes within an answer", [][]float64{{50, absent, 50}}, "+-+"},
		{"vanishes in a later answer", [][]float64{{50}, {absent, absent}}, "+--"},
		{"idle", [][]float64{{50}, {0, 0}}, "+++"},
	} {
		a := &archive{store: newMemory(), atOnce: rowsAtOnce, roll: newRoll([]string{"team"}), series: map[string]*series{}, unsaved: map[string][]byte{}}
		hours := 0
		for _, outputs := range tc.says {
			say(a, hours, outputs...)
			hours += len(outputs)
		}
		if got := known(a, hours); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
}

// TestRefusals holds that what gauges count as refused is what is refused.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, note := range noteTexts {
		if got, want := slices.Contains(model.Refusals, note.code), Refuses(note.code); got != want {
			t.Errorf("%s: among the refusals %v, want %v", note.code, got, want)
		}
	}
	if !slices.Contains(model.Refusals, Vanished) {
		t.Errorf("got %q, want %s among them", model.Refusals, Vanished)
	}
}
