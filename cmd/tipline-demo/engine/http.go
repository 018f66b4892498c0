package engine

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/stats"
)

// maxPoints is how many points a series may have in one range query, as in Prometheus.
const maxPoints = 11_000

// apiError is a refusal with the type that Prometheus gives it.
type apiError struct {
	kind string
	err  error
}

func (e *apiError) Error() string { return e.err.Error() }
func (e *apiError) Unwrap() error { return e.err }

func badData(format string, args ...any) error {
	return &apiError{"bad_data", fmt.Errorf(format, args...)}
}

// statuses are the HTTP statuses of the error types.
var statuses = map[string]int{
	"bad_data": http.StatusBadRequest, "execution": http.StatusUnprocessableEntity,
	"canceled": http.StatusServiceUnavailable, "timeout": http.StatusServiceUnavailable, "internal": http.StatusInternalServerError,
}

// A reply is what a request is answered with when nothing is wrong.
type reply struct {
	data            any
	warnings, infos []string
}

// Handler serves the part of Prometheus' HTTP API that clients of its data use.
func (e *Engine) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, answer := range map[string]func(*http.Request) (reply, error){
		"/api/v1/query":               e.query,
		"/api/v1/query_range":         e.queryRange,
		"/api/v1/series":              e.series,
		"/api/v1/labels":              e.labelNames,
		"/api/v1/label/{name}/values": e.labelValues,
		"/api/v1/metadata":            e.types,
		"/api/v1/status/buildinfo":    func(*http.Request) (reply, error) { return reply{data: buildinfo}, nil },
	} {
		mux.Handle(path, respond(answer))
	}
	mux.HandleFunc("/-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "Prometheus Server is Healthy.") })
	mux.HandleFunc("/-/ready", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "Prometheus Server is Ready.") })
	return mux
}

// buildinfo says which Prometheus the engine is; the library v0.316.0 is that of release 3.16.0.
var buildinfo = map[string]string{"version": "3.16.0", "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": ""}

// respond writes what answer returns in the envelope of the API.
func respond(answer func(*http.Request) (reply, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var envelope struct {
			Status    string   `json:"status"`
			Data      any      `json:"data,omitempty"`
			ErrorType string   `json:"errorType,omitempty"`
			Error     string   `json:"error,omitempty"`
			Warnings  []string `json:"warnings,omitempty"`
			Infos     []string `json:"infos,omitempty"`
		}
		status := http.StatusOK
		switch result, err := answer(r); {
		case err == nil:
			envelope.Status, envelope.Data, envelope.Warnings, envelope.Infos = "success", result.data, result.warnings, result.infos
		default:
			envelope.Status, envelope.ErrorType, envelope.Error = "error", "internal", err.Error()
			var refused *apiError
			if errors.As(err, &refused) {
				envelope.ErrorType = refused.kind
			}
			status = statuses[envelope.ErrorType]
		}
		body, err := json.Marshal(envelope)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header()["Date"] = nil // what is in here has a time of its own
		w.Header().Set("Vary", "Accept-Encoding")
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.WriteHeader(status)
			_, _ = w.Write(body) // an error here means that the client has gone
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(status)
		zip := gzip.NewWriter(w)
		_, _ = zip.Write(body)
		_ = zip.Close()
	})
}

// types answers what programs say of the metric that is asked for, or of all.
func (e *Engine) types(r *http.Request) (reply, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	said := maps.Clone(e.metadata)
	if metric := r.FormValue("metric"); metric != "" {
		maps.DeleteFunc(said, func(name string, _ []metadata) bool { return name != metric })
	}
	return reply{data: said}, nil
}

func (e *Engine) query(r *http.Request) (reply, error) {
	at, err := parseTime("time", r.FormValue("time"), e.now())
	if err != nil {
		return reply{}, err
	}
	q, err := e.queries.NewInstantQuery(r.Context(), e.db, nil, r.FormValue("query"), at)
	if err != nil {
		return reply{}, badData("invalid parameter \"query\": %w", err)
	}
	return run(r, q)
}

func (e *Engine) queryRange(r *http.Request) (reply, error) {
	start, err := parseTime("start", r.FormValue("start"), time.Time{})
	if err != nil {
		return reply{}, err
	}
	end, err := parseTime("end", r.FormValue("end"), time.Time{})
	if err != nil {
		return reply{}, err
	}
	step, err := parseDuration(r.FormValue("step"))
	switch {
	case err != nil:
		return reply{}, badData("invalid parameter \"step\": %w", err)
	case end.Before(start):
		return reply{}, badData("invalid parameter \"end\": end timestamp must not be before start time")
	case step <= 0:
		return reply{}, badData("invalid parameter \"step\": zero or negative query resolution step widths are not accepted. " +
			"Try a positive integer")
	case end.Sub(start)/step > maxPoints:
		return reply{}, badData("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")
	}
	q, err := e.queries.NewRangeQuery(r.Context(), e.db, nil, r.FormValue("query"), start, end, step)
	if err != nil {
		return reply{}, badData("invalid parameter \"query\": %w", err)
	}
	return run(r, q)
}

// run executes q for r and returns its result as the API writes it, with what it took if r asks for that.
func run(r *http.Request, q promql.Query) (reply, error) {
	defer q.Close()
	result := q.Exec(r.Context())
	if result.Err != nil {
		var timeout promql.ErrQueryTimeout
		var canceled promql.ErrQueryCanceled
		var broken promql.ErrStorage
		kind := "execution"
		switch {
		case errors.As(result.Err, &timeout):
			kind = "timeout"
		case errors.As(result.Err, &canceled), errors.Is(result.Err, context.Canceled):
			kind = "canceled"
		case errors.As(result.Err, &broken):
			kind = "internal"
		}
		return reply{}, &apiError{kind, result.Err}
	}
	value, err := convert(result.Value)
	if err != nil {
		return reply{}, &apiError{"execution", err}
	}
	warnings, infos := result.Warnings.AsStrings(q.String(), 10, 10)
	data := map[string]any{"resultType": result.Value.Type(), "result": value}
	if r.FormValue("stats") != "" {
		data["stats"] = stats.NewQueryStats(q.Stats())
	}
	return reply{data: data, warnings: warnings, infos: infos}, nil
}

// convert turns a result into the types of the client library, which marshal as the API does.
func convert(v parser.Value) (any, error) {
	switch v := v.(type) {
	case promql.Vector:
		out := make(prommodel.Vector, 0, len(v))
		for _, s := range v {
			if s.H != nil {
				return nil, errNativeHistogram
			}
			out = append(out, &prommodel.Sample{Metric: metric(s.Metric), Value: prommodel.SampleValue(s.F), Timestamp: prommodel.Time(s.T)})
		}
		return out, nil
	case promql.Matrix:
		out := make(prommodel.Matrix, 0, len(v))
		for _, s := range v {
			if len(s.Histograms) > 0 {
				return nil, errNativeHistogram
			}
			stream := &prommodel.SampleStream{Metric: metric(s.Metric)}
			for _, p := range s.Floats {
				stream.Values = append(stream.Values, prommodel.SamplePair{Timestamp: prommodel.Time(p.T), Value: prommodel.SampleValue(p.F)})
			}
			out = append(out, stream)
		}
		return out, nil
	case promql.Scalar:
		return &prommodel.Scalar{Value: prommodel.SampleValue(v.V), Timestamp: prommodel.Time(v.T)}, nil
	case promql.String:
		return &prommodel.String{Value: v.V, Timestamp: prommodel.Time(v.T)}, nil
	}
	return nil, fmt.Errorf("result of type %s", v.Type())
}

// errNativeHistogram refuses what an engine that is only ever given plain samples cannot hold.
var errNativeHistogram = errors.New("native histograms are not served")

func metric(l labels.Labels) prommodel.Metric {
	m := make(prommodel.Metric, l.Len())
	l.Range(func(l labels.Label) { m[prommodel.LabelName(l.Name)] = prommodel.LabelValue(l.Value) })
	return m
}

func (e *Engine) series(r *http.Request) (reply, error) {
	found, err := e.selected(r)
	if err != nil {
		return reply{}, err
	}
	if len(r.Form["match[]"]) == 0 {
		return reply{}, badData("no match[] parameter provided")
	}
	series := make([]map[string]string, 0, len(found))
	for _, l := range found {
		series = append(series, l.Map())
	}
	return reply{data: series}, nil
}

func (e *Engine) labelNames(r *http.Request) (reply, error) {
	found, err := e.selected(r)
	names := map[string]bool{}
	for _, l := range found {
		l.Range(func(l labels.Label) { names[l.Name] = true })
	}
	return reply{data: sorted(names)}, err
}

func (e *Engine) labelValues(r *http.Request) (reply, error) {
	found, err := e.selected(r)
	values := map[string]bool{}
	for _, l := range found {
		if value := l.Get(r.PathValue("name")); value != "" {
			values[value] = true
		}
	}
	return reply{data: sorted(values)}, err
}

// sorted returns the keys of m in order; an empty list is not nil, which JSON would call null.
func sorted(m map[string]bool) []string {
	return slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(m))))
}

// selected returns the series that match one of the match[] selectors of a request, all series when there is none. Like
// Prometheus it looks between start and end when they are given.
func (e *Engine) selected(r *http.Request) ([]labels.Labels, error) {
	if err := r.ParseForm(); err != nil {
		return nil, badData("%w", err)
	}
	from, err := parseTime("start", r.Form.Get("start"), time.UnixMilli(0))
	if err != nil {
		return nil, err
	}
	to, err := parseTime("end", r.Form.Get("end"), time.UnixMilli(math.MaxInt64))
	if err != nil {
		return nil, err
	}
	selectors := r.Form["match[]"]
	if len(selectors) == 0 {
		selectors = []string{`{__name__!=""}`}
	}
	q, err := e.db.Querier(from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return nil, err
	}
	defer func() { _ = q.Close() }() // it was only read from
	var found []labels.Labels
	seen := map[string]bool{}
	for _, selector := range selectors {
		matchers, err := e.parser.ParseMetricSelector(selector)
		if err != nil {
			return nil, badData("invalid parameter \"match[]\": %w", err)
		}
		set := q.Select(r.Context(), true, &storage.SelectHints{Start: from.UnixMilli(), End: to.UnixMilli(), Func: "series"}, matchers...)
		for set.Next() {
			if l := set.At().Labels(); !seen[l.String()] {
				seen[l.String()] = true
				found = append(found, l)
			}
		}
		if err := set.Err(); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// parseTime reads a time in seconds since the epoch or in RFC 3339. Without one it is otherwise, unless that is the zero time.
func parseTime(name, text string, otherwise time.Time) (time.Time, error) {
	if text == "" && !otherwise.IsZero() {
		return otherwise, nil
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		whole, part := math.Modf(seconds)
		return time.Unix(int64(whole), int64(math.Round(part*1e3))*1e6).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	return time.Time{}, badData("invalid parameter %q: cannot parse %q to a valid timestamp", name, text)
}

// parseDuration reads a number of seconds or a duration as Prometheus writes them.
func parseDuration(text string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		return time.Duration(seconds * float64(time.Second)), nil
	}
	d, err := prommodel.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("cannot parse %q to a valid duration", text)
	}
	return time.Duration(d), nil
}
