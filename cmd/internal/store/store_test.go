package store

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// childVariable makes the test binary play another process: its value is the part, the argument is the directory.
const childVariable = "TIPLINE_STORE_CHILD"

func TestMain(m *testing.M) {
	parts := map[string]func(string) error{"hold": childHold, "write": childWrite, "full": childFull}
	if part := parts[os.Getenv(childVariable)]; part != nil {
		if err := part(os.Args[1]); err != nil {
			fmt.Println("child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child returns a command that plays part in another process.
func child(t *testing.T, part, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], dir)
	cmd.Env = append(os.Environ(), childVariable+"="+part)
	cmd.Stderr = os.Stderr
	return cmd
}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closed(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// everything returns all rows of s as bucket/key.
func everything(t *testing.T, s *Store) map[string]string {
	t.Helper()
	rows := map[string]string{}
	for _, bucket := range buckets {
		err := s.Scan(bucket, "", func(key string, value []byte) error {
			rows[bucket+"/"+key] = string(value)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

func same(a, b map[string]string) bool {
	for k, v := range a {
		if w, found := b[k]; !found || v != w {
			return false
		}
	}
	return len(a) == len(b)
}

func TestRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	s := open(t, dir)
	hostile := "a/b\x00\xff <script>"
	err := s.Apply(map[string]map[string][]byte{
		State:  {"a/1": []byte("one"), "a/2": {}, "b": []byte("bee"), hostile: []byte("\x00")},
		Outbox: {"a/1": []byte("message")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(map[string]map[string][]byte{State: {"b": nil, "never": nil, "a/1": []byte("ONE")}, Ledger: nil}); err != nil {
		t.Fatal(err)
	}
	closed(t, s)

	s = open(t, dir)
	defer closed(t, s)
	if s.Quarantined() != "" {
		t.Errorf("a sound file was put aside: %s", s.Quarantined())
	}
	want := map[string]string{"state/a/1": "ONE", "state/a/2": "", "state/" + hostile: "\x00", "outbox/a/1": "message"}
	if got := everything(t, s); !same(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for key, want := range map[string][]byte{"a/1": []byte("ONE"), "a/2": {}, "b": nil, "": nil} {
		got, err := s.Get(State, key)
		if err != nil || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("Get %q: %q, %v, want %q", key, got, err, want)
		}
	}
	var keys []string
	stop := errors.New("stop")
	err = s.Scan(State, "a/", func(key string, value []byte) error {
		keys = append(keys, key)
		_ = append(value, "the value is the caller's"...)
		if key == "a/2" {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || strings.Join(keys, " ") != "a/1 a/2" {
		t.Errorf("Scan: %q, %v", keys, err)
	}
}

func TestUnknownBucketIsRefused(t *testing.T) {
	s := open(t, t.TempDir())
	defer closed(t, s)
	for _, bucket := range []string{"nowhere", "", meta} {
		_, getErr := s.Get(bucket, "version")
		scanErr := s.Scan(bucket, "", func(string, []byte) error { return nil })
		applyErr := s.Apply(map[string]map[string][]byte{State: {"k": []byte("v")}, bucket: {"version": []byte("v")}})
		for name, err := range map[string]error{"Get": getErr, "Scan": scanErr, "Apply": applyErr} {
			if err == nil || !strings.Contains(err.Error(), strconv.Quote(bucket)) || !strings.Contains(err.Error(), s.path) {
				t.Errorf("%s of bucket %q: %v", name, bucket, err)
			}
		}
	}
	if got := everything(t, s); len(got) != 0 {
		t.Errorf("a refused batch left %q", got)
	}
	if err := s.Apply(map[string]map[string][]byte{State: {"": []byte("v")}}); err == nil {
		t.Error("an empty key was accepted")
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	cmd, in := held(t, dir)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	who := fmt.Sprintf("%s: in use by another tipline (process %d on %q, since ", filepath.Join(dir, fileName), cmd.Process.Pid, host)
	if s, err := Open(dir); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), who) {
		t.Errorf("while another process holds the file: %v, %v, want it to say %q", s, err, who)
	}
	if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
		t.Error(err)
	}
	s := open(t, dir)
	defer closed(t, s)
	if s.Quarantined() != "" || everything(t, s)["state/held"] != "yes" {
		t.Error("the other process's row is gone")
	}
}

// TestF67_StaleOwner holds that what a process that was killed has left keeps nobody out and is nobody's name any more, whatever stands there.
func TestF67_StaleOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd, in := held(t, dir)
	defer in.Close()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says that it was killed
	said := filepath.Join(dir, fileName+ownerSuffix)
	if _, err := os.Stat(said); err != nil {
		t.Fatalf("it had not said that it holds the file: %v", err)
	}
	reader, err := OpenToRead(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, left := range []string{"", "{", `{"pid":-1}`, `{"pid":0,"host":"x"}`, strings.Repeat(" ", 2000)} {
		if left != "" {
			if err := os.WriteFile(said, []byte(left), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Open(dir); !errors.Is(err, ErrInUse) || strings.Contains(err.Error(), "process") {
			t.Errorf("left with %q, while another reads: got %v, want nobody named", left, err)
		}
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if everything(t, s)["state/held"] != "yes" {
		t.Error("the row of the process that was killed is gone")
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d on", os.Getpid())) {
		t.Errorf("got %v, want the new owner", err)
	}
	closed(t, s)
	if _, err := os.Stat(said); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that nobody holds has an owner: %v", err)
	}
}

// held returns another process that holds the file in dir until in is closed.
func held(t *testing.T, dir string) (cmd *exec.Cmd, in io.Closer) {
	t.Helper()
	cmd = child(t, "hold", dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	return cmd, in
}

func childHold(dir string) error {
	s, err := Open(dir)
	if err != nil {
		return err
	}
	if err := s.Apply(map[string]map[string][]byte{State: {"held": []byte("yes")}}); err != nil {
		return err
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return s.Close()
}

// setVersion makes the file in dir one of another schema version.
func setVersion(t *testing.T, dir string, version uint64) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, fileName), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		value := binary.BigEndian.AppendUint64(nil, version)
		return tx.Bucket([]byte(meta)).Put([]byte(versionKey), binary.BigEndian.AppendUint64(value, ^version))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestNewerSchemaIsRefusedUntouched(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	closed(t, s)
	setVersion(t, dir, schemaVersion+41)
	before, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), s.path+": schema version 42 is newer than 1") {
			t.Errorf("got %v", err)
		}
	}
	after, err := os.ReadFile(s.path)
	if err != nil || !bytes.Equal(before, after) || names(t, dir) != fileName {
		t.Errorf("the file changed, or has company: %v, %s", err, names(t, dir))
	}
}

func TestOlderSchemaIsCopiedThenMigrated(t *testing.T) {
	defer func(version uint64) {
		schemaVersion = version
		clear(migrations)
	}(schemaVersion)
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Apply(map[string]map[string][]byte{State: {"k": []byte("old")}}); err != nil {
		t.Fatal(err)
	}
	closed(t, s)
	before, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}

	schemaVersion = 3
	migrations[1] = func(tx *bbolt.Tx) error { return tx.Bucket([]byte(State)).Put([]byte("k"), []byte("newer")) }
	migrations[2] = func(*bbolt.Tx) error { return errors.New("no such luck") }
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "migrate from schema version 2: no such luck") {
		t.Fatalf("got %v", err)
	}
	if after, err := os.ReadFile(s.path + ".v1"); err != nil || !bytes.Equal(before, after) {
		t.Fatalf("the copy of version 1 differs: %v", err)
	}
	migrations[2] = func(tx *bbolt.Tx) error { return tx.Bucket([]byte(State)).Put([]byte("l"), []byte("newest")) }
	for range 2 {
		s = open(t, dir)
		if got := everything(t, s); !same(got, map[string]string{"state/k": "newer", "state/l": "newest"}) || s.Quarantined() != "" {
			t.Errorf("got %q", got)
		}
		closed(t, s)
	}
	if got := names(t, dir); got != "tipline.db tipline.db.v1" {
		t.Errorf("files: %s", got)
	}
}

// sample writes a small file that has branches, overflow pages and a free list, and returns its bytes, its rows, and its
// rows before the last Apply.
func sample(t *testing.T) (file []byte, rows, earlier map[string]string) {
	t.Helper()
	s := open(t, t.TempDir())
	for i := range 12 {
		batch := map[string][]byte{fmt.Sprintf("gone-%d", i-1): nil, fmt.Sprintf("gone-%d", i): bytes.Repeat([]byte("x"), 900)}
		for j := range 6 {
			batch[fmt.Sprintf("key-%02d-%d", i, j)] = bytes.Repeat([]byte{byte('a' + i)}, 150)
		}
		earlier = everything(t, s)
		if err := s.Apply(map[string]map[string][]byte{History: batch, State: {"turn": []byte(strconv.Itoa(i)), "large": bytes.Repeat([]byte("L"), 6000)}}); err != nil {
			t.Fatal(err)
		}
	}
	rows = everything(t, s)
	closed(t, s)
	file, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	return file, rows, earlier
}

// outcome opens a data file of these bytes and reports whether it was put aside. Whatever it holds, the store is usable.
func outcome(t *testing.T, what string, file []byte) (rows map[string]string, quarantined bool) {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, fileName)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	rows = everything(t, s)
	if aside := s.Quarantined(); aside != "" {
		quarantined = true
		if kept, err := os.ReadFile(aside); err != nil || !bytes.Equal(kept, file) || aside != path+".corrupt-1" {
			t.Errorf("%s: put aside as %s: not the same bytes, %v", what, aside, err)
		}
		if len(rows) != 0 {
			t.Errorf("%s: put aside, but rows remain", what)
		}
	}
	s.db.NoSync = true // the disk is not what is tried here
	err = errors.Join(s.Apply(map[string]map[string][]byte{History: {"after": []byte("v")}, State: {"after": bytes.Repeat([]byte("v"), 9000)}}), s.Close())
	if err != nil {
		t.Fatalf("%s: not usable: %v", what, err)
	}
	again, err := Open(dir)
	if err != nil {
		t.Fatalf("%s: second start: %v", what, err)
	}
	defer closed(t, again)
	if again.Quarantined() != "" || len(everything(t, again)) != len(rows)+2 {
		t.Errorf("%s: the second start does not find what the first wrote", what)
	}
	return rows, quarantined
}

func TestForeignFilesArePutAside(t *testing.T) {
	t.Parallel()
	file, rows, _ := sample(t)
	magic := bytes.Clone(file)
	for _, page := range []int{0, os.Getpagesize()} {
		magic[page+16] ^= 0xFF
	}
	for name, content := range map[string][]byte{
		"text": []byte("this is not a database\n"), "one byte": {0}, "zeros": make([]byte, 1<<16), "long text": bytes.Repeat([]byte("text "), 1e5),
		"wrong magic": magic, "sqlite": append([]byte("SQLite format 3\x00"), make([]byte, 1<<14)...),
	} {
		if _, quarantined := outcome(t, name, content); !quarantined {
			t.Errorf("%s: accepted", name)
		}
	}
	if got, quarantined := outcome(t, "empty", nil); quarantined || len(got) != 0 {
		t.Error("an empty file is a new one")
	}
	if got, quarantined := outcome(t, "sound", file); quarantined || !same(got, rows) {
		t.Error("a sound file was not accepted whole")
	}

	foreign, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(filepath.Join(foreign, fileName), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("someone else's"))
		if err != nil {
			return err
		}
		return b.Put([]byte("k"), []byte("v"))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s := open(t, foreign)
	defer closed(t, s)
	if s.Quarantined() == "" {
		t.Error("another program's file was accepted")
	}
}

func TestQuarantineKeepsEveryDamagedFile(t *testing.T) {
	dir := t.TempDir()
	for n := 1; n <= 3; n++ {
		if err := os.WriteFile(filepath.Join(dir, fileName), []byte("garbage"), 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir)
		if want := fmt.Sprintf("%s.corrupt-%d", s.path, n); s.Quarantined() != want {
			t.Errorf("put aside as %s, want %s", s.Quarantined(), want)
		}
		closed(t, s)
	}
}

func TestTruncatedFile(t *testing.T) {
	t.Parallel()
	file, rows, _ := sample(t)
	step := 307
	if testing.Short() {
		step = 2003
	}
	cuts := []int{1, 15, 16, 4095, 4096, 8191, 8192, 8193, len(file) - 1}
	for at := 1; at < len(file); at += step {
		cuts = append(cuts, at)
	}
	var lost int
	for _, at := range cuts {
		got, quarantined := outcome(t, fmt.Sprintf("cut at %d", at), file[:at])
		if quarantined {
			lost++
		} else if !same(got, rows) {
			t.Errorf("cut at %d: rows are missing and nothing says so", at)
		}
	}
	t.Logf("%d of %d put aside", lost, len(cuts))
}

func TestFlippedBits(t *testing.T) {
	t.Parallel()
	file, rows, earlier := sample(t)
	random := rand.New(rand.NewPCG(1, 2))
	flips := 500
	if testing.Short() {
		flips = 150
	}
	var bits []int
	page := os.Getpagesize()
	for at := 0; at < len(file); at += page { // every page header, where a flip does most harm
		step := 5
		if testing.Short() {
			step = 37
		}
		for bit := random.IntN(step); bit < 16*8; bit += step {
			bits = append(bits, at*8+bit)
		}
	}
	for range flips {
		// Most of a page is empty or text: half of the flips go to the numbers at its start.
		at := random.IntN(len(file))
		if random.IntN(2) == 0 {
			at = at/page*page + random.IntN(200)
		}
		bits = append(bits, at*8+random.IntN(8))
	}
	var lost int
	for _, bit := range bits {
		damaged := bytes.Clone(file)
		damaged[bit/8] ^= 1 << (bit % 8)
		got, quarantined := outcome(t, fmt.Sprintf("bit %d of byte %d", bit%8, bit/8), damaged)
		header := bit/8 < 2*page
		switch {
		case quarantined:
			lost++
		case !same(got, rows) && (!header || !same(got, earlier)):
			t.Errorf("bit %d of byte %d: rows changed and nothing says so", bit%8, bit/8)
		}
	}
	t.Logf("%d of %d put aside", lost, len(bits))
}

// TestOverwrittenBytes tries damage that one bit cannot do, a page that refers to itself included.
func TestOverwrittenBytes(t *testing.T) {
	t.Parallel()
	file, rows, earlier := sample(t)
	page := os.Getpagesize()
	random := rand.New(rand.NewPCG(3, 4))
	rounds := 400
	if testing.Short() {
		rounds = 100
	}
	for i := range rounds {
		damaged := bytes.Clone(file)
		at := random.IntN(len(file)-8) / page * page
		at += random.IntN(40) * 8
		value := []uint64{uint64(random.IntN(len(file) / page)), random.Uint64(), ^uint64(0), 0xFFFF << 16}[i%4]
		binary.NativeEndian.PutUint64(damaged[at:], value)
		got, quarantined := outcome(t, fmt.Sprintf("%#x at byte %d", value, at), damaged)
		if !quarantined && !same(got, rows) && (at >= 2*page || !same(got, earlier)) {
			t.Errorf("%#x at byte %d: rows changed and nothing says so", value, at)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("text"), 0, uint64(0))
	f.Add([]byte(nil), 4096*3, uint64(7))
	file, _, _ := sample(&testing.T{})
	f.Fuzz(func(t *testing.T, content []byte, at int, value uint64) {
		if len(content) == 0 && at >= 0 && at < len(file)-8 {
			content = bytes.Clone(file)
			binary.NativeEndian.PutUint64(content[at:], value)
		}
		outcome(t, "fuzz", content)
	})
}

func TestUnusableDirectories(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(folder, fileName), 0o700); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(dir, "locked")
	if err := os.Mkdir(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"a regular file": plain, "under a regular file": filepath.Join(plain, "data"), "the data file is a directory": folder, "read-only": locked} {
		if path == locked && os.Geteuid() == 0 {
			continue // root writes everywhere
		}
		s, err := Open(path)
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want an error that names %s", name, err, path)
		}
		if err == nil {
			closed(t, s)
		}
	}
	if got := names(t, folder); got != fileName {
		t.Errorf("the directory in the data file's place was touched: %s", got)
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	if out, err := child(t, "full", t.TempDir()).Output(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// childFull fills the disk, here a limit on the size of files, and makes room again.
func childFull(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	limit := func(size uint64) error {
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: 1 << 40})
	}
	if err := limit(0); err != nil {
		return err
	}
	if _, err := Open(dir); err == nil || !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), dir) {
		return fmt.Errorf("opened on a full disk: %w", err)
	}
	if err := limit(1 << 18); err != nil {
		return err
	}
	s, err := Open(dir)
	if err != nil {
		return fmt.Errorf("room again: %w", err)
	}
	write := func(i int) error {
		key, value := fmt.Sprintf("%04d", i), bytes.Repeat([]byte("v"), 3000)
		return s.Apply(map[string]map[string][]byte{History: {key: value}, State: {key: []byte("done")}})
	}
	done, failed := 0, error(nil)
	for ; done < 1000 && failed == nil; done++ {
		failed = write(done)
	}
	done--
	if failed == nil || done < 3 || !strings.Contains(failed.Error(), s.path) {
		return fmt.Errorf("after %d writes: %w", done, failed)
	}
	count := func(want int) error {
		for _, bucket := range []string{History, State} {
			got := 0
			if err := s.Scan(bucket, "", func(string, []byte) error { got++; return nil }); err != nil || got != want {
				return fmt.Errorf("%s: %d rows, want %d: %w", bucket, got, want, err)
			}
		}
		return nil
	}
	for range 3 {
		if err := write(done); err == nil {
			return errors.New("written on a full disk")
		}
		if err := count(done); err != nil {
			return err
		}
	}
	if err := limit(1 << 30); err != nil {
		return err
	}
	for i := range 50 {
		if err := write(done + i); err != nil {
			return fmt.Errorf("room again: %w", err)
		}
	}
	if err := errors.Join(count(done+50), s.Close()); err != nil {
		return err
	}
	if s, err = Open(dir); err != nil || s.Quarantined() != "" {
		return fmt.Errorf("damaged: %w", err)
	}
	return errors.Join(count(done+50), s.Close())
}

// TestKill kills a writer at random moments: every batch that it acknowledged is whole, and none is half.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := 60
	if testing.Short() {
		rounds = 8
	}
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(5, 6))
	acknowledged := -1
	for round := range rounds {
		cmd := child(t, "write", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		if !lines.Scan() || lines.Text() != "open" {
			t.Fatalf("round %d: %q", round, lines.Text())
		}
		time.AfterFunc(time.Duration(random.IntN(40_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		for lines.Scan() {
			if n, err := strconv.Atoi(lines.Text()); err == nil {
				acknowledged = n
			} else {
				t.Errorf("round %d: %s", round, lines.Text())
			}
		}
		_ = cmd.Wait() // it was killed

		s := open(t, dir)
		if s.Quarantined() != "" {
			t.Fatalf("round %d: put aside as %s", round, s.Quarantined())
		}
		rows := everything(t, s)
		closed(t, s)
		newest := len(rows)/(2*batchRows) - 1
		if newest < acknowledged || newest > acknowledged+1 {
			t.Fatalf("round %d: batches up to %d, acknowledged %d", round, newest, acknowledged)
		}
		for batch, content := range batches(newest) {
			for key, value := range content {
				if rows[batch+"/"+key] != string(value) {
					t.Fatalf("round %d: %s/%s is %q", round, batch, key, rows[batch+"/"+key])
				}
			}
		}
		acknowledged = max(newest, acknowledged)
	}
	t.Logf("%d batches", acknowledged+1)
	if acknowledged < rounds/4 {
		t.Errorf("only %d batches in %d rounds: nothing was tried", acknowledged, rounds)
	}
}

// batchRows is how many rows a batch has in each of its two buckets.
const batchRows = 3

// batches returns all rows of the batches 0 to n.
func batches(n int) map[string]map[string][]byte {
	all := map[string]map[string][]byte{State: {}, Outbox: {}}
	for i := range n + 1 {
		for bucket, rows := range batch(i) {
			maps.Copy(all[bucket], rows)
		}
	}
	return all
}

func batch(i int) map[string]map[string][]byte {
	b := map[string]map[string][]byte{State: {}, Outbox: {}}
	for j := range batchRows {
		key := fmt.Sprintf("%d-%06d", j, i)
		b[State][key], b[Outbox][key] = []byte("state "+key), bytes.Repeat([]byte(key), 100)
	}
	return b
}

// childWrite continues the numbered batches and acknowledges each.
func childWrite(dir string) error {
	s, err := Open(dir)
	if err != nil {
		return err
	}
	var next int
	if err := s.Scan(State, "0-", func(string, []byte) error { next++; return nil }); err != nil {
		return err
	}
	fmt.Println("open")
	for ; ; next++ {
		if err := s.Apply(batch(next)); err != nil {
			return err
		}
		fmt.Println(next)
	}
}

func TestSystemErrorsAreNotDamage(t *testing.T) {
	for _, err := range []error{&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, syscall.ENOSPC, fmt.Errorf("map: %w", syscall.ENOMEM), os.NewSyscallError("flock", syscall.EIO)} {
		if !isSystem(err) {
			t.Errorf("%v would put a sound file aside", err)
		}
	}
}

func TestOpenToRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if s, err := OpenToRead(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v, %v, want that there is none", s, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); err == nil {
		t.Error("reading made a folder")
	}
	writer, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Apply(map[string]map[string][]byte{Ledger: {"id": []byte("row")}}); err != nil {
		t.Fatal(err)
	}
	if s, err := OpenToRead(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("beside a writer: got %v, %v, want that it is in use", s, err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	one, err := OpenToRead(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	two, err := OpenToRead(dir)
	if err != nil {
		t.Fatalf("two readers: %v", err)
	}
	defer two.Close()
	if row, err := two.Get(Ledger, "id"); err != nil || string(row) != "row" {
		t.Errorf("got %q, %v, want the row", row, err)
	}
	if err := two.Apply(map[string]map[string][]byte{Ledger: {"id": nil}}); err == nil {
		t.Error("a reader wrote")
	}
}

// TestSound holds that what Apply writes is found sound, whatever rows come and go: a check that is too strict would put a good file aside.
func TestSound(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	s.db.NoSync = true // no power is cut here
	random := rand.New(rand.NewPCG(3, 4))
	for n := range 250 {
		rows := map[string][]byte{}
		from, drop := random.IntN(800), random.IntN(3) == 0 // whole runs of them too, so that pages are merged
		for range random.IntN(60) {
			key := fmt.Sprintf("%04d/%s", random.IntN(800), strings.Repeat("k", random.IntN(200)))
			if random.IntN(2) == 0 {
				key = fmt.Sprintf("%04d/", from+random.IntN(60))
			}
			if rows[key] = bytes.Repeat([]byte{'v'}, random.IntN(1500)); drop || random.IntN(3) == 0 {
				rows[key] = nil
			}
		}
		if err := s.Apply(map[string]map[string][]byte{History: rows, State: {"n": []byte{byte(n)}}}); err != nil {
			t.Fatal(err)
		}
		if err := s.db.View(func(tx *bbolt.Tx) error {
			_, err := inspect(tx)
			return err
		}); err != nil {
			t.Fatalf("after %d batches: %v", n+1, err)
		}
	}
	closed(t, s)
}
