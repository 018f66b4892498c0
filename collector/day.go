package collector

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"tipline/model"
)

// dayVersion is the first byte of a stored day. A later layout gets a later number.
const dayVersion = 2

// dayFields is the number of values that an hour can have: a volume of each class, requests, coverage.
const dayFields = int(model.NumClasses) + 2

// wholeBit is of an hour that was seen from its beginning to its end, as most are, and has no coverage of its own.
const wholeBit = 1 << dayFields

// A day is 24 hours from midnight UTC of one workload. It is stored as
//
//	version     1 byte
//	24 hours    each: 1 byte with a bit per value that is not zero (the token classes in their order, requests,
//	            coverage, from the lowest bit; the highest for a coverage of 1), the notes as a varint, then those
//	            values as float64, little endian
//	checksum    4 bytes: CRC-32 (IEEE) of everything before, little endian
//
// In version 1 notes were 2 bytes, little endian, and every coverage was a value.
type day [24]hour

func (h *hour) fields() [dayFields]float64 {
	var f [dayFields]float64
	for class, tokens := range h.Tokens {
		f[class] = float64(tokens)
	}
	f[model.NumClasses], f[model.NumClasses+1] = h.Requests, float64(h.Coverage)
	return f
}

// encodeDay appends the stored form of d to b.
func encodeDay(b []byte, d *day) []byte {
	begin := len(b)
	b = append(b, dayVersion)
	for i := range d {
		fields, at := d[i].fields(), len(b)
		b = binary.AppendUvarint(append(b, 0), uint64(d[i].notes))
		if fields[dayFields-1] == 1 {
			fields[dayFields-1], b[at] = 0, wholeBit
		}
		for bit, v := range fields {
			if v != 0 {
				b[at] |= 1 << bit
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
			}
		}
	}
	return sealed(b, begin)
}

// sealed returns b with the checksum of what it has from begin on.
func sealed(b []byte, begin int) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b[begin:]))
}

// unsealed returns what sealed was given without its first byte, which must be a version up to newest.
func unsealed(b []byte, newest byte) ([]byte, error) {
	if len(b) < 5 || b[0] == 0 || b[0] > newest {
		return nil, fmt.Errorf("%w: unknown version or too short", errDay)
	}
	b, sum := b[:len(b)-4], b[len(b)-4:]
	if crc32.ChecksumIEEE(b) != binary.LittleEndian.Uint32(sum) {
		return nil, fmt.Errorf("%w: wrong checksum", errDay)
	}
	return b[1:], nil
}

var errDay = errors.New("not a stored day")

// decodeDay reads the stored form of a day into d. What encodeDay would not have written, or that of version 1, is an error.
func decodeDay(row []byte, d *day) error {
	b, err := unsealed(row, dayVersion)
	if err != nil {
		return err
	}
	*d = day{}
	for i := range d {
		mask, notes, n := byte(0), uint64(0), 0
		switch {
		case row[0] == 1 && len(b) >= 3:
			mask, notes, n = b[0], uint64(binary.LittleEndian.Uint16(b[1:])), 2
		case row[0] > 1 && len(b) >= 2:
			mask = b[0]
			if notes, n = binary.Uvarint(b[1:]); n > 1 && b[n] == 0 { // a longer form of the same
				n = 0
			}
		}
		if n <= 0 {
			return fmt.Errorf("%w: ends in hour %d", errDay, i)
		}
		b = b[1+n:]
		var fields [dayFields]float64
		for bit := range fields {
			if mask&(1<<bit) == 0 {
				continue
			}
			if len(b) < 8 {
				return fmt.Errorf("%w: ends in hour %d", errDay, i)
			}
			fields[bit] = math.Float64frombits(binary.LittleEndian.Uint64(b))
			if !(fields[bit] > 0) || math.IsInf(fields[bit], 0) {
				return fmt.Errorf("%w: hour %d has %v", errDay, i, fields[bit])
			}
			b = b[8:]
		}
		coverage := &fields[dayFields-1]
		if row[0] == 1 && mask&wholeBit != 0 || row[0] > 1 && (*coverage == 1 || *coverage != 0 && mask&wholeBit != 0) {
			return fmt.Errorf("%w: hour %d has values %b", errDay, i, mask)
		}
		if mask&wholeBit != 0 {
			*coverage = 1
		}
		for class := range d[i].Tokens {
			d[i].Tokens[class] = model.Tokens(fields[class])
		}
		d[i].Requests, d[i].Coverage = fields[model.NumClasses], model.Fraction(*coverage)
		if d[i].Coverage > 1 || notes&^uint64(noteAll) != 0 {
			return fmt.Errorf("%w: hour %d has coverage %v, notes %b", errDay, i, d[i].Coverage, notes)
		}
		d[i].notes = note(notes)
	}
	if len(b) != 0 {
		return fmt.Errorf("%w: %d bytes too many", errDay, len(b))
	}
	return nil
}
