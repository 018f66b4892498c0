// Package storetest opens data files for tests.
package storetest

import (
	"testing"

	"tipline/cmd/internal/store"
)

// Open returns a new data file, which is closed and removed when the test ends.
func Open(t testing.TB) *store.Store {
	t.Helper()
	file, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}
