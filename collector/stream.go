package collector

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/bits"
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
	stamps []stamp // of the points of the series before, as many as began alike
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
		if rest, ok := s.series(s.buf); ok { // most are written as Prometheus does, and all there
			s.buf = rest
			if err := s.take(s.labels, s.points); err != nil {
				return err
			}
			continue
		}
		element, err := s.element()
		if err != nil {
			return err
		}
		if rest, ok := s.series(element); ok && len(rest) == 0 || s.unusual(element) {
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

// series reads the series that b begins with into labels and points, and returns what comes after it. It is false when b does not begin with a whole
// one in the form that Prometheus writes. One pass over the bytes: of the time that a large history takes, this is the largest part that is ours.
func (s *splitter) series(b []byte) (rest []byte, ok bool) {
	s.labels, s.points = s.labels[:0], s.points[:0]
	if b, ok = bytes.CutPrefix(b, []byte(`{"metric":{`)); !ok {
		return nil, false
	}
	for {
		if rest, ok = bytes.CutPrefix(b, []byte(`},"values":[`)); ok {
			break
		}
		if len(s.labels) > 0 {
			if b, ok = bytes.CutPrefix(b, []byte{','}); !ok {
				return nil, false
			}
		}
		var l label
		if l.name, b, ok = plainText(b); !ok {
			return nil, false
		}
		if b, ok = bytes.CutPrefix(b, []byte{':'}); !ok {
			return nil, false
		}
		if l.value, b, ok = plainText(b); !ok {
			return nil, false
		}
		s.labels = append(s.labels, l)
	}
	for len(rest) > 0 && rest[0] == '[' {
		var p point
		if p, rest, ok = s.pair(rest[1:]); !ok {
			return nil, false
		}
		s.points = append(s.points, p)
		if len(rest) > 0 && rest[0] == ',' {
			rest = rest[1:]
		}
	}
	return bytes.CutPrefix(rest, []byte("]}"))
}

// A stamp is how a point began and when it was. Most are ten digits of seconds, a comma and a quote, and the series of an answer have their points at the
// same times.
type stamp struct {
	eight uint64
	four  uint32
	at    int64
}

// pair reads a point up to its closing bracket, and returns what comes after it.
func (s *splitter) pair(b []byte) (p point, rest []byte, ok bool) {
	if len(b) < 12 { // cut, or of before 2001
		return p, nil, false
	}
	i, eight, four := len(s.points), binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:])
	if i < len(s.stamps) && s.stamps[i].eight == eight && s.stamps[i].four == four {
		p.at, b = s.stamps[i].at, b[12:]
	} else {
		end := bytes.IndexByte(b, ',')
		if end < 0 {
			return p, nil, false
		}
		if p.at, ok = instant(b[:end]); !ok || end+2 > len(b) || b[end+1] != '"' {
			return p, nil, false
		}
		if end == 10 {
			s.stamps = append(s.stamps[:min(i, len(s.stamps))], stamp{eight, four, p.at})
		}
		b = b[end+2:]
	}
	var end int
	if p.value, end = decimal(b); end == 0 || end == len(b) || b[end] != '"' {
		if end = bytes.IndexByte(b, '"'); end < 0 {
			return p, nil, false
		}
		if p.value, ok = number(b[:end]); !ok {
			return p, nil, false
		}
	}
	if end+2 > len(b) || b[end+1] != ']' {
		return p, nil, false
	}
	return p, b[end+2:], true
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
	v, err := strconv.ParseFloat(string(b), 64)
	return v, err == nil
}

// decimal reads the digits that b begins with, which may have a point among them, as strconv.ParseFloat does and in a fifth of its time. n is how
// many bytes they are, 0 when there are none or more than this can do.
func decimal(b []byte) (v float64, n int) {
	digits, n := natural(0, b)
	places := 0
	if n < len(b) && b[n] == '.' {
		digits, places = natural(digits, b[n+1:])
		n += 1 + places
	}
	if n == 0 || n > 19 || n == 1 && b[0] == '.' { // 19 digits fit
		return 0, 0
	}
	if digits < 1<<53 { // both are exact, so that the quotient is rounded once
		return float64(digits) / float64(tens[places]), n
	}
	if places == 0 {
		return float64(digits), n
	}
	// Divide with 64 bits of quotient, of which 53 are wanted, and whatever remains as the last of them: then the conversion rounds once too.
	up, upTen := bits.LeadingZeros64(digits), bits.LeadingZeros64(tens[places])
	numerator := digits << up
	quotient, remainder := bits.Div64(numerator>>1, numerator<<63, tens[places]<<upTen)
	if remainder != 0 {
		quotient |= 1
	}
	power := math.Float64frombits(uint64(1023+upTen-up-63) << 52) // of two, so that the product is exact
	return float64(quotient) * power, n
}

// natural reads the digits that b begins with, after those of v, and returns how many they are. With more than 64 bits hold the number is wrong.
func natural(v uint64, b []byte) (after uint64, n int) {
	for len(b) >= n+8 { // eight at once, the first of which is in the lowest byte
		x := binary.LittleEndian.Uint64(b[n:]) ^ 0x3030303030303030                     // a digit is below ten
		given := bits.TrailingZeros64((x+0x7676767676767676|x)&0x8080808080808080) &^ 7 // bits before the first byte that is none
		x <<= 64 - given                                                                // zeros before the digits
		x = x * (10<<8 + 1) >> 8 & 0x00FF00FF00FF00FF                                   // pairs
		x = x * (100<<16 + 1) >> 16 & 0x0000FFFF0000FFFF                                // fours
		v, n = v*tens[given/8]+x*(10_000<<32+1)>>32, n+given/8
		if given < 64 {
			return v, n
		}
	}
	for ; n < len(b) && b[n]-'0' <= 9; n++ {
		v = 10*v + uint64(b[n]-'0')
	}
	return v, n
}

// tens are the powers of ten that 64 bits hold.
var tens = func() (t [20]uint64) {
	t[0] = 1
	for i := range t[1:] {
		t[i+1] = 10 * t[i]
	}
	return t
}()
