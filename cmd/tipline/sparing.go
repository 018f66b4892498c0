package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"
)

const (
	spared     = time.Minute // for which a warning or an error is not logged again
	remembered = time.Hour   // for which it is known that it was left out
)

// sparing is a handler of a log that has the same warning or error at most once a minute, whoever sends what it quotes and however often. The next one after that says
// how often it was left out. Times and durations do not make it another.
type sparing struct {
	slog.Handler
	with string // what the attributes say that every record has
	said *lately
}

// lately is what has been logged within the last hour or two, by a hash of it.
type lately struct {
	mu     sync.Mutex
	all    map[[sha256.Size]byte]saying
	pruned time.Time
}

type saying struct {
	at   time.Time
	more int // times that it was left out since
}

func newSparing(h slog.Handler) slog.Handler {
	return sparing{h, "", &lately{all: map[[sha256.Size]byte]saying{}}}
}

// Handle implements slog.Handler.
func (s sparing) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn {
		return s.Handler.Handle(ctx, r)
	}
	text := &strings.Builder{}
	fmt.Fprintf(text, "%s %q%s", r.Level, r.Message, s.with)
	r.Attrs(func(a slog.Attr) bool {
		text.WriteString(says(a))
		return true
	})
	more, due := s.said.due(sha256.Sum256([]byte(text.String())), r.Time)
	if !due {
		return nil
	}
	if more > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("left_out", more))
	}
	return s.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (s sparing) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		s.with += says(a)
	}
	s.Handler = s.Handler.WithAttrs(attrs)
	return s
}

// WithGroup implements slog.Handler.
func (s sparing) WithGroup(name string) slog.Handler {
	s.with += fmt.Sprintf(" %q", name)
	s.Handler = s.Handler.WithGroup(name)
	return s
}

// says returns what a makes of a record; nothing where it is a time or a duration.
func says(a slog.Attr) string {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindTime || v.Kind() == slog.KindDuration {
		return ""
	}
	return fmt.Sprintf(" %q=%q", a.Key, v.String())
}

// due reports whether what has the hash is to be logged at a time, and how often it was left out before. A clock that goes back makes everything due.
func (s *lately) due(hash [sha256.Size]byte, at time.Time) (more int, due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	within := func(span time.Duration, before time.Time) bool { age := at.Sub(before); return age >= 0 && age < span }
	if !within(remembered, s.pruned) {
		maps.DeleteFunc(s.all, func(_ [sha256.Size]byte, last saying) bool { return !within(remembered, last.at) })
		s.pruned = at
	}
	last, known := s.all[hash]
	if known && within(spared, last.at) {
		last.more++
		s.all[hash] = last
		return 0, false
	}
	s.all[hash] = saying{at: at}
	return last.more, true
}
