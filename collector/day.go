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
const dayVersion = 1

// dayFields is the number of values that an hour can have: a volume of each class, requests, coverage.
const dayFields = int(model.NumClasses) + 2

// A day is 24 hours from midnight UTC of one workload. It is stored as
//
//	version     1 byte
//	24 hours    each: 1 byte with a bit per value that is not zero (the token classes in their order, requests,
//	            coverage, from the lowest bit), 2 bytes of notes, then those values as float64, all little endian
//	checksum    4 bytes: CRC-32 (IEEE) of everything before
type day [24]hour

func (h *hour) fields() [dayFields]float64 {
	var f [dayFields]float64
	for class, tokens := range h.Tokens {
		f[class] = float64(tokens)
	}
	f[model.NumClasses], f[model.NumClasses+1] = h.Requests, float64(h.Coverage)
	return f
}

// encodeDay returns the stored form of d.
func encodeDay(d *day) []byte {
	b := make([]byte, 1, 1+len(d)*(3+8*(dayFields-1))+4) // one of the values is seldom there
	b[0] = dayVersion
	for i := range d {
		fields := d[i].fields()
		at := len(b)
		b = append(b, 0)
		b = binary.LittleEndian.AppendUint16(b, uint16(d[i].notes))
		for bit, v := range fields {
			if v != 0 {
				b[at] |= 1 << bit
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
			}
		}
	}
	return sealed(b)
}

// sealed returns b with its checksum.
func sealed(b []byte) []byte { return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b)) }

// unsealed returns what sealed was given without its first byte, which must be version.
func unsealed(b []byte, version byte) ([]byte, error) {
	if len(b) < 5 || b[0] != version {
		return nil, fmt.Errorf("%w: unknown version or too short", errDay)
	}
	b, sum := b[:len(b)-4], b[len(b)-4:]
	if crc32.ChecksumIEEE(b) != binary.LittleEndian.Uint32(sum) {
		return nil, fmt.Errorf("%w: wrong checksum", errDay)
	}
	return b[1:], nil
}

var errDay = errors.New("not a stored day")

// decodeDay reads the stored form of a day into d. What encodeDay would not have written is an error.
func decodeDay(b []byte, d *day) error {
	b, err := unsealed(b, dayVersion)
	if err != nil {
		return err
	}
	*d = day{}
	for i := range d {
		if len(b) < 3 {
			return fmt.Errorf("%w: ends in hour %d", errDay, i)
		}
		mask := b[0]
		d[i].notes = note(binary.LittleEndian.Uint16(b[1:]))
		b = b[3:]
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
		for class := range d[i].Tokens {
			d[i].Tokens[class] = model.Tokens(fields[class])
		}
		d[i].Requests, d[i].Coverage = fields[model.NumClasses], model.Fraction(fields[model.NumClasses+1])
		if d[i].Coverage > 1 || d[i].notes&^noteAll != 0 || mask>>dayFields != 0 {
			return fmt.Errorf("%w: hour %d has coverage %v, notes %b", errDay, i, d[i].Coverage, d[i].notes)
		}
	}
	if len(b) != 0 {
		return fmt.Errorf("%w: %d bytes too many", errDay, len(b))
	}
	return nil
}
