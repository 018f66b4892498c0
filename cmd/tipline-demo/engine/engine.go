// Package engine is a real Prometheus, its storage and its query language, in memory and behind its HTTP API, for the demo
// and for tests.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	prommodel "github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// An Engine stores samples and answers PromQL. Its methods may be called at the same time.
type Engine struct {
	dir     string
	now     func() time.Time
	db      *tsdb.DB
	queries *promql.Engine
	parser  parser.Parser

	mu       sync.Mutex
	metadata map[string][]metadata // by metric; guarded by mu
}

// metadata is what a program says of a metric; help and unit are left out.
type metadata struct {
	Type prommodel.MetricType `json:"type"`
	Help string               `json:"help"`
	Unit string               `json:"unit"`
}

// Open returns an empty engine, for which a query without a time is one at now. Nothing survives Close: there is no
// write-ahead log, and one head holds every sample, up to 200 days.
func Open(now func() time.Time) (*Engine, error) {
	dir, err := os.MkdirTemp("", "tipline-demo-")
	if err != nil {
		return nil, err
	}
	options := tsdb.DefaultOptions()
	options.WALSegmentSize = -1 // no write-ahead log
	options.NoLockfile = true
	options.RetentionDuration = (400 * 24 * time.Hour).Milliseconds()
	options.MinBlockDuration = options.RetentionDuration // the head is never cut into blocks
	options.MaxBlockDuration = options.RetentionDuration
	quiet := slog.New(slog.DiscardHandler)
	db, err := tsdb.Open(dir, quiet, nil, options, nil)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	e := &Engine{dir: dir, now: now, db: db, parser: parser.NewParser(parser.Options{}), metadata: map[string][]metadata{}}
	e.LimitSamples(50_000_000)
	return e, nil
}

// LimitSamples makes e refuse queries that hold more samples than most at once, as --query.max-samples does. It must not be called beside a query.
func (e *Engine) LimitSamples(most int) {
	e.queries = promql.NewEngine(promql.EngineOpts{
		Logger: slog.New(slog.DiscardHandler), MaxSamples: most, Timeout: 2 * time.Minute, LookbackDelta: 5 * time.Minute,
		EnableAtModifier: true, EnableNegativeOffset: true, Parser: e.parser,
	})
}

// Close ends the engine and removes its files.
func (e *Engine) Close() error {
	return errors.Join(e.queries.Close(), e.db.Close(), os.RemoveAll(e.dir))
}

// Samples appends samples; they become visible together at Commit.
type Samples struct{ to storage.Appender }

// Rollback forgets the samples of the batch.
func (b *Samples) Rollback() error { return b.to.Rollback() }

// Begin starts a batch of samples. It must be ended with Commit or Rollback.
func (e *Engine) Begin() *Samples { return &Samples{e.db.Appender(context.Background())} }

// Series is where the samples of one series go. The zero reference is looked up at the first Add.
type Series struct {
	Labels labels.Labels
	ref    storage.SeriesRef
}

// Add appends a sample to s.
func (b *Samples) Add(s *Series, at time.Time, value float64) error {
	ref, err := b.to.Append(s.ref, s.Labels, at.UnixMilli(), value)
	if err != nil {
		return fmt.Errorf("%s at %s: %w", s.Labels, at.Format(time.RFC3339), err)
	}
	s.ref = ref
	return nil
}

// Commit makes the samples of the batch visible.
func (b *Samples) Commit() error { return b.to.Commit() }

// Ingest appends an exposition in Prometheus' text format as if it had been scraped at the given time. Labels of the target
// are added as a scrape adds them; a label of the exposition by the same name becomes exported_ and that name. Every
// value is passed through change, which may be nil. What the exposition says of types is metadata from then on.
func (e *Engine) Ingest(exposition []byte, at time.Time, target map[string]string, change func(name string, value float64) float64) error {
	p, err := textparse.New(exposition, "text/plain", labels.NewSymbolTable(), textparse.ParserOptions{FallbackContentType: "text/plain"})
	if err != nil {
		return err
	}
	batch := e.Begin()
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return batch.Commit()
		}
		if err != nil {
			return errors.Join(err, batch.Rollback())
		}
		if entry == textparse.EntryType {
			e.describe(p.Type())
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, value := p.Series()
		var l labels.Labels
		p.Labels(&l)
		builder := labels.NewBuilder(l)
		for name, v := range target {
			if own := l.Get(name); own != "" {
				builder.Set("exported_"+name, own)
			}
			builder.Set(name, v)
		}
		if change != nil {
			value = change(l.Get(prommodel.MetricNameLabel), value)
		}
		if err := batch.Add(&Series{Labels: builder.Labels()}, at, value); err != nil {
			return errors.Join(err, batch.Rollback())
		}
	}
}

// describe keeps that a program says of what type a metric is.
func (e *Engine) describe(metric []byte, of prommodel.MetricType) {
	e.mu.Lock()
	defer e.mu.Unlock()
	said := metadata{Type: of}
	if name := string(metric); !slices.Contains(e.metadata[name], said) {
		e.metadata[name] = append(e.metadata[name], said)
	}
}
