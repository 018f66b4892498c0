package engine

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
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

// Handler serves the part of Prometheus' HTTP API that clients of its data use.
func (e *Engine) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, answer := range map[string]func(*http.Request) (any, []string, error){
		"/api/v1/query":               e.query,
		"/api/v1/query_range":         e.queryRange,
		"/api/v1/series":              e.series,
		"/api/v1/labels":              e.labelNames,
		"/api/v1/label/{name}/values": e.labelValues,
		"/api/v1/metadata":            func(*http.Request) (any, []string, error) { return map[string]any{}, nil, nil },
		"/api/v1/status/buildinfo": func(*http.Request) (any, []string, error) {
			return map[string]string{"version": "3.16.0", "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": ""}, nil, nil
		},
	} {
		mux.Handle(path, respond(answer))
	}
	mux.HandleFunc("/-/healthy", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "Prometheus Server is Healthy.") })
	return mux
}

// respond writes what answer returns in the envelope of the API.
func respond(answer func(*http.Request) (any, []string, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		envelope := struct {
			Status    string   `json:"status"`
			Data      any      `json:"data,omitempty"`
			ErrorType string   `json:"errorType,omitempty"`
			Error     string   `json:"error,omitempty"`
			Warnings  []string `json:"warnings,omitempty"`
		}{Status: "success"}
		status := http.StatusOK
		data, warnings, err := answer(r)
		envelope.Data, envelope.Warnings = data, warnings
		if err != nil {
			envelope.Status, envelope.ErrorType, envelope.Error, envelope.Data = "error", "execution", err.Error(), nil
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
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.WriteHeader(status)
			_, _ = w.Write(body)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(status)
		zip := gzip.NewWriter(w)
		_, _ = zip.Write(body)
		_ = zip.Close()
	})
}

func (e *Engine) query(r *http.Request) (any, []string, error) {
	at := time.Now()
	if text := r.FormValue("time"); text != "" {
		var err error
		if at, err = parseTime("time", text); err != nil {
			return nil, nil, err
		}
	}
	q, err := e.queries.NewInstantQuery(r.Context(), e.db, nil, r.FormValue("query"), at)
	if err != nil {
		return nil, nil, &apiError{"bad_data", err}
	}
	return run(r.Context(), q)
}

func (e *Engine) queryRange(r *http.Request) (any, []string, error) {
	start, err := parseTime("start", r.FormValue("start"))
	if err != nil {
		return nil, nil, err
	}
	end, err := parseTime("end", r.FormValue("end"))
	if err != nil {
		return nil, nil, err
	}
	step, err := parseDuration(r.FormValue("step"))
	switch {
	case err != nil:
		return nil, nil, badData("invalid parameter \"step\": %w", err)
	case step <= 0:
		return nil, nil, badData("zero or negative query resolution step widths are not accepted. Try a positive integer")
	case end.Before(start):
		return nil, nil, badData("invalid parameter \"end\": end timestamp must not be before start time")
	case end.Sub(start)/step > maxPoints:
		return nil, nil, badData("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")
	}
	q, err := e.queries.NewRangeQuery(r.Context(), e.db, nil, r.FormValue("query"), start, end, step)
	if err != nil {
		return nil, nil, &apiError{"bad_data", err}
	}
	return run(r.Context(), q)
}

// run executes q and returns its result as the API writes it.
func run(ctx context.Context, q promql.Query) (any, []string, error) {
	defer q.Close()
	result := q.Exec(ctx)
	if result.Err != nil {
		kind := "execution"
		var timeout promql.ErrQueryTimeout
		var canceled promql.ErrQueryCanceled
		switch {
		case errors.As(result.Err, &timeout):
			kind = "timeout"
		case errors.As(result.Err, &canceled):
			kind = "canceled"
		}
		return nil, nil, &apiError{kind, result.Err}
	}
	warnings, infos := result.Warnings.AsStrings("", 10, 10)
	value, err := convert(result.Value)
	return map[string]any{"resultType": result.Value.Type(), "result": value}, append(warnings, infos...), err
}

// convert turns a result into the types of the client library, which marshal as the API does.
func convert(v parser.Value) (any, error) {
	switch v := v.(type) {
	case promql.Vector:
		out := make(prommodel.Vector, 0, len(v))
		for _, s := range v {
			out = append(out, &prommodel.Sample{Metric: metric(s.Metric), Value: prommodel.SampleValue(s.F), Timestamp: prommodel.Time(s.T)})
		}
		return out, nil
	case promql.Matrix:
		out := make(prommodel.Matrix, 0, len(v))
		for _, s := range v {
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

func metric(l labels.Labels) prommodel.Metric {
	m := prommodel.Metric{}
	l.Range(func(l labels.Label) { m[prommodel.LabelName(l.Name)] = prommodel.LabelValue(l.Value) })
	return m
}

func (e *Engine) series(r *http.Request) (any, []string, error) {
	if err := r.ParseForm(); err != nil {
		return nil, nil, badData("%w", err)
	}
	if len(r.Form["match[]"]) == 0 {
		return nil, nil, badData("no match[] parameter provided")
	}
	found := []map[string]string{}
	err := e.each(r, func(l labels.Labels) { found = append(found, l.Map()) })
	return found, nil, err
}

// each calls fn with every series that one of the match[] selectors selects.
func (e *Engine) each(r *http.Request, fn func(labels.Labels)) error {
	q, err := e.db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		return err
	}
	defer q.Close()
	for _, selector := range r.Form["match[]"] {
		matchers, err := e.parser.ParseMetricSelector(selector)
		if err != nil {
			return &apiError{"bad_data", err}
		}
		set := q.Select(r.Context(), true, &storage.SelectHints{Func: "series"}, matchers...)
		for set.Next() {
			fn(set.At().Labels())
		}
		if err := set.Err(); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) labelNames(r *http.Request) (any, []string, error) {
	q, err := e.db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		return nil, nil, err
	}
	defer q.Close()
	names, _, err := q.LabelNames(r.Context(), nil)
	return names, nil, err
}

func (e *Engine) labelValues(r *http.Request) (any, []string, error) {
	q, err := e.db.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		return nil, nil, err
	}
	defer q.Close()
	values, _, err := q.LabelValues(r.Context(), r.PathValue("name"), nil)
	if values == nil {
		values = []string{}
	}
	return values, nil, err
}

// parseTime reads a time in seconds since the epoch or in RFC 3339.
func parseTime(name, text string) (time.Time, error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		whole, part := math.Modf(seconds)
		return time.Unix(int64(whole), int64(math.Round(part*1e3))*1e6).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	return time.Time{}, badData("invalid parameter %q: cannot parse %q to a valid timestamp", name, text)
}

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
