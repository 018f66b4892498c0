package collector

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tipline/model"
)

// A Kept is one hour of one workload as the history keeps it.
type Kept struct {
	Workload string            // the name of the usage; Restore goes by the labels alone
	Labels   map[string]string // the group_by labels and values that make the workload; a label without a name is the sum of the names that are too many
	Start    time.Time         // of the hour, in UTC
	Hour     model.Hour        // without coverage it has no tokens
	Serving  model.Serving     // how the engines did
	Doubts   []string          // codes of warnings about the hour, such as REQUESTS_UNKNOWN, in their order
}

// Kept returns every hour that the history of the source has at now, workload by workload in the order of their labels, each in the order of
// time. It does not ask the server. Days that are damaged are logged and left out; an error is the last.
func (c *Collector) Kept(now time.Time) (iter.Seq2[Kept, error], error) {
	if err := c.load(now); err != nil {
		return nil, err
	}
	c.loadWarnings()
	c.mu.Lock()
	defer c.mu.Unlock()
	all := maps.Clone(c.archive.series)
	oldest, _ := dateOf(now.Add(-KeepFor))
	return func(yield func(Kept, error) bool) {
		taken := map[string]bool{}
		keys := slices.Sorted(maps.Keys(all))
		if i := slices.Index(keys, othersKey); i >= 0 { // its name is one that no workload has
			keys = append(slices.Delete(keys, i, i+1), othersKey)
		}
		for _, key := range keys {
			s := all[key]
			name := othersName
			if key != othersKey {
				name = workloadName(s.labels, c.settings.GroupBy)
			}
			name = unique(name, key, taken)
			r := c.read(s, func() (from, to time.Time) { return oldest.start(), later(c.complete(now), s.last.Add(time.Hour)) })
			if r.err != nil {
				yield(Kept{}, r.err)
				return
			}
			for i, h := range r.hours {
				k := Kept{Workload: name, Labels: s.labels, Start: r.start.Add(time.Duration(i) * time.Hour), Hour: h, Doubts: r.notes[i].codes()}
				if r.serving != nil {
					k.Serving = r.serving[i]
				}
				if (hour{h, r.notes[i]}.seen() || k.Serving != model.Serving{}) && !yield(k, nil) {
					return
				}
			}
		}
	}, nil
}

// Restore takes k over into the history, where the next Save writes it, and reports whether it did. An hour that the history has stays as it is
// when it saw at least as much as k, unless replace is set. The error says what of k cannot be.
func (c *Collector) Restore(k Kept, now time.Time, replace bool) (bool, error) {
	notes, err := c.checkKept(k, now)
	if err != nil {
		return false, err
	}
	if err := c.load(now); err != nil {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := canonical(k.Labels)
	s := c.archive.series[key]
	switch {
	case key == othersKey:
		s = c.archive.sumOf()
	case s == nil:
		s = c.archive.workload(key, maps.Clone(k.Labels))
	}
	if s == nil {
		return false, fmt.Errorf("labels: got workload number %d of the source, want %d at most", c.archive.roll.most+1, c.archive.roll.most)
	}
	d, i := dateOf(k.Start)
	o := c.archive.day(s, d)
	h, old := hour{k.Hour, notes}, o.hours[i]
	taken := h.seen() && (replace || !old.seen() || h.Coverage > old.Coverage)
	if taken {
		c.archive.set(s, o, d, i, h)
	}
	if (taken || c.archive.serving(s, d).hours[i] == model.Serving{}) {
		c.archive.putServing(s, k.Start, k.Serving)
	}
	return taken, nil
}

// Save writes what Restore took over, all of it or, with an error, nothing.
func (c *Collector) Save() error { return c.save() }

// checkKept returns the notes of k, and an error when the server cannot have said what k says.
func (c *Collector) checkKept(k Kept, now time.Time) (note, error) {
	if got, want := slices.Sorted(maps.Keys(k.Labels)), slices.Sorted(slices.Values(c.settings.GroupBy)); !slices.Equal(got, want) && !maps.Equal(k.Labels, othersLabels) {
		return 0, fmt.Errorf("labels: got %q, want %q, the group_by of source %s", got, want, c.settings.Name)
	}
	for name, value := range k.Labels {
		if !utf8.ValidString(value) {
			return 0, fmt.Errorf("labels: got %s=%q, want UTF-8", name, value)
		}
	}
	if !k.Start.Equal(k.Start.Truncate(time.Hour)) || k.Start.Add(time.Hour).After(now) {
		return 0, fmt.Errorf("timestamp: got %s, want the start of an hour that is over", k.Start.Format(time.RFC3339))
	}
	for _, v := range []struct {
		name        string
		value, most float64
	}{
		{"coverage", float64(k.Hour.Coverage), 1},
		{"requests", k.Hour.Requests, maxRequestsPerHour},
		{"ttft_p95", k.Serving.TTFTP95.Seconds(), time.Hour.Seconds()},
		{"replicas", k.Serving.Replicas, 1e6},
		{"gpus", k.Serving.GPUs, 1e6},
		{"waiting", k.Serving.Waiting, maxRequestsPerHour},
	} {
		if !(v.value >= 0 && v.value <= v.most) {
			return 0, fmt.Errorf("%s: got %v, want 0 to %v", v.name, v.value, v.most)
		}
	}
	for _, class := range model.Classes {
		if n := float64(k.Hour.Tokens[class]); !(n >= 0 && n <= maxTokensPerHour) {
			return 0, fmt.Errorf("%s: got %v tokens, want 0 to %v", class, n, float64(maxTokensPerHour))
		}
	}
	notes, err := notesOf(k.Doubts)
	switch {
	case err != nil:
		return 0, err
	case k.Hour.Coverage == 0 && (k.Hour.Tokens.Total() > 0 || k.Hour.Requests > 0):
		return 0, errors.New("coverage: got 0 with tokens or requests, which nobody saw then")
	case k.Hour.Coverage > 0 && notes&noteRefused != 0:
		return 0, fmt.Errorf("doubts: got %s with coverage %v, want 0, since nothing of such an hour is used", strings.Join((notes&noteRefused).codes(), " "), k.Hour.Coverage)
	case k.Hour.Requests > 0 && notes&noteRequests != 0:
		return 0, fmt.Errorf("doubts: got %s with %v requests", RequestsUnknown, k.Hour.Requests)
	}
	return notes, nil
}

// codes returns the codes of n in the order of the bits.
func (n note) codes() []string {
	var codes []string
	for bit, t := range noteTexts {
		if n&(1<<bit) != 0 {
			codes = append(codes, t.code)
		}
	}
	return codes
}

// notesOf returns the notes with these codes.
func notesOf(codes []string) (note, error) {
	var notes note
	for _, code := range codes {
		bit := slices.IndexFunc(noteTexts[:], func(t noteText) bool { return t.code == code })
		if bit < 0 {
			return 0, fmt.Errorf("doubts: got %q, want one of %s", code, strings.Join(noteAll.codes(), ", "))
		}
		notes |= 1 << bit
	}
	return notes, nil
}
