package vault

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/qa/inside"
)

// text is what the device has at that place, a MiB each.
func text(t *testing.T, device string, place int64) string {
	t.Helper()
	f, err := os.Open(device)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 4096)
	if _, err := f.ReadAt(b, place<<20); err != nil {
		t.Fatal(err)
	}
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b)
}

func write(t *testing.T, device string, place int64, what string) {
	t.Helper()
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	copy(b, what)
	if _, err := f.WriteAt(b, place<<20); err != nil {
		t.Error(err)
	}
	if err := f.Sync(); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// opened opens the data partition of the devices, for as long as do takes.
func opened(t *testing.T, do func(v *Volume), parts ...string) {
	t.Helper()
	v, err := Open(t.Context(), parts, nobody)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", stat(t))
	do(v)
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	if got := stat(t); strings.Contains(got, "md0") {
		t.Errorf("left behind: %s", got)
	}
}

func stat(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/mdstat")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestInsideMirrorMake(t *testing.T) {
	inside.Only(t)
	v, err := Make(t.Context(), New{Parts: []string{"/dev/vda", "/dev/vdb"}, Encrypt: plan.CryptTPM})
	if err != nil {
		t.Fatal(err)
	}
	if got := stat(t); !strings.Contains(got, "[2/2] [UU]") || !strings.Contains(got, "bitmap: ") || strings.Contains(got, "resync") {
		t.Errorf("a new mirror is not whole: %s", got)
	}
	write(t, v.Path, 1, "first")
	m, err := v.MakeFurther("cairn-volumes-1", "/dev/vdc")
	if err != nil {
		t.Fatal(err)
	}
	write(t, m.Path, 1, "further")
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

func TestInsideMirrorWhole(t *testing.T) {
	inside.Only(t)
	opened(t, func(v *Volume) {
		if got := text(t, v.Path, 1); got != "first" || v.Notes() != nil {
			t.Errorf("it holds %q, and says %q", got, v.Notes())
		}
		further(t, v, "/dev/vdc")
	}, "/dev/vda", "/dev/vdb")
}

func further(t *testing.T, v *Volume, device string) {
	t.Helper()
	m, err := v.OpenFurther("cairn-volumes-1", device)
	if err != nil {
		t.Fatal(err)
	}
	if got := text(t, m.Path, 1); got != "further" {
		t.Errorf("the further disk holds %q", got)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// TestInsideMirrorAlone starts without the first disk, and writes.
func TestInsideMirrorAlone(t *testing.T) {
	inside.Only(t)
	opened(t, func(v *Volume) {
		if got := text(t, v.Path, 1); got != "first" || len(v.Notes()) != 1 || !strings.HasPrefix(v.Notes()[0], "the mirror lacks a disk") {
			t.Errorf("it holds %q, and says %q", got, v.Notes())
		}
		write(t, v.Path, 1, "second")
		further(t, v, "/dev/vdb")
	}, "/dev/vda")
}

// TestInsideMirrorStale starts with both again: the newer data count, and the
// other disk gets them.
func TestInsideMirrorStale(t *testing.T) {
	inside.Only(t)
	opened(t, func(v *Volume) {
		if got := text(t, v.Path, 1); got != "second" || len(v.Notes()) != 1 || !strings.HasPrefix(v.Notes()[0], "the mirror's part on /dev/vda was away") {
			t.Errorf("it holds %q, and says %q", got, v.Notes())
		}
		for n := 0; !strings.Contains(stat(t), "[UU]"); n++ {
			if n > 600 {
				t.Fatalf("it is not brought up to date: %s", stat(t))
			}
			time.Sleep(100 * time.Millisecond)
		}
	}, "/dev/vda", "/dev/vdb")
}

// TestInsideMirrorAgain has one disk alone, first the one that was away.
func TestInsideMirrorAgain(t *testing.T) {
	inside.Only(t)
	opened(t, func(v *Volume) {
		if got := text(t, v.Path, 1); got != "second" {
			t.Errorf("it holds %q", got)
		}
		write(t, v.Path, 2, "alone")
	}, "/dev/vda")
}

// TestInsideMirrorApart starts with both, which were each started from alone:
// one counts, and the other is left as it is.
func TestInsideMirrorApart(t *testing.T) {
	inside.Only(t)
	opened(t, func(v *Volume) {
		if n := v.Notes(); len(n) != 1 || !strings.Contains(n[0], " has data of its own") || !strings.Contains(stat(t), "[2/1]") {
			t.Errorf("it says %q: %s", n, stat(t))
		}
	}, "/dev/vda", "/dev/vdb")
}
