package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"

	"go.etcd.io/bbolt"
)

// The layout of a bbolt page: a header of id, flags, count and overflow, then count elements of 16 bytes, then their keys
// and values at positions counted from the element. Numbers are in the byte order of the machine.
const (
	headerSize   = 16
	elementSize  = 16
	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketRow    = 0x01       // flag of a leaf element that holds a bucket
	manyFree     = 0xFFFF     // count of a free list whose first element is its length
	noFreelist   = ^uint64(0) // the free list is not in the file
	metaRoot     = 32         // where the page of the root is in a header page
	metaFreelist = 48
)

var order = binary.NativeEndian

// contents is what a walk over a sound file found.
type contents struct {
	version uint64 // schema version, 0 for a file without buckets
	rows    uint64 // checksum of every row outside meta
	stored  uint64 // the checksum that the last Apply recorded
	buckets []string
}

// inspect reads every page that tx can reach, and the free list, without trusting a single number in them: bbolt itself
// would loop, fault or overwrite data on a damaged one. What it returns is a *damagedError or the system's own.
func inspect(tx *bbolt.Tx) (contents, error) {
	file, err := os.Open(tx.DB().Path())
	if err != nil {
		return contents{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return contents{}, err
	}
	size := tx.DB().Info().PageSize
	if tx.Size() > info.Size() {
		return contents{}, damaged("%d bytes, want %d", info.Size(), tx.Size())
	}
	w := walker{file: file, pageSize: size, owned: make([]bool, tx.Size()/int64(size))}
	header := make([]byte, size)
	if _, err := file.ReadAt(header, int64(tx.ID()%2)*int64(size)); err != nil { // headers are written in turn
		return contents{}, err
	}
	if len(w.owned) < 2 {
		return contents{}, damaged("no pages")
	}
	w.owned[0], w.owned[1] = true, true
	if err := w.tree("", order.Uint64(header[metaRoot:])); err != nil {
		return contents{}, err
	}
	if err := w.freelist(order.Uint64(header[metaFreelist:])); err != nil {
		return contents{}, err
	}
	return w.found, w.complete()
}

func damaged(format string, args ...any) error { return &damagedError{fmt.Errorf(format, args...)} }

// A walker reads pages; owned says which of them something already refers to, so that no page is used twice.
type walker struct {
	file     io.ReaderAt
	pageSize int
	owned    []bool
	found    contents

	last  []byte // key seen in the bucket being walked
	begin []byte // what the key that comes next must be, because a branch says so; nil when none does
}

// claim marks n pages from id as used.
func (w *walker) claim(id, n uint64) error {
	pages := uint64(len(w.owned))
	if id >= pages || n > pages-id {
		return damaged("page %d is beyond the end", id)
	}
	for i := id; i < id+n; i++ {
		if w.owned[i] {
			return damaged("page %d is used twice", i)
		}
		w.owned[i] = true
	}
	return nil
}

// page reads a page, with the pages that continue it, and claims them.
func (w *walker) page(id uint64) ([]byte, error) {
	if id >= uint64(len(w.owned)) {
		return nil, damaged("page %d is beyond the end", id)
	}
	start := int64(id) * int64(w.pageSize)
	header := make([]byte, headerSize)
	if _, err := w.file.ReadAt(header, start); err != nil {
		return nil, err
	}
	if got := order.Uint64(header); got != id {
		return nil, damaged("page %d calls itself %d", id, got)
	}
	n := 1 + uint64(order.Uint32(header[12:]))
	if err := w.claim(id, n); err != nil {
		return nil, err
	}
	page := make([]byte, n*uint64(w.pageSize))
	_, err := w.file.ReadAt(page, start)
	return page, err
}

// tree walks the pages of a bucket from its root.
func (w *walker) tree(bucket string, id uint64) error {
	page, err := w.page(id)
	if err != nil {
		return err
	}
	return w.node(bucket, page)
}

// node walks a branch, with everything below it, or a leaf.
func (w *walker) node(bucket string, page []byte) error {
	if len(page) < headerSize {
		return damaged("bucket %q: page of %d bytes", bucket, len(page))
	}
	flags, count := order.Uint16(page[8:]), int(order.Uint16(page[10:]))
	if flags != branchPage && flags != leafPage {
		return damaged("bucket %q: page of kind %#x", bucket, flags)
	}
	if headerSize+count*elementSize > len(page) || flags == branchPage && count == 0 {
		return damaged("bucket %q: page of %d elements", bucket, count)
	}
	for i := range count {
		element := page[headerSize+i*elementSize:]
		if flags == branchPage {
			key, err := slice(element, order.Uint32(element), order.Uint32(element[4:]))
			if err != nil {
				return err
			}
			if w.begin != nil && !bytes.Equal(key, w.begin) {
				return damaged("bucket %q: branch %q below %q", bucket, key, w.begin)
			}
			w.begin = key
			if err := w.tree(bucket, order.Uint64(element[8:])); err != nil {
				return err
			}
			continue
		}
		if err := w.row(bucket, element); err != nil {
			return err
		}
	}
	return nil
}

// row reads an element of a leaf.
func (w *walker) row(bucket string, element []byte) error {
	flags, at, keySize, valueSize := order.Uint32(element), order.Uint32(element[4:]), order.Uint32(element[8:]), order.Uint32(element[12:])
	key, err := slice(element, at, keySize)
	if err != nil {
		return err
	}
	value, err := slice(element[at:], keySize, valueSize)
	if err != nil {
		return err
	}
	if err := w.follow(bucket, key); err != nil {
		return err
	}
	if flags > bucketRow || flags != bucketRow && bucket == "" {
		return damaged("bucket %q: row %q of kind %#x", bucket, key, flags)
	}
	if flags == bucketRow {
		w.found.buckets = append(w.found.buckets, bucket+"/"+string(key))
		return w.bucket(bucket+"/"+string(key), value)
	}
	switch {
	case bucket != "/"+meta:
		w.found.rows += checksum(bucket[1:], key, value)
	case string(key) == versionKey:
		if len(value) != 16 || binary.BigEndian.Uint64(value) != ^binary.BigEndian.Uint64(value[8:]) {
			return damaged("unreadable schema version")
		}
		w.found.version = binary.BigEndian.Uint64(value)
	case string(key) == checksumKey && len(value) == 8:
		w.found.stored = binary.BigEndian.Uint64(value)
	}
	return nil
}

// bucket walks a bucket: its value names its root, or, when that is 0, holds its only page.
func (w *walker) bucket(name string, value []byte) error {
	if len(value) < headerSize {
		return damaged("bucket %q: %d bytes", name, len(value))
	}
	last := w.last
	w.last = nil
	defer func() { w.last = last }()
	if root := order.Uint64(value); root != 0 {
		return w.tree(name, root)
	}
	return w.node(name, value[headerSize:])
}

// follow checks that key comes after the keys before it, and is the one that the branches above it name. One that is not is found when it is read,
// and not when it is written: then bbolt adds a second page beside the one of that name.
func (w *walker) follow(bucket string, key []byte) error {
	if w.last != nil && bytes.Compare(key, w.last) <= 0 || w.begin != nil && !bytes.Equal(key, w.begin) {
		return damaged("bucket %q: key %q out of order", bucket, key)
	}
	w.last, w.begin = key, nil
	return nil
}

// freelist reads the list of free pages.
func (w *walker) freelist(id uint64) error {
	if id == noFreelist {
		return damaged("no free list")
	}
	page, err := w.page(id)
	if err != nil {
		return err
	}
	count, list := uint64(order.Uint16(page[10:])), page[headerSize:]
	if count == manyFree {
		count, list = order.Uint64(list), list[8:]
	}
	if order.Uint16(page[8:]) != freelistPage || count > uint64(len(list)/8) {
		return damaged("free list of kind %#x with %d pages", order.Uint16(page[8:]), count)
	}
	for i := range count {
		if err := w.claim(order.Uint64(list[8*i:]), 1); err != nil {
			return err
		}
	}
	return nil
}

// complete checks that no page is lost and no row either.
func (w *walker) complete() error {
	for id, owned := range w.owned {
		if !owned {
			return damaged("page %d is neither used nor free", id)
		}
	}
	f := w.found
	if f.version == 0 && len(f.buckets) > 0 {
		return damaged("no schema version")
	}
	if f.version <= schemaVersion && f.rows != f.stored {
		return damaged("the rows do not have the checksum of the last write")
	}
	if f.version == schemaVersion {
		for _, name := range append([]string{meta}, buckets...) {
			if !slices.Contains(f.buckets, "/"+name) {
				return damaged("no bucket %s", name)
			}
		}
	}
	return nil
}

// slice returns n bytes of b from at.
func slice(b []byte, at, n uint32) ([]byte, error) {
	if uint64(at)+uint64(n) > uint64(len(b)) {
		return nil, damaged("an element reaches beyond its page")
	}
	return b[at : at+n], nil
}

// checksum is the share of one row in the checksum of a file, which is their sum.
func checksum(bucket string, key, value []byte) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %d ", len(bucket), len(key)) // a hash never fails
	for _, part := range [][]byte{[]byte(bucket), key, value} {
		_, _ = h.Write(part)
	}
	return h.Sum64()
}
