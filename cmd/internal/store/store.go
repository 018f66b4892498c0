// Package store keeps every durable byte of tipline in one bbolt file that a single process writes.
package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// The buckets of the file. What their bytes mean is known only to the rooms that write them.
const (
	History = "history" // usage per workload and day
	State   = "state"   // alert states
	Outbox  = "outbox"  // messages not yet acknowledged
	Ledger  = "ledger"  // receipts of decisions
	meta    = "meta"    // what this package keeps for itself
)

// buckets are those that the rooms write.
var buckets = []string{History, State, Outbox, Ledger}

// The rows of meta.
const (
	versionKey  = "version"  // the schema version and its complement
	checksumKey = "checksum" // the sum of the checksums of all rows outside meta, which tells a flipped bit from data
)

// fileName is the name of the data file in its directory.
const fileName = "tipline.db"

// schemaVersion is the version of the layout that this program writes; only a test changes it.
var schemaVersion uint64 = 1

// fill is how full a page is left that is split: most rows are added beside one that is newer or older by a day and not in between.
const fill = 0.9

// lockTimeout is how long Open waits for another process to let go of the file.
const lockTimeout = time.Second

// migrations[v] brings a file from version v to version v+1, inside one transaction.
var migrations = map[uint64]func(*bbolt.Tx) error{}

// ErrInUse says that another process holds the data file.
var ErrInUse = errors.New("in use by another tipline")

// A Store is the open data file. Its methods may be called at the same time.
type Store struct {
	db          *bbolt.DB
	path        string
	quarantined string
}

// Open opens or creates the data file in directory dir and locks it, which tipline.db.owner beside it says for others. A file that cannot be read as one of ours is put
// aside as tipline.db.corrupt-N, see Quarantined, and an empty one takes its place; all of it is read to find that out. A
// file whose newest header page alone is damaged opens as it was before the last Apply. A file that a newer tipline wrote is
// refused untouched; one of an older version is copied to tipline.db.v<N> and then migrated.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory %s: %w", dir, err)
	}
	s := &Store{path: filepath.Join(dir, fileName)}
	err := s.open()
	var damage *damagedError
	if errors.As(err, &damage) {
		if s.quarantined, err = putAside(s.path); err == nil {
			err = s.open()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("data file %s: %w", s.path, err)
	}
	return s, nil
}

// damagedError says that the file is not one that tipline can have written whole.
type damagedError struct{ reason error }

func (e *damagedError) Error() string { return "damaged: " + e.reason.Error() }
func (e *damagedError) Unwrap() error { return e.reason }

// open opens the file, checks all of it and brings it to the current version.
func (s *Store) open() (err error) {
	found, err := look(s.path)
	if err != nil {
		return err
	}
	switch {
	case found.version > schemaVersion:
		return fmt.Errorf("schema version %d is newer than %d, the newest that this tipline reads: use a newer tipline",
			found.version, schemaVersion)
	case found.version != 0 && found.version < schemaVersion:
		if err := copyFile(s.path, fmt.Sprintf("%s.v%d", s.path, found.version)); err != nil {
			return fmt.Errorf("copy before migrating from schema version %d: %w", found.version, err)
		}
	}
	db, err := openLocked(s.path, false)
	if err != nil {
		return err
	}
	if found.version != schemaVersion {
		if err := errors.Join(upgrade(db, found.version), syncDir(filepath.Dir(s.path))); err != nil {
			return errors.Join(err, db.Close())
		}
	}
	s.db = db
	claim(s.path)
	return nil
}

// look inspects the file, if there is one, and changes nothing.
func look(path string) (found contents, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().IsRegular() && info.Size() == 0:
		return contents{}, nil
	case err != nil:
		return contents{}, err
	case !info.Mode().IsRegular():
		return contents{}, errors.New("not a regular file")
	}
	db, err := openLocked(path, true)
	if err != nil {
		return contents{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.View(func(tx *bbolt.Tx) error {
		found, err = inspect(tx)
		return err
	})
	return found, err
}

// openLocked opens the file and takes its lock. A read-only one is shared, and reads nothing but the header pages.
func openLocked(path string, readOnly bool) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout, FreelistType: bbolt.FreelistMapType, ReadOnly: readOnly})
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		if who := holder(path); who != "" {
			return nil, fmt.Errorf("%w (%s)", ErrInUse, who)
		}
		return nil, ErrInUse
	case err != nil && !isSystem(err): // what is not the system's refusal is a file that bbolt cannot make sense of
		return nil, &damagedError{err}
	}
	return db, err
}

// isSystem reports whether err is the operating system's: a missing permission, a full disk, a read-only mount.
func isSystem(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) || errors.As(err, new(syscall.Errno))
}

// upgrade creates the buckets and migrates an older version step by step, in one transaction.
func upgrade(db *bbolt.DB, version uint64) error {
	return db.Update(func(tx *bbolt.Tx) error {
		for _, name := range append([]string{meta}, buckets...) {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return fmt.Errorf("bucket %s: %w", name, err)
			}
		}
		for v := version; v != 0 && v < schemaVersion; v++ {
			if err := migrations[v](tx); err != nil {
				return fmt.Errorf("migrate from schema version %d: %w", v, err)
			}
		}
		var rows uint64
		for _, name := range buckets {
			err := tx.Bucket([]byte(name)).ForEach(func(k, v []byte) error {
				rows += checksum(name, k, v)
				return nil
			})
			if err != nil {
				return fmt.Errorf("bucket %s: %w", name, err)
			}
		}
		// The complement tells a version that a newer tipline wrote from a damaged one.
		value := binary.BigEndian.AppendUint64(nil, schemaVersion)
		value = binary.BigEndian.AppendUint64(value, ^schemaVersion)
		if err := tx.Bucket([]byte(meta)).Put([]byte(versionKey), value); err != nil {
			return err
		}
		return putChecksum(tx, rows)
	})
}

// putChecksum records the checksum of every row.
func putChecksum(tx *bbolt.Tx, rows uint64) error {
	return tx.Bucket([]byte(meta)).Put([]byte(checksumKey), binary.BigEndian.AppendUint64(nil, rows))
}

// syncDir makes the names in directory dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// putAside renames the file to the first free name path.corrupt-N and returns that name.
func putAside(path string) (string, error) {
	for n := 1; ; n++ {
		aside := fmt.Sprintf("%s.corrupt-%d", path, n)
		if _, err := os.Lstat(aside); errors.Is(err, fs.ErrNotExist) {
			return aside, os.Rename(path, aside)
		}
	}
}

// copyFile copies from to to, synced.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// Quarantined returns where a damaged data file was put when the store was opened, empty when it was sound.
func (s *Store) Quarantined() string { return s.quarantined }

// Close lets go of the file.
func (s *Store) Close() error {
	if !s.db.IsReadOnly() {
		release(s.path)
	}
	return s.db.Close()
}

// Size returns how large the file is, in bytes, without what is reserved at its end. What is deleted in it is used again and makes it no smaller.
func (s *Store) Size() (bytes int64) {
	_ = s.db.View(func(tx *bbolt.Tx) error { // fails only once the file is closed
		bytes = tx.Size()
		return nil
	})
	return bytes
}

// Get returns the value of key in bucket, nil when there is none.
func (s *Store) Get(bucket, key string) ([]byte, error) {
	var value []byte
	err := s.view(bucket, func(b *bbolt.Bucket) error {
		value = bytes.Clone(b.Get([]byte(key)))
		return nil
	})
	return value, err
}

// Scan calls fn for every key of bucket that begins with prefix, in ascending order, until fn returns an error.
// The value belongs to fn.
func (s *Store) Scan(bucket, prefix string, fn func(key string, value []byte) error) error {
	return s.view(bucket, func(b *bbolt.Bucket) error {
		c := b.Cursor()
		for k, v := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
			if err := fn(string(k), bytes.Clone(v)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Apply writes batch, bucket by bucket and key by key, in one transaction that is synced to disk before Apply returns:
// all of it is durable, or none when an error is returned. A nil value deletes its key.
func (s *Store) Apply(batch map[string]map[string][]byte) error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		sum := binary.BigEndian.Uint64(tx.Bucket([]byte(meta)).Get([]byte(checksumKey)))
		for bucket, rows := range batch {
			b := tx.Bucket([]byte(bucket))
			if b == nil || bucket == meta {
				return fmt.Errorf("no bucket %q", bucket)
			}
			b.FillPercent = fill
			keys := slices.AppendSeq(make([]string, 0, len(rows)), maps.Keys(rows))
			slices.Sort(keys) // neighbours one after the other touch the same pages
			for _, name := range keys {
				key, value := []byte(name), rows[name]
				if old := b.Get(key); old != nil {
					sum -= checksum(bucket, key, old)
				}
				var err error
				if value == nil {
					err = b.Delete(key)
				} else {
					sum += checksum(bucket, key, value)
					err = b.Put(key, value)
				}
				if err != nil {
					return fmt.Errorf("bucket %s, key %q: %w", bucket, name, err)
				}
			}
		}
		return putChecksum(tx, sum)
	})
	if err != nil {
		return fmt.Errorf("data file %s: %w", s.path, err)
	}
	return nil
}

// view reads bucket in one transaction.
func (s *Store) view(bucket string, fn func(*bbolt.Bucket) error) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		if b == nil || bucket == meta {
			return fmt.Errorf("data file %s: no bucket %q", s.path, bucket)
		}
		return fn(b)
	})
}

// OpenToRead opens the data file in directory dir without changing anything. It fails when there is none, when a running
// tipline holds it, see ErrInUse, and when it is damaged or of another schema version: Open is what mends that.
func OpenToRead(dir string) (*Store, error) {
	s := &Store{path: filepath.Join(dir, fileName)}
	found, err := look(s.path)
	switch {
	case err != nil:
	case found.version == 0:
		err = fs.ErrNotExist
	case found.version != schemaVersion:
		err = fmt.Errorf("schema version %d, want %d", found.version, schemaVersion)
	default:
		s.db, err = openLocked(s.path, true)
	}
	if err != nil {
		return nil, fmt.Errorf("data file %s: %w", s.path, err)
	}
	return s, nil
}
