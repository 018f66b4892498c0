package collector

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
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

	// maxWorkloads bounds the memory that label values of a source can take. Those that the history has stay; of new ones see before.
	maxWorkloads = 10_000

	dateForm = "2006-01-02"
)

// rowsAtOnce is how many rows are written in one transaction, which holds them and the pages of the file that they change in memory.
const rowsAtOnce = 4096

// An archive is the part of a History that belongs to one source as it is configured. It has in memory what there is, and those days alone that are
// being changed; the others are read when somebody asks. Its keys:
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
	atOnce int // rows in a transaction

	loaded  bool
	record  record
	changed bool               // the record is not saved
	series  map[string]*series // by canonical labels
	unsaved map[string][]byte  // other rows than days and the record; nil deletes
	roll    *roll              // the same, without the sum of the names that are too many
	corrupt []string           // what could not be read since that was last said
	lost    bool               // the record claims less than the saved one, see save
	failed  error              // why the store could not be read since load
}

// record is what an archive knows about its source.
type record struct {
	Version int       `json:"version"`
	Settled spans     `json:"settled"`         // hours that need not be asked for again
	Served  spans     `json:"served"`          // those of them whose engines need not be asked for again
	Asks    string    `json:"asks,omitempty"`  // hash of what is asked of engines
	Floor   time.Time `json:"floor,omitzero"`  // the server has nothing before; zero when that is not known
	Looked  time.Time `json:"looked,omitzero"` // when it was last asked whether it has

	Versions time.Time `json:"versions,omitzero"` // when it was last asked which versions of the program there are
	Changes  []Change  `json:"changes,omitempty"` // that their change brings, of the last weeks before that

	Hourly string    `json:"hourly,omitempty"` // hash of what is asked of hours
	Since  time.Time `json:"since,omitzero"`   // days before it may have been asked for otherwise; zero when none was

	Found    map[string]time.Time `json:"found,omitempty"`     // when something was last found of what is wanted, by its key
	Stores   map[string]time.Time `json:"stores,omitempty"`    // when each of those of a Thanos was last reached, see storeKey
	StoresOf string               `json:"stores_of,omitempty"` // its address

	Others   int                   `json:"others,omitempty"`  // how many names were too many, when there were last any
	Reviewed time.Time             `json:"reviewed,omitzero"` // the day at which closed days were last asked for again
	Revised  map[string][]Revision `json:"revised,omitempty"` // what that found, by the id of the series
}

// seriesRecord names a workload.
type seriesRecord struct {
	Version int               `json:"version"`
	Labels  map[string]string `json:"labels"`
}

const recordVersion = 1

// series is what is known of the history of one workload.
type series struct {
	id          string // hash of the labels
	labels      map[string]string
	first, last time.Time // starts of the first and the last hour that the server said anything about; zero when there is none
	generates   bool      // it has had output: from then on an output that is absent beside an input is not known, and no zero

	days    map[date]*opened[day]
	engines map[date]*opened[servingDay] // hours that are empty are not known
}

// An opened day is in memory until the next save.
type opened[T any] struct {
	hours   T
	changed bool
}

// A date is a day in UTC, counted from 1970.
type date int64

// dateOf returns the day of t and which hour of it t is in.
func dateOf(t time.Time) (d date, hour int) {
	hours := t.Unix() / 3600
	return date(hours / 24), int(hours % 24)
}

// start returns the midnight that d begins with.
func (d date) start() time.Time { return time.Unix(int64(d)*24*3600, 0).UTC() }

func (d date) String() string { return d.start().Format(dateForm) }

func parseDate(text string) (date, error) {
	midnight, err := time.Parse(dateForm, text)
	d, _ := dateOf(midnight)
	return d, err
}

// newArchive returns the archive of a source in store. It reads nothing yet.
func newArchive(store History, source string, scope any, groupBy []string) (*archive, error) {
	text, err := json.Marshal(scope) // maps are written sorted
	if err != nil {
		return nil, err
	}
	return &archive{store: store, atOnce: rowsAtOnce, roll: newRoll(groupBy), prefix: url.PathEscape(source) + "/" + shortHash(string(text))[:16] + "/"}, nil
}

// shortHash returns 128 bits of the SHA-256 of text in hexadecimal.
func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// Kinds of rows: what comes after the prefix in their keys.
const (
	dayRow     = "d/"
	servingRow = "e/"
	recordRow  = "r"
	seriesRow  = "s/"
)

// load goes through the archive the first time it is called, and again when the store could not be read since. Rows that cannot be read are noted, dropped
// and, if they are days, asked for again.
func (a *archive) load(now time.Time) error {
	if a.loaded && a.failed == nil {
		return nil
	}
	a.series, a.unsaved, a.record, a.corrupt = map[string]*series{}, map[string][]byte{}, record{Version: recordVersion}, nil
	if a.failed != nil {
		a.corrupt = []string{a.failed.Error()}
	}
	a.loaded, a.changed, a.lost, a.failed = false, false, false, nil
	a.roll.forget()
	byID := map[string]*series{}
	var lost, unserved []date // days that could not be read, and days of engines
	oldest, _ := dateOf(now.Add(-KeepFor))
	var hours day // of the row at hand
	err := a.store.Scan(bucket, a.prefix, func(key string, value []byte) error {
		rest := strings.TrimPrefix(key, a.prefix)
		var err error
		switch kind := rest[:min(2, len(rest))]; kind {
		case recordRow:
			err = a.readRecord(value)
		case seriesRow:
			id := rest[len(seriesRow):]
			var r seriesRecord
			if r, err = readSeries(id, value); err == nil && byID[id] != nil {
				byID[id].labels = r.Labels
			} else if err == nil { // all of its days were too old
				a.unsaved[key] = nil
			}
		case dayRow, servingRow:
			id, text, _ := strings.Cut(rest[len(dayRow):], "/")
			var d date
			if d, err = parseDate(text); err != nil {
				break
			}
			if d < oldest {
				a.unsaved[key] = nil
				return nil
			}
			if kind == servingRow {
				if err = decodeServing(value, new(servingDay)); err != nil {
					unserved = append(unserved, d)
				}
				break
			}
			if err = decodeDay(value, &hours); err != nil {
				lost = append(lost, d)
				break
			}
			if byID[id] == nil {
				byID[id] = &series{id: id}
			}
			byID[id].note(d, &hours)
		default:
			err = errors.New("unknown kind of row")
		}
		if err != nil {
			a.drop(key, err)
		}
		return nil
	})
	if err != nil {
		a.failed = fmt.Errorf("history of %s: %w", a.prefix, err)
		return a.failed
	}
	for id, s := range byID {
		if s.labels != nil {
			key := canonical(s.labels)
			a.series[key] = s
			if key != othersKey {
				a.roll.enter(member{key, s.labels})
			}
			continue
		}
		// Whose days these are is not known any more.
		prefix := a.prefix + dayRow + id + "/"
		err := a.store.Scan(bucket, prefix, func(key string, _ []byte) error {
			if d, err := parseDate(key[len(prefix):]); err == nil {
				lost = append(lost, d)
			}
			return nil
		})
		if err != nil {
			a.failed = fmt.Errorf("history of %s: %w", a.prefix, err)
			return a.failed
		}
	}
	for _, d := range lost {
		a.askAgain(d, true)
	}
	for _, d := range unserved {
		a.askAgain(d, false)
	}
	a.loaded = true
	return nil
}

// drop notes that the row of key could not be read, and deletes it with the next save.
func (a *archive) drop(key string, err error) {
	a.corrupt = append(a.corrupt, fmt.Sprintf("%s: %v", oneLine(key), err))
	a.unsaved[key] = nil
}

// askAgain makes the hours of d, or how the engines did in them only, be asked for again.
func (a *archive) askAgain(d date, hours bool) {
	gone := span{d.start(), (d + 1).start()}
	a.lost = true
	a.setRecord(func(r *record) {
		r.Served = r.Served.without(gone)
		if hours {
			r.Settled = r.Settled.without(gone)
		}
	})
}

// note takes over what is known of s by hours, those of d as the store has them.
func (s *series) note(d date, hours *day) {
	for i, h := range hours {
		if h.seen() {
			s.saw(d.start().Add(time.Duration(i)*time.Hour), h)
		}
	}
}

// saw takes over what is known of s by h, which begins at t and of which the server said something.
func (s *series) saw(t time.Time, h hour) {
	if s.first.IsZero() || t.Before(s.first) {
		s.first = t
	}
	s.last = later(s.last, t)
	s.generates = s.generates || h.Tokens[model.Output] > 0
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

func readSeries(id string, value []byte) (seriesRecord, error) {
	var r seriesRecord
	if err := json.Unmarshal(value, &r); err != nil {
		return r, err
	}
	if r.Version != recordVersion || shortHash(canonical(r.Labels)) != id {
		return r, fmt.Errorf("version %d, want %d with the labels of that name", r.Version, recordVersion)
	}
	return r, nil
}

// setRecord changes the record and remembers to save it.
func (a *archive) setRecord(change func(*record)) {
	change(&a.record)
	a.changed = true
}

// add takes over what an answer says.
func (a *archive) add(ans answer, r rules) {
	a.each(ans, func(s *series, g *group) { a.addGroup(s, g, ans.span, r) })
}

// each calls take with every series that an answer says something about and with what it says: those that are kept, new ones as long as there is room, and the sum of the others.
func (a *archive) each(ans answer, take func(*series, *group)) {
	one := func(key string, g *group) {
		if !g.counted() {
			return
		}
		if s := a.workload(key, g.labels); s != nil {
			take(s, g)
		} else {
			ans.others.sumUp(g, 1, ans.span)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(ans.groups)) {
		one(key, ans.groups[key])
	}
	for _, name := range ans.others.inOrder() {
		g := ans.others.newcomers[name]
		one(canonical(g.labels), g)
	}
	if sum := ans.others.sum; sum != nil && sum.counted() {
		s := a.sumOf()
		if n := ans.others.names; ans.span.To.After(s.last) && n != a.record.Others {
			a.setRecord(func(r *record) { r.Others = n })
		}
		take(s, sum)
	}
}

// counted reports whether g has tokens: with other labels than those of their counters it is nobody's.
func (g *group) counted() bool { return g.column(input).cells != nil || g.column(output).cells != nil }

// addGroup takes over what an answer about span says of s.
func (a *archive) addGroup(s *series, g *group, of span, r rules) {
	generates, cells := s.generates || g.counts(output), r.cells(g)
	for i, n := 0, of.hours(); i < n; {
		d, at := dateOf(of.From.Add(time.Duration(i) * time.Hour))
		for o := a.day(s, d); at < len(o.hours) && i < n; i, at = i+1, at+1 {
			a.put(s, o, d, at, r.hour(cells, i, generates))
		}
	}
}

// workload returns the series of a workload, a new one when it was not known; nil when there are too many.
func (a *archive) workload(key string, labels map[string]string) *series {
	s := a.series[key]
	if s == nil && a.roll.enter(member{key, labels}) {
		s = a.newSeries(key, labels)
	}
	return s
}

// newSeries returns a series with these labels that nothing is known of yet.
func (a *archive) newSeries(key string, labels map[string]string) *series {
	s := &series{id: shortHash(key), labels: labels}
	a.series[key] = s
	a.unsaved[a.prefix+seriesRow+s.id] = mustJSON(seriesRecord{recordVersion, s.labels})
	return s
}

// key returns the key of the row with a day of s.
func (a *archive) key(kind string, s *series, d date) string {
	return a.prefix + kind + s.id + "/" + d.String()
}

// day returns the hours of d of s, which stay in memory until the next save.
func (a *archive) day(s *series, d date) *opened[day] {
	o := s.days[d]
	if o == nil {
		o = &opened[day]{hours: a.hours(s, d)}
		if s.days == nil {
			s.days = map[date]*opened[day]{}
		}
		s.days[d] = o
	}
	return o
}

// hours returns the hours of d of s.
func (a *archive) hours(s *series, d date) (hours day) {
	if o := s.days[d]; o != nil {
		return o.hours
	}
	if first, _ := dateOf(s.first); !s.first.IsZero() && d >= first && !s.last.Before(d.start()) {
		a.read(s, dayRow, d, func(row []byte) error { return decodeDay(row, &hours) })
	}
	return hours
}

// serving returns how the engines of s did on d, which stays in memory until the next save.
func (a *archive) serving(s *series, d date) *opened[servingDay] {
	o := s.engines[d]
	if o == nil {
		o = new(opened[servingDay])
		a.read(s, servingRow, d, func(row []byte) error { return decodeServing(row, &o.hours) })
		if s.engines == nil {
			s.engines = map[date]*opened[servingDay]{}
		}
		s.engines[d] = o
	}
	return o
}

// read decodes the row with a day of s, if there is one.
func (a *archive) read(s *series, kind string, d date, decode func(row []byte) error) {
	key := a.key(kind, s, d)
	if _, dropped := a.unsaved[key]; dropped {
		return
	}
	row, err := a.store.Get(bucket, key)
	if err != nil {
		a.failed = fmt.Errorf("history of %s: %w", a.prefix, err)
		return
	}
	if row == nil {
		return
	}
	if err := decode(row); err != nil {
		a.drop(key, err)
		a.askAgain(d, kind == dayRow)
	}
}

// settle remembers which hours of an answered span need not be asked for again: those in which every workload that is
// alive was seen all the time, and those that ended long before end.
func (a *archive) settle(s span, end time.Time) {
	var alive []*series
	for _, known := range a.series {
		if a.lately(known, end, settleAfter) {
			alive = append(alive, known)
		}
	}
	complete := make([]bool, s.hours())
	for i := range complete {
		at := s.From.Add(time.Duration(i) * time.Hour)
		complete[i] = end.Sub(at) > settleAfter || len(alive) > 0 && !slices.ContainsFunc(alive, func(known *series) bool { return a.at(known, at).Coverage < 1 })
	}
	settled := a.record.Settled
	for i, whole := range complete {
		if at := s.From.Add(time.Duration(i) * time.Hour); whole {
			settled = settled.with(span{at, at.Add(time.Hour)})
		}
	}
	if !slices.Equal(settled, a.record.Settled) {
		a.setRecord(func(r *record) { r.Settled = settled })
	}
}

// save writes what has changed, and lets go of the days in memory. The record is in the last of the transactions, so that it claims nothing that is not
// there; when days were lost there is one transaction alone, because the saved record still claims them. When one of them fails all stays and is tried
// again next time. When the store could not be read nothing is written: what is in memory may lack what is in the store, and is read anew.
func (a *archive) save() error {
	if a.failed != nil {
		a.close()
		return a.failed
	}
	rows := map[string][]byte{}
	var days []byte // those of rows, one after the other
	flush := func() error {
		err := a.store.Apply(map[string]map[string][]byte{bucket: rows})
		if err != nil {
			return fmt.Errorf("history of %s: %w", a.prefix, err)
		}
		clear(rows)
		days = days[:0]
		return nil
	}
	put := func(key string, row []byte) error {
		if rows[key] = row; len(rows) < a.atOnce || a.lost {
			return nil
		}
		return flush()
	}
	for key, row := range a.unsaved {
		if err := put(key, row); err != nil {
			return err
		}
	}
	for s := range a.open() {
		for d, o := range s.days {
			if !o.changed {
				continue
			}
			begin := len(days)
			days = encodeDay(days, &o.hours)
			if err := put(a.key(dayRow, s, d), days[begin:len(days):len(days)]); err != nil {
				return err
			}
		}
		for d, o := range s.engines {
			if !o.changed {
				continue
			}
			begin := len(days)
			days = encodeServing(days, &o.hours)
			if err := put(a.key(servingRow, s, d), days[begin:len(days):len(days)]); err != nil {
				return err
			}
		}
	}
	if a.changed {
		rows[a.prefix+recordRow] = mustJSON(a.record)
	}
	if len(rows) > 0 {
		if err := flush(); err != nil {
			return err
		}
	}
	a.changed, a.lost = false, false
	clear(a.unsaved)
	a.close()
	return nil
}

// close lets go of the days in memory.
func (a *archive) close() {
	for _, s := range a.series {
		s.days, s.engines = nil, nil
	}
}

// open returns the series that have days in memory, in the order of their rows.
func (a *archive) open() iter.Seq[*series] {
	var all []*series
	for _, s := range a.series {
		if len(s.days)+len(s.engines) > 0 {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(x, y *series) int { return strings.Compare(x.id, y.id) })
	return slices.Values(all)
}

// mustJSON returns the JSON form of one of our own records, which always has one.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("collector: " + err.Error())
	}
	return b
}

// at returns the hour of s that begins at t.
func (a *archive) at(s *series, t time.Time) hour {
	d, i := dateOf(t)
	return a.day(s, d).hours[i]
}

// put takes over a new answer about the i-th hour of d, which is o, of s. An answer that saw
// less than the one before it is not better and is left, unless it says what is wrong with the hour.
func (a *archive) put(s *series, o *opened[day], d date, i int, h hour) {
	if old := o.hours[i]; h == old || h.Coverage < old.Coverage && h.notes&noteRefused == 0 {
		return
	}
	a.set(s, o, d, i, h)
}

// set makes h the i-th hour of d, which is o, of s.
func (a *archive) set(s *series, o *opened[day], d date, i int, h hour) {
	o.hours[i], o.changed = h, true
	switch t := d.start().Add(time.Duration(i) * time.Hour); {
	case h.seen():
		s.saw(t, h)
	case t.Equal(s.first) || t.Equal(s.last): // nothing is said of it any more
		s.first, s.last = time.Time{}, time.Time{}
		a.eachDay(s, s.note)
	}
}

// lastSeen returns the start of the last hour of s before end that the server said anything about, and false if there is none.
func (a *archive) lastSeen(s *series, end time.Time) (last time.Time, ok bool) {
	if s.last.Before(end) {
		return s.last, !s.last.IsZero()
	}
	first, _ := dateOf(s.first)
	for d, _ := dateOf(end); d >= first; d-- {
		hours := a.hours(s, d)
		for i, h := range slices.Backward(hours[:]) {
			if at := d.start().Add(time.Duration(i) * time.Hour); h.seen() && at.Before(end) {
				return at, true
			}
		}
	}
	return time.Time{}, false
}

// lately reports whether the server said anything about an hour of s that is at most within before end.
func (a *archive) lately(s *series, end time.Time, within time.Duration) bool {
	last, ok := a.lastSeen(s, end)
	return ok && end.Sub(last) <= within
}

// eachDay calls fn with every day of s.
func (a *archive) eachDay(s *series, fn func(date, *day)) {
	a.blame(eachRow(a.store, a.prefix+dayRow+s.id+"/", []string{""}, copies(s.days), decodeDay, fn))
}

// blame notes what eachRow could not read.
func (a *archive) blame(bad map[string]error, err error) {
	if err != nil {
		a.failed = fmt.Errorf("history of %s: %w", a.prefix, err)
	}
	for _, key := range slices.Sorted(maps.Keys(bad)) {
		if _, dropped := a.unsaved[key]; dropped {
			continue
		}
		a.drop(key, bad[key])
		if d, err := parseDate(key[len(key)-len(dateForm):]); err == nil {
			a.askAgain(d, strings.HasPrefix(key, a.prefix+dayRow))
		}
	}
}

// copies returns the hours of days in memory.
func copies[T any](open map[date]*opened[T]) map[date]T {
	all := make(map[date]T, len(open))
	for d, o := range open {
		all[d] = o.hours
	}
	return all
}

// monthsOf returns how the dates of the months begin that the hours from from up to to are in.
func monthsOf(from, to time.Time) (months []string) {
	for t := time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, time.UTC); t.Before(to); t = t.AddDate(0, 1, 0) {
		months = append(months, t.Format(dateForm[:len("2006-01")]))
	}
	return months
}

// eachRow calls fn with the days whose keys are prefix and a date that begins with one of months, which may be kept no longer than that, and with those
// of open in place of their rows. It returns what is wrong with rows that cannot be read, by key.
func eachRow[T any](h History, prefix string, months []string, open map[date]T, decode func([]byte, *T) error, fn func(date, *T)) (bad map[string]error, err error) {
	for d, hours := range open {
		fn(d, &hours)
	}
	var hours T
	for _, month := range months {
		err = h.Scan(bucket, prefix+month, func(key string, row []byte) error {
			d, err := parseDate(key[len(prefix):])
			if _, in := open[d]; in && err == nil {
				return nil
			}
			if err == nil {
				err = decode(row, &hours)
			}
			if err == nil {
				fn(d, &hours)
				return nil
			}
			if bad == nil {
				bad = map[string]error{}
			}
			bad[key] = err
			return nil
		})
		if err != nil {
			return bad, err
		}
	}
	return bad, nil
}

// seen reports whether the server said anything about the hour.
func (h hour) seen() bool { return h.Coverage > 0 || h.notes != 0 }
