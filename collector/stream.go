package collector

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"unicode/utf8"
)

// A label is the name and the value of a label of a series. The bytes are overwritten when the next series is read.
type label struct{ name, value []byte }

// A point is a value at an instant, in milliseconds since 1970.
type point struct {
	at    int64
	value float64
}

// A taker is given the series of an answer one by one. What it is given is its own only until it returns.
type taker func(labels []label, points []point) error

// A splitter reads the answer to a range query and separates the series, which it gives away as they come, from the envelope around them. The
// answer of a large source has millions of points; none is kept longer than it takes to give it away.
type splitter struct {
	from     io.Reader
	space    []byte // what buf is part of
	buf      []byte // read and not yet used
	done     bool   // from has nothing more
	envelope []byte // the answer without its series
	take     taker

	labels []label
	points []point
}

// errCut says that an answer ends where it should not. What has been given away of it must not be used.
var errCut = &Error{Reason: BadAnswer, Text: "the answer ends within a series"}

// split reads all of an answer, and returns the part that is no series: the envelope, with those elements of the result that are not series of
// numbers left in it for the client library to judge. The answer must begin with a brace.
func split(from io.Reader, take taker) (envelope []byte, err error) {
	s := &splitter{from: from, space: make([]byte, 64<<10), take: take}
	s.buf = s.space[:0]
	depth, key := 0, []byte(nil)
	for {
		c, err := s.next()
		switch {
		case errors.Is(err, io.EOF):
			return s.envelope, nil // whether it is whole JSON is for the client library to say
		case err != nil:
			return nil, err
		}
		s.envelope = append(s.envelope, c)
		switch c {
		case '"':
			if key, err = s.text(); err != nil {
				return nil, err
			}
		case '{', '[':
			if depth++; c == '[' && depth == 3 && string(key) == "result" { // of data of the answer
				if err := s.result(); err != nil {
					return nil, err
				}
			}
		case '}', ']':
			depth--
		case ',':
			key = nil
		}
	}
}

// fill reads on. Its error is io.EOF when there is nothing more.
func (s *splitter) fill() error {
	if s.done {
		return io.EOF
	}
	if len(s.buf) == cap(s.buf) { // the end of the space is reached: move what is left to its beginning
		if 2*len(s.buf) > len(s.space) {
			s.space = make([]byte, 2*len(s.space))
		}
		s.buf = s.space[:copy(s.space, s.buf)]
	}
	n, err := s.from.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+n]
	if errors.Is(err, io.EOF) {
		s.done = true
		err = nil
	}
	return err
}

// next returns the next byte.
func (s *splitter) next() (byte, error) {
	for len(s.buf) == 0 {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	c := s.buf[0]
	s.buf = s.buf[1:]
	return c, nil
}

// text adds the rest of a string to the envelope and returns what is between its quotes.
func (s *splitter) text() ([]byte, error) {
	begin := len(s.envelope)
	for escaped := false; ; {
		c, err := s.next()
		if err != nil {
			return nil, err
		}
		s.envelope = append(s.envelope, c)
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			return s.envelope[begin : len(s.envelope)-1], nil
		}
	}
}

// result gives away the elements of a result. It ends before the bracket that closes it, or before what no series begins with.
func (s *splitter) result() error {
	left := false // the envelope has an element of the result
	for {
		for len(s.buf) == 0 {
			if err := s.fill(); err != nil {
				return err
			}
		}
		switch s.buf[0] {
		case ' ', '\n', '\r', '\t', ',':
			s.buf = s.buf[1:]
			continue
		case '{':
		default:
			return nil
		}
		element, err := s.element()
		if err != nil {
			return err
		}
		if s.series(element) {
			if err := s.take(s.labels, s.points); err != nil {
				return err
			}
			continue
		}
		if left {
			s.envelope = append(s.envelope, ',')
		}
		s.envelope = append(s.envelope, element...)
		left = true
	}
}

// element returns the object that comes next, which stays as it is until more is read.
func (s *splitter) element() ([]byte, error) {
	depth, at, inText := 0, 0, false
	for {
		for at < len(s.buf) {
			if inText {
				n := bytes.IndexByte(s.buf[at:], '"')
				if n < 0 {
					at = len(s.buf)
					break
				}
				at += n + 1
				escapes := 0
				for s.buf[at-2-escapes] == '\\' { // an object begins with a brace, so this ends
					escapes++
				}
				inText = escapes%2 == 1
				continue
			}
			switch s.buf[at] {
			case '"':
				inText = true
			case '{':
				depth++
			case '}':
				if depth--; depth == 0 {
					element := s.buf[:at+1]
					s.buf = s.buf[at+1:]
					return element, nil
				}
			}
			at++
		}
		if err := s.fill(); errors.Is(err, io.EOF) {
			return nil, errCut
		} else if err != nil {
			return nil, err
		}
	}
}

// series reads an element of a result into labels and points, and reports whether it is nothing but a series of numbers.
func (s *splitter) series(element []byte) bool {
	s.labels, s.points = s.labels[:0], s.points[:0]
	rest, ok := bytes.CutPrefix(element, []byte(`{"metric":{`))
	if !ok {
		return s.unusual(element)
	}
	for first := true; ; first = false {
		if rest, ok = bytes.CutPrefix(rest, []byte(`},"values":[`)); ok {
			break
		}
		if !first {
			if rest, ok = bytes.CutPrefix(rest, []byte{','}); !ok {
				return s.unusual(element)
			}
		}
		var l label
		if l.name, rest, ok = plainText(rest); !ok {
			return s.unusual(element)
		}
		if rest, ok = bytes.CutPrefix(rest, []byte{':'}); !ok {
			return s.unusual(element)
		}
		if l.value, rest, ok = plainText(rest); !ok {
			return s.unusual(element)
		}
		s.labels = append(s.labels, l)
	}
	for len(rest) > 0 && rest[0] == '[' {
		comma := bytes.IndexByte(rest, ',')
		if comma < 0 {
			return s.unusual(element)
		}
		at, ok := instant(rest[1:comma])
		if !ok || comma+2 > len(rest) || rest[comma+1] != '"' {
			return s.unusual(element)
		}
		rest = rest[comma+2:]
		end := bytes.IndexByte(rest, '"')
		if end < 0 || end+2 > len(rest) || rest[end+1] != ']' {
			return s.unusual(element)
		}
		value, ok := number(rest[:end])
		if !ok {
			return s.unusual(element)
		}
		s.points = append(s.points, point{at, value})
		if rest = rest[end+2:]; len(rest) > 0 && rest[0] == ',' {
			rest = rest[1:]
		}
	}
	return string(rest) == "]}" || s.unusual(element)
}

// unusual reads an element that is not written as Prometheus writes it, with spaces, escapes or another order.
func (s *splitter) unusual(element []byte) bool {
	var read struct {
		Metric map[string]string    `json:"metric"`
		Values [][2]json.RawMessage `json:"values"`
	}
	decoder := json.NewDecoder(bytes.NewReader(element))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&read) != nil || read.Values == nil {
		return false
	}
	s.labels, s.points = s.labels[:0], s.points[:0]
	for name, value := range read.Metric {
		s.labels = append(s.labels, label{[]byte(name), []byte(value)})
	}
	for _, pair := range read.Values {
		var text string
		at, ok := instant(pair[0])
		if !ok || json.Unmarshal(pair[1], &text) != nil {
			return false
		}
		value, ok := number([]byte(text))
		if !ok {
			return false
		}
		s.points = append(s.points, point{at, value})
	}
	return true
}

// plainText returns the string that b begins with, and what comes after it. It is false when there is none, or when it has escapes or is not
// UTF-8, as which it could not be kept.
func plainText(b []byte) (text, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '"' {
		return nil, b, false
	}
	end := bytes.IndexByte(b[1:], '"')
	if end < 0 || bytes.IndexByte(b[1:1+end], '\\') >= 0 || !utf8.Valid(b[1:1+end]) {
		return nil, b, false
	}
	return b[1 : 1+end], b[end+2:], true
}

// instant reads seconds since 1970 as milliseconds.
func instant(b []byte) (ms int64, ok bool) {
	if len(b) == 0 || len(b) > 12 {
		return fraction(b)
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return fraction(b)
		}
		ms = 10*ms + int64(c-'0')
	}
	return 1000 * ms, true
}

func fraction(b []byte) (ms int64, ok bool) {
	seconds, err := strconv.ParseFloat(string(b), 64)
	if err != nil || !(math.Abs(seconds) < 1e12) {
		return 0, false
	}
	return int64(math.Round(seconds * 1000)), true
}

// number reads a value as Prometheus writes it, NaN and infinities included.
func number(b []byte) (float64, bool) {
	if len(b) == 1 && b[0] >= '0' && b[0] <= '9' {
		return float64(b[0] - '0'), true
	}
	v, err := strconv.ParseFloat(string(b), 64)
	return v, err == nil
}
