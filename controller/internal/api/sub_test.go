package api_test

import (
	"io/fs"
	"testing"
)

// sub is the directory that holds the example's migrations.
func sub(t testing.TB) fs.FS {
	t.Helper()
	f, err := fs.Sub(testdata, "testdata")
	if err != nil {
		t.Fatal(err)
	}
	return f
}
