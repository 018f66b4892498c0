package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ownerSuffix is what the name of a data file ends with where it stands who holds it. The lock is what counts: the file only says whose it is, and that of a
// process that was killed is overwritten by the next.
const ownerSuffix = ".owner"

// owner is the process that holds a data file.
type owner struct {
	PID  int    `json:"pid"`
	Host string `json:"host"`
}

// claim says beside the file path, whose lock this process has, that it does. When that cannot be written nothing is said.
func claim(path string) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	row, err := json.Marshal(owner{os.Getpid(), host})
	fresh := path + ownerSuffix + ".new" // so that nobody reads half of it
	err = errors.Join(err, os.WriteFile(fresh, row, 0o600))
	if err == nil {
		err = os.Rename(fresh, path+ownerSuffix)
	}
	if err != nil {
		_ = os.Remove(fresh)
		release(path)
	}
}

// release takes back what claim has said.
func release(path string) { _ = os.Remove(path + ownerSuffix) }

// holder says who holds the lock of the file path, and since when; empty when that is not known, as of one that only reads.
func holder(path string) string {
	info, err := os.Stat(path + ownerSuffix)
	if err != nil || info.Size() > 1<<10 {
		return ""
	}
	row, err := os.ReadFile(path + ownerSuffix)
	if err != nil {
		return ""
	}
	var o owner
	if err := json.Unmarshal(row, &o); err != nil || o.PID <= 0 {
		return ""
	}
	if host, err := os.Hostname(); err == nil && host == o.Host && errors.Is(syscall.Kill(o.PID, 0), syscall.ESRCH) {
		return "" // was killed, and the lock is another's
	}
	return fmt.Sprintf("process %d on %q, since %s", o.PID, o.Host, info.ModTime().UTC().Format("2 Jan 2006 15:04:05 UTC"))
}
