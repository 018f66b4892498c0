package collector

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	prommodel "github.com/prometheus/common/model"

	"tipline/model"
)

// querier is what is needed of the Prometheus API.
type querier interface {
	Metadata(ctx context.Context, metric, limit string) (map[string][]v1.Metadata, error)
	QueryRange(ctx context.Context, query string, r v1.Range, opts ...v1.Option) (prommodel.Value, v1.Warnings, v1.Infos, error)
}

var _ querier = v1.API(nil) // the compiler tells us when the client library moves

// A client asks one server, patiently but not forever.
type client struct {
	api     querier
	raw     api.Client // of api, for what it has no method for
	source  string     // its name
	server  *Server
	address string // of the server, without credentials and parameters
	guard   *guard
	timeout time.Duration    // of one query, its whole answer included
	clock   func() time.Time // to measure costs with; nil measures none
	costs   costs

	mu       sync.Mutex
	failures int            // of queries so far; guarded by mu
	failing  map[string]int // expressions that failed when they were last asked, and the how-manieth failure that was; guarded by mu
}

// pauseBeforeRetry is the wait before the first query of a run that is sent a second time, when the server does not name one, and longestPause how long it grows from one to the next. Neither is longer than a
// query may take.
const pauseBeforeRetry, longestPause = time.Second, 8 * time.Second

// pauseOf returns the wait before the n-th query, from 1 on, of a run that a source sends a second time, of which the server wants it to be at least asked. It is twice that of the one before, at most
// longestPause or timeout, and up to as much again by the hash of the source's name and n, so that what failed together does not come back together.
func pauseOf(source string, n int, asked, timeout time.Duration) time.Duration {
	pause := min(pauseBeforeRetry<<(n-1), longestPause, timeout)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", source, n))
	share := float64(binary.BigEndian.Uint32(sum[:])) / (1 << 32)
	return max(pause, asked) + time.Duration(share*float64(pause))
}

// newClient returns a client for the server of s.
func newClient(s Settings) (*client, error) {
	u, err := url.Parse(s.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("url: want the address of a server, for example http://prometheus:9090") // it may hold a password
	}
	next := s.Client
	if next == nil {
		next = api.DefaultRoundTripper
	}
	// Parameters of the address travel with every query. Thanos and VictoriaMetrics answer with what they could reach
	// unless told not to; Prometheus and Mimir ignore parameters that they do not know.
	parameters := u.Query()
	parameters.Set("partial_response", "false")
	parameters.Set("deny_partial_response", "1")
	var stopwatch func() time.Time
	if s.Costs {
		stopwatch = s.Clock
		parameters.Set("stats", "1") // for Cost.Peak
	}
	u.RawQuery = parameters.Encode()
	g := &guard{next: next, maxBytes: cmp.Or(s.MaxResponseBytes, defaultMaxResponseBytes), clock: s.Clock}
	c, err := api.NewClient(api.Config{Address: u.String(), RoundTripper: g})
	if err != nil {
		return nil, errors.New("url: want the address of a server, for example http://prometheus:9090")
	}
	server := s.Server
	if server == nil {
		server = NewServer(cmp.Or(s.Concurrency, defaultConcurrency))
	}
	return &client{
		api: v1.NewAPI(c), raw: c, address: redact(u), source: s.Name, server: server, guard: g, timeout: cmp.Or(s.Timeout, defaultTimeout), clock: stopwatch, failing: map[string]int{},
	}, nil
}

// ask evaluates expr at every step of r and returns the notes that the server has about it.
func (c *client) ask(ctx context.Context, expr string, r v1.Range) (matrix prommodel.Matrix, notes []model.Warning, err error) {
	err = c.patiently(ctx, expr, r.End, func() (err error) {
		matrix, notes, err = c.once(ctx, expr, r)
		return err
	})
	return matrix, notes, err
}

// each does what ask does and gives every series to a taker that begin returns, a new one for every attempt. What a taker was given counts only
// when there is no error.
func (c *client) each(ctx context.Context, expr string, r v1.Range, begin func() taker) (notes []model.Warning, err error) {
	err = c.patiently(ctx, expr, r.End, func() error {
		rest, said, err := c.once(context.WithValue(ctx, takerKey{}, begin()), expr, r)
		if err == nil && len(rest) > 0 {
			err = &Error{Reason: BadAnswer, Text: oneLine("a series in a form that is not known: " + rest[0].Metric.String())}
		}
		notes = said
		return err
	})
	return notes, err
}

// patiently does once, which sends expr about times up to until, and once more what may do better a moment later, after the time that the server asks for if that is no longer than a query may take. It does nothing when the
// server is not to be asked, see Server.
func (c *client) patiently(ctx context.Context, expr string, until time.Time, once func() error) error {
	q := query{c.source, expr, until}
	err := c.server.ask(ctx, q, once)
	e, failed := errors.AsType[*Error](err)
	if failed && e.unsent {
		return err
	}
	if failed && e.Retryable() {
		if n, may := c.server.again(); may && e.RetryAfter <= c.timeout && wait(ctx, pauseOf(c.source, n, e.RetryAfter, c.timeout)) {
			again := c.server.ask(ctx, q, once)
			if e, failed := errors.AsType[*Error](again); !failed || !e.unsent {
				err = again
			}
		}
	}
	c.server.ended(q, err)
	c.note(expr, err)
	return err
}

// note takes over how expr ended.
func (c *client) note(expr string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.failing, expr)
	if e, failed := errors.AsType[*Error](err); failed && e.Retryable() {
		c.failures++
		c.failing[expr] = c.failures
	}
}

// failedLast returns the how-manieth failure it was that expr ended with when it was last asked; 0 when it did not fail.
func (c *client) failedLast(expr string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failing[expr]
}

func (c *client) once(ctx context.Context, expr string, r v1.Range) (matrix prommodel.Matrix, notes []model.Warning, err error) {
	// Ours, over the whole answer: Mimir and VictoriaMetrics ignore the timeout parameter.
	ctx, cost, done := c.limited(ctx, expr)
	defer done()
	if cost != nil {
		if take, ok := ctx.Value(takerKey{}).(taker); ok {
			ctx = context.WithValue(ctx, takerKey{}, cost.counting(take))
		}
		defer func() {
			for _, stream := range matrix { // of one that nobody takes
				cost.Series++
				cost.Samples += len(stream.Values)
			}
		}()
	}
	value, warnings, infos, err := c.api.QueryRange(ctx, expr, r, v1.WithTimeout(c.timeout))
	if err != nil {
		return nil, nil, queryError(ctx, err)
	}
	if notes, err = classify(warnings, infos); err != nil {
		return nil, nil, err
	}
	matrix, ok := value.(prommodel.Matrix)
	if value == nil {
		return nil, nil, &Error{Reason: BadAnswer, Text: "success without a result"}
	}
	if !ok {
		return nil, nil, &Error{Reason: WrongType, Text: fmt.Sprintf("got a %v, want a matrix", value.Type())}
	}
	for _, stream := range matrix {
		if len(stream.Histograms) > 0 {
			return nil, nil, &Error{Reason: WrongType, Text: "got a native histogram, want numbers: name its histogram_sum in a query of your own"}
		}
	}
	return matrix, notes, nil
}

// queryError makes an Error of what the client library returned.
func queryError(ctx context.Context, err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var answered *v1.Error
	if errors.As(err, &answered) {
		if strings.HasPrefix(answered.Msg, "unexpected value type") { // a string
			return &Error{Reason: WrongType, Text: oneLine(answered.Msg)}
		}
		return &Error{Reason: BadAnswer, Text: oneLine(answered.Msg)} // 2xx: anything else the guard has stopped
	}
	return transportError(ctx, err)
}

// classify tells remarks about the expression from news that part of the data is missing. Thanos writes both into the
// same list, so only the words that PromQL engines begin their remarks with are harmless.
func classify(warnings v1.Warnings, infos v1.Infos) ([]model.Warning, error) {
	var notes []model.Warning
	for _, text := range slices.Concat([]string(warnings), []string(infos)) {
		if !slices.Contains(infos, text) && !strings.HasPrefix(text, "PromQL info:") && !strings.HasPrefix(text, "PromQL warning:") {
			return nil, &Error{Reason: Partial, Text: oneLine(text)}
		}
		notes = append(notes, model.Warning{Code: ServerNote, Text: oneLine(text)})
	}
	return notes, nil
}

// wait pauses and reports whether there is time for more: ctx must outlast the pause.
func wait(ctx context.Context, pause time.Duration) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, pause, errPaused)
	defer cancel()
	<-ctx.Done()
	return errors.Is(context.Cause(ctx), errPaused)
}

var errPaused = errors.New("pause is over")
