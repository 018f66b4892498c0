package engine_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"tipline/cmd/tipline-demo/engine"
)

// noon is where the tests' samples end.
var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

func open(t *testing.T) (*engine.Engine, *httptest.Server) {
	t.Helper()
	e, err := engine.Open(func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(e.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e, server
}

// counters appends an hour of up{job="a"} = 1 and of tokens_total{job="a"}, which grows by 60 a minute.
func counters(t *testing.T, e *engine.Engine) {
	t.Helper()
	up := engine.Series{Labels: labels.FromStrings("__name__", "up", "job", "a")}
	tokens := engine.Series{Labels: labels.FromStrings("__name__", "tokens_total", "job", "a")}
	batch := e.Begin()
	for minute := range 61 {
		at := noon.Add(time.Duration(minute-60) * time.Minute)
		for series, value := range map[*engine.Series]float64{&up: 1, &tokens: float64(60 * minute)} {
			if err := batch.Add(series, at, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := batch.Commit(); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, address string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, request)
}

func do(t *testing.T, request *http.Request) (status int, text string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// same fails when two JSON texts do not say the same.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%s: %v in %s", what, err, got)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%s: %v in %s", what, err, want)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("%s: -want +got\n%s", what, diff)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	e, server := open(t)
	counters(t, e)
	const at = "1793620800" // noon
	for _, c := range []struct {
		name, path string
		status     int
		want       string
	}{
		{
			"vector", "query?query=up&time=" + at, 200,
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a"},"value":[` + at + `,"1"]}]}}`,
		},
		{
			"a query without a time is one at the engine's own", "query?query=up", 200,
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a"},"value":[` + at + `,"1"]}]}}`,
		},
		{"empty vector", "query?query=nothing&time=" + at, 200, `{"status":"success","data":{"resultType":"vector","result":[]}}`},
		{"scalar", "query?query=1.5&time=" + at, 200, `{"status":"success","data":{"resultType":"scalar","result":[` + at + `,"1.5"]}}`},
		{"infinite scalar", "query?query=1/0&time=" + at, 200, `{"status":"success","data":{"resultType":"scalar","result":[` + at + `,"+Inf"]}}`},
		{"string", `query?query=%22x%22&time=` + at, 200, `{"status":"success","data":{"resultType":"string","result":[` + at + `,"x"]}}`},
		{
			"matrix", "query_range?query=tokens_total&start=2026-11-02T11:30:00Z&end=2026-11-02T12:00:00Z&step=15m", 200,
			`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"tokens_total","job":"a"},
				"values":[[1793619000,"1800"],[1793619900,"2700"],[1793620800,"3600"]]}]}}`,
		},
		{
			"an hourly increase has no extrapolation to speak of", "query?query=increase(tokens_total[1h])&time=" + at, 200,
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"job":"a"},"value":[` + at + `,"3600"]}]}}`,
		},
		{
			"an info is passed on", "query?query=increase(up[1h])&time=" + at, 200,
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"job":"a"},"value":[` + at + `,"0"]}]},
				"infos":["PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"up\" (1:10)"]}`,
		},
		{
			"a warning is passed on", "query?query=quantile(2,up)&time=" + at, 200,
			`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[` + at + `,"+Inf"]}]},
				"warnings":["PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)"]}`,
		},
		{"series", "series?match[]=up", 200, `{"status":"success","data":[{"__name__":"up","job":"a"}]}`},
		{"series named twice", "series?match[]=up&match[]=%7Bjob=%22a%22,__name__=%22up%22%7D", 200, `{"status":"success","data":[{"__name__":"up","job":"a"}]}`},
		{"no series", "series?match[]=nothing", 200, `{"status":"success","data":[]}`},
		{"label names", "labels", 200, `{"status":"success","data":["__name__","job"]}`},
		{"label values", "label/__name__/values", 200, `{"status":"success","data":["tokens_total","up"]}`},
		{"label values of selected series", "label/__name__/values?match[]=up", 200, `{"status":"success","data":["up"]}`},
		{"no label values", "label/nothing/values", 200, `{"status":"success","data":[]}`},
		{"label values before the first sample", "label/job/values?end=100", 200, `{"status":"success","data":[]}`},
		{"metadata", "metadata", 200, `{"status":"success","data":{}}`},
	} {
		status, body := get(t, server.URL+"/api/v1/"+c.path)
		if status != c.status {
			t.Errorf("%s: status %d, want %d: %s", c.name, status, c.status, body)
			continue
		}
		same(t, c.name, body, c.want)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	e, server := open(t)
	counters(t, e)
	// A second series makes the match below ambiguous.
	if err := e.Ingest([]byte("up 1\n"), noon, map[string]string{"job": "b"}, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path string
		status     int
		kind, text string
	}{
		{"parse error", "query?query=up%7B", 400, "bad_data", `invalid parameter "query": 1:4: parse error: unexpected end of input inside braces`},
		{"empty query", "query", 400, "bad_data", `invalid parameter "query": unknown position: parse error: no expression found in input`},
		{"bad time", "query?query=up&time=noon", 400, "bad_data", `invalid parameter "time": cannot parse "noon" to a valid timestamp`},
		{"no start", "query_range?query=up&end=1&step=1", 400, "bad_data", `invalid parameter "start": cannot parse "" to a valid timestamp`},
		{"end before start", "query_range?query=up&start=2&end=1&step=1", 400, "bad_data", `invalid parameter "end": end timestamp must not be before start time`},
		{
			"no step", "query_range?query=up&start=1&end=2&step=0", 400, "bad_data",
			`invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer`,
		},
		{
			"too many points", "query_range?query=up&start=0&end=11002&step=1", 400, "bad_data",
			`exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)`,
		},
		{"a match that is not unique", "query?query=tokens_total*on()up&time=1793620800", 422, "execution", "found duplicate series"},
		{"no selector", "series", 400, "bad_data", "no match[] parameter provided"},
		{"bad selector", "series?match[]=%7B", 400, "bad_data", `invalid parameter "match[]": 1:2: parse error`},
	} {
		status, body := get(t, server.URL+"/api/v1/"+c.path)
		var got struct {
			Status, ErrorType, Error string
			Data                     any
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%s: %v in %s", c.name, err, body)
		}
		if status != c.status || got.Status != "error" || got.ErrorType != c.kind || !strings.Contains(got.Error, c.text) || got.Data != nil {
			t.Errorf("%s: got %d %s, want %d %s %q", c.name, status, body, c.status, c.kind, c.text)
		}
	}
}

func TestFormsAndCompression(t *testing.T) {
	t.Parallel()
	e, server := open(t)
	counters(t, e)
	form := url.Values{"query": {"up"}, "time": {"1793620800"}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/api/v1/query", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept-Encoding", "gzip") // set by hand, so that the client leaves the body alone
	_, body := do(t, request)
	zip, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	plain, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	_, want := get(t, server.URL+"/api/v1/query?"+form.Encode())
	same(t, "POST, compressed", string(plain), want)
}

func TestReadingWhileWriting(t *testing.T) {
	t.Parallel()
	e, server := open(t)
	const batches = 200
	var tasks sync.WaitGroup
	tasks.Go(func() {
		series := engine.Series{Labels: labels.FromStrings("__name__", "x_total")}
		for i := range batches {
			batch := e.Begin()
			for j := range 2 {
				if err := batch.Add(&series, noon.Add(time.Duration(2*i+j-2*batches)*time.Second), 1); err != nil {
					t.Error(err)
				}
			}
			if err := batch.Commit(); err != nil {
				t.Error(err)
			}
		}
	})
	for range 20 {
		_, body := get(t, server.URL+"/api/v1/query?query=count_over_time(x_total[1h])")
		var got struct {
			Data struct {
				Result []struct{ Value [2]any }
			}
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		for _, r := range got.Data.Result {
			var n int
			if _, err := fmt.Sscan(r.Value[1].(string), &n); err != nil || n%2 != 0 {
				t.Errorf("got %s, want an even number of samples: a batch becomes visible as a whole", body)
			}
		}
	}
	tasks.Wait()
}

func TestIngest(t *testing.T) {
	t.Parallel()
	e, server := open(t)
	exposition := "# HELP x_total what\n# TYPE x_total counter\nx_total{pod=\"own\",team=\"<!channel> \\\"a\\\\b\\\"\\n\"} 5\ny NaN\n"
	grow := 1.0
	for _, at := range []time.Time{noon.Add(-time.Minute), noon} {
		err := e.Ingest([]byte(exposition), at, map[string]string{"pod": "scraped"}, func(name string, value float64) float64 {
			if name == "x_total" {
				return value * grow
			}
			return value
		})
		if err != nil {
			t.Fatal(err)
		}
		grow++
	}
	_, body := get(t, server.URL+"/api/v1/query?query=x_total")
	same(t, "counter", body, `{"status":"success","data":{"resultType":"vector","result":[{"metric":
		{"__name__":"x_total","pod":"scraped","exported_pod":"own","team":"<!channel> \"a\\b\"\n"},"value":[1793620800,"10"]}]}}`)
	_, body = get(t, server.URL+"/api/v1/query?query=y")
	same(t, "not a number", body, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"y","pod":"scraped"},"value":[1793620800,"NaN"]}]}}`)
	if err := e.Ingest([]byte("# TYPE x_total gauge\n# TYPE \"a.b\" histogram\n"), noon, nil, nil); err != nil {
		t.Fatal(err)
	}
	_, body = get(t, server.URL+"/api/v1/metadata")
	same(t, "types", body, `{"status":"success","data":{"x_total":[{"type":"counter","help":"","unit":""},{"type":"gauge","help":"","unit":""}],"a.b":[{"type":"histogram","help":"","unit":""}]}}`)
	_, body = get(t, server.URL+"/api/v1/metadata?metric=a.b")
	same(t, "type", body, `{"status":"success","data":{"a.b":[{"type":"histogram","help":"","unit":""}]}}`)

	if err := e.Ingest([]byte("x_total{ 5\n"), noon.Add(time.Minute), nil, nil); err == nil {
		t.Error("a broken exposition was taken")
	}
	if err := e.Ingest(bytes.Repeat([]byte("z 1\n"), 1), noon.Add(-2*time.Minute), nil, nil); err != nil {
		t.Errorf("another series may begin earlier: %v", err)
	}
}
