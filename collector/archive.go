package collector

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"tipline/model"
)

const (
	bucket = "history"

	// KeepFor is how long a day stays in the history: a year and a month, so that months can be compared.
	KeepFor = 400 * 24 * time.Hour

	// goneAfter is how long a workload without data is still returned.
	goneAfter = 90 * 24 * time.Hour

	// vanishedAfter is how long a workload may be silent before that is worth a warning.
	vanishedAfter = 3 * time.Hour

	// settleAfter is how long an hour that was not seen completely is asked for again: late samples, remote writes and
	// stores that were away arrive within it. The newest hours fit into one chunk.
	settleAfter = 24 * time.Hour

	// maxWorkloads bounds the memory that label values of a source can take.
	maxWorkloads = 10_000

	dateForm = "2006-01-02"
)

// An archive is the part of a History that belongs to one source as it is configured, with a copy in memory. Its keys:
//
//	<source>/<scope>/d/<workload>/2006-01-02   a day of a workload, see day
//	<source>/<scope>/e/<workload>/2006-01-02   a day of its engines, see servingDay
//	<source>/<scope>/r                         a record
//	<source>/<scope>/s/<workload>              a seriesRecord
//
// where <source> is the escaped name, <workload> a hash of the labels, and <scope> a hash of what is counted: when the
// grouping, the selection or the queries change, other hours are counted and an archive of their own begins.
type archive struct {
	store  History
	prefix string

	loaded  bool
	record  record
	series  map[string]*series // by canonical labels
	unsaved map[string]func() []byte
	corrupt []string // what could not be read at load
	refused int      // workloads beyond maxWorkloads
}

// record is what an archive knows about its source.
type record struct {
	Version int       `json:"version"`
	Settled spans     `json:"settled"`         // hours that need not be asked for again
	Served  spans     `json:"served"`          // those of them whose engines need not be asked for again
	Asks    string    `json:"asks,omitempty"`  // hash of what is asked of engines
	Floor   time.Time `json:"floor,omitzero"`  // the server has nothing before; zero when that is not known
	Looked  time.Time `json:"looked,omitzero"` // when it was last asked whether it has
}

// seriesRecord names a workload.
type seriesRecord struct {
	Version int               `json:"version"`
	Labels  map[string]string `json:"labels"`
}

const recordVersion = 1

// series is the history of one workload.
type series struct {
	id     string // hash of the labels
	labels map[string]string
	start  time.Time // of hours[0], a midnight in UTC; the first hours may be empty
	hours  []hour    // whole days

	serving map[time.Time]*servingDay // by midnight; what is not there is not known

	generates bool // it has had output: see generated
}

// generated reports whether s has ever had output. From then on an output that is absent beside an input is not known, and no zero.
func (s *series) generated() bool {
	s.generates = s.generates || slices.ContainsFunc(s.hours, func(h hour) bool { return h.Tokens[model.Output] > 0 })
	return s.generates
}

// newArchive returns the archive of a source in store. It reads nothing yet.
func newArchive(store History, source string, scope any) (*archive, error) {
	text, err := json.Marshal(scope) // maps are written sorted
	if err != nil {
		return nil, err
	}
	return &archive{store: store, prefix: url.PathEscape(source) + "/" + shortHash(string(text))[:16] + "/"}, nil
}

// shortHash returns 128 bits of the SHA-256 of text in hexadecimal.
func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// load reads the archive the first time it is called. Rows that cannot be read are noted, dropped and, if they are days,
// asked for again.
func (a *archive) load(now time.Time) error {
	if a.loaded {
		return nil
	}
	a.series, a.unsaved, a.record, a.corrupt = map[string]*series{}, map[string]func() []byte{}, record{Version: recordVersion}, nil
	byID := map[string]*series{}
	days := map[string]map[string]*day{} // by id and date
	serving := map[string]map[time.Time]*servingDay{}
	var lost []string     // dates of days that could not be read
	var unserved []string // the same of their engines
	err := a.store.Scan(bucket, a.prefix, func(key string, value []byte) error {
		kind, rest, _ := strings.Cut(strings.TrimPrefix(key, a.prefix), "/")
		var err error
		switch kind {
		case "r":
			err = a.readRecord(value)
		case "s":
			var s *series
			if s, err = readSeries(rest, value); err == nil {
				byID[rest] = s
			}
		case "d":
			id, date, _ := strings.Cut(rest, "/")
			if date < now.Add(-KeepFor).Format(dateForm) {
				a.unsaved[key] = nil
				return nil
			}
			var d *day
			if d, err = decodeDay(value); err != nil {
				lost = append(lost, date)
				break
			}
			if days[id] == nil {
				days[id] = map[string]*day{}
			}
			days[id][date] = d
		case "e":
			id, date, _ := strings.Cut(rest, "/")
			midnight, wrong := time.Parse(dateForm, date)
			if wrong == nil && now.Sub(midnight) > KeepFor {
				a.unsaved[key] = nil
				return nil
			}
			var d *servingDay
			if d, err = decodeServing(value); err != nil || wrong != nil {
				unserved = append(unserved, date)
				err = errors.Join(err, wrong)
				break
			}
			if serving[id] == nil {
				serving[id] = map[time.Time]*servingDay{}
			}
			serving[id][midnight] = d
		default:
			err = errors.New("unknown kind of row")
		}
		if err != nil {
			a.corrupt = append(a.corrupt, fmt.Sprintf("%s: %v", oneLine(key), err))
			a.unsaved[key] = nil
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("history of %s: %w", a.prefix, err)
	}
	for _, id := range slices.Sorted(maps.Keys(days)) {
		s := byID[id]
		if s == nil { // whose days these are is not known any more
			lost = append(lost, slices.Collect(maps.Keys(days[id]))...)
			continue
		}
		for _, date := range slices.Backward(slices.Sorted(maps.Keys(days[id]))) { // there is room before a day for a week, see from
			if midnight, err := time.Parse(dateForm, date); err == nil {
				copy(s.from(midnight), days[id][date][:])
			}
		}
		delete(days, id) // there are two copies of one workload only
	}
	for id, s := range byID {
		if len(s.hours) == 0 { // all of its days were too old
			a.unsaved[a.prefix+"s/"+id] = nil
			continue
		}
		s.serving = serving[id]
		a.series[canonical(s.labels)] = s
	}
	for _, date := range append(unserved, lost...) {
		midnight, err := time.Parse(dateForm, date)
		if err != nil {
			continue
		}
		gone := span{midnight, midnight.Add(24 * time.Hour)}
		a.setRecord(func(r *record) {
			r.Served = r.Served.without(gone)
			if slices.Contains(lost, date) {
				r.Settled = r.Settled.without(gone)
			}
		})
	}
	a.loaded = true
	return nil
}

func (a *archive) readRecord(value []byte) error {
	var r record
	if err := json.Unmarshal(value, &r); err != nil {
		return err
	}
	if r.Version != recordVersion {
		return fmt.Errorf("version %d, want %d", r.Version, recordVersion)
	}
	r.Settled, r.Served = r.Settled.wholeHours(), r.Served.wholeHours()
	a.record = r
	return nil
}

func readSeries(id string, value []byte) (*series, error) {
	var r seriesRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return nil, err
	}
	if r.Version != recordVersion || shortHash(canonical(r.Labels)) != id {
		return nil, fmt.Errorf("version %d, want %d with the labels of that name", r.Version, recordVersion)
	}
	return &series{id: id, labels: r.Labels}, nil
}

// setRecord changes the record and remembers to save it.
func (a *archive) setRecord(change func(*record)) {
	change(&a.record)
	a.unsaved[a.prefix+"r"] = func() []byte { return mustJSON(a.record) }
}

// add takes over what an answer says.
func (a *archive) add(ans answer, r rules) {
	for _, key := range slices.Sorted(maps.Keys(ans.groups)) {
		g := ans.groups[key]
		if g.cells[input] == nil && g.cells[output] == nil {
			continue // other labels than those of the token counters, so nobody's
		}
		s := a.workload(key, g.labels)
		if s == nil {
			a.refused++
			continue
		}
		generates := s.generated() || g.counts(output)
		var changed time.Time // the day that was remembered last
		for i := range ans.span.hours() {
			at := ans.span.From.Add(time.Duration(i) * time.Hour)
			if midnight := at.Truncate(24 * time.Hour); s.put(at, r.hour(g, i, generates)) && !midnight.Equal(changed) {
				changed = midnight
				a.changed(s, midnight)
			}
		}
	}
}

// workload returns the series of a workload, a new one when it was not known; nil when there are too many.
func (a *archive) workload(key string, labels map[string]string) *series {
	s := a.series[key]
	if s == nil && len(a.series) < maxWorkloads {
		s = &series{id: shortHash(key), labels: labels}
		a.series[key] = s
		a.unsaved[a.prefix+"s/"+s.id] = func() []byte { return mustJSON(seriesRecord{recordVersion, s.labels}) }
	}
	return s
}

// changed remembers to save the day of s that begins at midnight.
func (a *archive) changed(s *series, midnight time.Time) {
	a.unsaved[a.prefix+"d/"+s.id+"/"+midnight.Format(dateForm)] = func() []byte { return encodeDay((*day)(s.from(midnight))) }
}

// settle remembers which hours of an answered span need not be asked for again: those in which every workload that is
// alive was seen all the time, and those that ended long before end.
func (a *archive) settle(s span, end time.Time) {
	var alive []*series
	for _, known := range a.series {
		if last, ok := known.lastSeen(end); ok && end.Sub(last) <= settleAfter {
			alive = append(alive, known)
		}
	}
	settled := a.record.Settled
	for at := s.From; at.Before(s.To); at = at.Add(time.Hour) {
		complete := len(alive) > 0
		for _, known := range alive {
			complete = complete && known.at(at).Coverage >= 1
		}
		if complete || end.Sub(at) > settleAfter {
			settled = settled.with(span{at, at.Add(time.Hour)})
		}
	}
	if !slices.Equal(settled, a.record.Settled) {
		a.setRecord(func(r *record) { r.Settled = settled })
	}
}

// save writes what has changed in one transaction. What could not be written stays and is tried again next time.
func (a *archive) save() error {
	if len(a.unsaved) == 0 {
		return nil
	}
	rows := make(map[string][]byte, len(a.unsaved))
	for key, encode := range a.unsaved {
		rows[key] = nil
		if encode != nil {
			rows[key] = encode()
		}
	}
	if err := a.store.Apply(map[string]map[string][]byte{bucket: rows}); err != nil {
		return fmt.Errorf("history of %s: %w", a.prefix, err)
	}
	clear(a.unsaved)
	return nil
}

// mustJSON returns the JSON form of one of our own records, which always has one.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("collector: " + err.Error())
	}
	return b
}

const weekHours = 7 * 24

// first returns the start of the first hour that the server said anything about, and the zero time if there is none.
func (s *series) first() time.Time {
	if i := slices.IndexFunc(s.hours, hour.seen); i >= 0 {
		return s.start.Add(time.Duration(i) * time.Hour)
	}
	return time.Time{}
}

// from returns the 24 hours of the day that begins at midnight, making room for them.
func (s *series) from(midnight time.Time) []hour {
	if len(s.hours) == 0 {
		s.start = midnight
	}
	if early := int(s.start.Sub(midnight) / time.Hour); early > 0 {
		// History is filled from its end: with room for a week what is known is not moved for every day.
		early = (early + weekHours - 1) / weekHours * weekHours
		s.hours = append(make([]hour, early, early+len(s.hours)), s.hours...)
		s.start = s.start.Add(-time.Duration(early) * time.Hour)
	}
	i := int(midnight.Sub(s.start) / time.Hour)
	if short := i + 24 - len(s.hours); short > 0 {
		s.hours = append(s.hours, make([]hour, short)...)
	}
	return s.hours[i : i+24]
}

// at returns the hour that begins at t.
func (s *series) at(t time.Time) hour {
	if i := int(t.Sub(s.start) / time.Hour); i >= 0 && i < len(s.hours) && !t.Before(s.start) {
		return s.hours[i]
	}
	return hour{}
}

// put takes over a new answer about the hour that begins at t and reports whether anything changed. An answer that saw
// less than the one before it is not better and is left, unless it says what is wrong with the hour.
func (s *series) put(t time.Time, h hour) bool {
	old := s.at(t)
	if h == old || h.Coverage < old.Coverage && h.notes&noteRefused == 0 {
		return false
	}
	midnight := t.Truncate(24 * time.Hour)
	s.from(midnight)[t.Sub(midnight)/time.Hour] = h
	return true
}

// seen reports whether the server said anything about the hour.
func (h hour) seen() bool { return h.Coverage > 0 || h.notes != 0 }

// lastSeen returns the start of the last hour before end that the server said anything about, and false if there is none.
func (s *series) lastSeen(end time.Time) (time.Time, bool) {
	for i := min(len(s.hours), int(end.Sub(s.start)/time.Hour)) - 1; i >= 0; i-- {
		if s.hours[i].seen() {
			return s.start.Add(time.Duration(i) * time.Hour), true
		}
	}
	return time.Time{}, false
}

// usage returns the history of s up to end, without a name, and false when it was not seen before end, or too long ago.
func (s *series) usage(source string, end time.Time) (model.Usage, bool) {
	last, ok := s.lastSeen(end)
	if !ok || end.Sub(last) > goneAfter {
		return model.Usage{}, false
	}
	u := model.Usage{Source: source, Labels: maps.Clone(s.labels), Start: s.first()}
	first := int(u.Start.Sub(s.start) / time.Hour)
	u.Hours = make([]model.Hour, end.Sub(u.Start)/time.Hour)
	for i := range min(len(u.Hours), len(s.hours)-first) {
		u.Hours[i] = s.hours[first+i].Hour
	}
	u.Serving = s.served(u.Start, len(u.Hours))
	u.Warnings = noteWarnings(s, end)
	if silent := last.Add(time.Hour); end.Sub(silent) > vanishedAfter {
		u.Warnings = append(u.Warnings, model.Warning{
			Code: Vanished, Text: fmt.Sprintf("no samples since %s: not the same as no traffic", silent.Format("2006-01-02 15:04")),
		})
	}
	return u, true
}
