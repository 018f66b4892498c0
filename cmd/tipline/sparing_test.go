package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tipline/model"
)

// TestF106_OnceAMinute holds that the same warning or error is logged at most once a minute, and the next says how many were left out.
func TestF106_OnceAMinute(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	h := newSparing(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	begin := time.Date(2026, 11, 2, 6, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		what  string
		after time.Duration
		h     slog.Handler
		level slog.Level
		text  string
		attrs []slog.Attr
		want  string // in what is logged; empty: nothing is
	}{
		{"the first", 0, h, slog.LevelError, "failed", []slog.Attr{slog.Any("error", errors.New("busy\n"))}, `error="busy\n"`},
		{"the same", time.Second, h, slog.LevelError, "failed", []slog.Attr{slog.Any("error", errors.New("busy\n"))}, ""},
		{"once more", 59 * time.Second, h, slog.LevelError, "failed", []slog.Attr{slog.Any("error", errors.New("busy\n"))}, ""},
		{"another error", 59 * time.Second, h, slog.LevelError, "failed", []slog.Attr{slog.String("error", "idle")}, "idle"},
		{"as a warning", 59 * time.Second, h, slog.LevelWarn, "failed", []slog.Attr{slog.String("error", "idle")}, "WARN"},
		{"of a source", 59 * time.Second, h.WithAttrs([]slog.Attr{slog.String("source", "a")}), slog.LevelError, "failed", []slog.Attr{slog.String("error", "idle")}, "source=a"},
		{"of another source", 59 * time.Second, h.WithAttrs([]slog.Attr{slog.String("source", "b")}), slog.LevelError, "failed", []slog.Attr{slog.String("error", "idle")}, "source=b"},
		{"of the source again", 59 * time.Second, h.WithAttrs([]slog.Attr{slog.String("source", "a")}), slog.LevelError, "failed", []slog.Attr{slog.String("error", "idle")}, ""},
		{"in a group", 59 * time.Second, h.WithGroup("g"), slog.LevelError, "failed", []slog.Attr{slog.String("error", "idle")}, "g.error=idle"},
		{"to be tried again", 59 * time.Second, h, slog.LevelWarn, "waits", []slog.Attr{slog.Duration("again_in", time.Second), slog.Time("from", begin)}, "waits"},
		{"at another time", 59 * time.Second, h, slog.LevelWarn, "waits", []slog.Attr{slog.Duration("again_in", time.Minute), slog.Time("from", begin.Add(1))}, ""},
		{"after a minute", time.Minute, h, slog.LevelError, "failed", []slog.Attr{slog.Any("error", errors.New("busy\n"))}, "left_out=2"},
		{"after two", 2 * time.Minute, h, slog.LevelError, "failed", []slog.Attr{slog.Any("error", errors.New("busy\n"))}, `error="busy\n"` + "\n"},
		{"before that", time.Second, h, slog.LevelError, "failed", []slog.Attr{slog.Any("error", errors.New("busy\n"))}, "busy"},
		{"what is no problem", 0, h, slog.LevelInfo, "considered", nil, "considered"},
		{"nor the second time", 0, h, slog.LevelInfo, "considered", nil, "considered"},
	} {
		out.Reset()
		r := slog.NewRecord(begin.Add(tc.after), tc.level, tc.text, 0)
		r.AddAttrs(tc.attrs...)
		if err := tc.h.Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); !strings.Contains(got, tc.want) || (got == "") != (tc.want == "") {
			t.Errorf("%s: got %q, want %q", tc.what, got, tc.want)
		}
	}
	s := h.(sparing).said
	for i := range 10_000 {
		r := slog.NewRecord(begin.Add(time.Duration(i)*time.Second), slog.LevelError, fmt.Sprint(i), 0)
		if err := h.Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.all); n > 7200 {
		t.Errorf("%d are remembered, want those of the last two hours", n)
	}
}

// TestF106_HostileBody lets everything that tipline asks answer with bodies that would be many lines, turn a terminal over or fill a disk: every line that is logged or printed is one
// that can be shown, quotes no more than 512 bytes of a body, and there are few.
func TestF106_HostileBody(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("\x1b[31mred\u202e\nlevel=INFO msg=forged\r\n", 4000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	folder, _, box := stageProgram(t)
	file := filepath.Join(folder, "tipline.yml")
	text := strings.ReplaceAll(readFile(t, file), box.URL, server.URL)
	_, rest, _ := strings.Cut(text, "options:")
	writeFile(t, file, fmt.Sprintf("sources:\n  - {name: gateway, prometheus: {url: %q}, pack: litellm, group_by: [team_alias], hosting: api, backfill: 14d}\noptions:%s", server.URL, rest))
	for _, args := range [][]string{{"run", "--once"}, {"notify", "test"}} {
		var out bytes.Buffer
		args := append(args, "--config="+file, "--log.level=debug")
		run(t.Context(), args, func(string) string { return "" }, &out, &out)
		if !strings.Contains(out.String(), "forged") {
			t.Errorf("%s: does not say what it was answered:\n%s", args[0], out.String())
		}
		n := 0
		for line := range strings.Lines(out.String()) {
			n++
			line = strings.TrimSuffix(line, "\n")
			if model.Printable(line) != line || strings.HasPrefix(line, "level=INFO msg=forged") || strings.Count(line, "forged")*len("\x1b[31mred\u202e\nlevel=INFO msg=forged\r\n") > 512 {
				t.Errorf("%s: got the line %.700q", args[0], line)
			}
		}
		if n > 40 {
			t.Errorf("%s: says it in %d lines", args[0], n)
		}
	}
}
