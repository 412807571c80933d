package raid

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

const size = 64 << 20

// mirror is two files with a new mirror on them.
func mirror(t *testing.T) (array uuid.UUID, files []*os.File) {
	t.Helper()
	var to []io.WriterAt
	for _, name := range []string{"a", "b"} {
		f, err := os.Create(filepath.Join(t.TempDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		files, to = append(files, f), append(to, f)
	}
	array, err := Format(to, Options{Name: "cairn-data", Size: size, Now: time.Unix(1_700_000_000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return array, files
}

func TestWhatIsFormattedIsRead(t *testing.T) {
	array, files := mirror(t)
	for i, f := range files {
		m, err := Read(f)
		if err != nil {
			t.Fatal(err)
		}
		if m.Array != array || m.Places != 2 || m.Number != i || m.Events != firstEvents || !m.active(0) || !m.active(1) || m.active(2) || m.place(i) != i {
			t.Errorf("device %d says %+v", i, m)
		}
	}
	h, err := Look([]string{files[0].Name(), files[1].Name()})
	if err != nil || len(h.Current) != 2 || h.Missing() != 0 {
		t.Errorf("both: %+v, %v", h, err)
	}
	if h, err = Look([]string{files[1].Name()}); err != nil || len(h.Current) != 1 || h.Missing() != 1 || h.Awaited != 1 {
		t.Errorf("one of them: %+v, %v", h, err)
	}
	if _, err := files[0].WriteAt([]byte{9}, superAt+40); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(files[0]); err == nil || !strings.HasPrefix(err.Error(), "superblock: it is damaged: ") {
		t.Errorf("damaged: %v", err)
	}
}

func TestWhatIsNoArray(t *testing.T) {
	for _, b := range []string{"", strings.Repeat("\x00", 1<<20)} {
		if _, err := Read(strings.NewReader(b)); !errors.Is(err, ErrNone) {
			t.Errorf("%d bytes: got %v", len(b), err)
		}
	}
	if _, err := Look(nil); err == nil || err.Error() != "mirror: no device of it is there" {
		t.Errorf("got %v", err)
	}
	if _, err := Format(make([]io.WriterAt, 1), Options{Size: size}); err == nil || err.Error() != "a mirror of 1 devices; allowed: 2 to 128" {
		t.Errorf("got %v", err)
	}
	if _, err := Format(make([]io.WriterAt, 2), Options{Size: dataAt}); err == nil || err.Error() != "a mirror on 1048576 bytes; allowed: more than 1048576" {
		t.Errorf("got %v", err)
	}
}

// TestMdadmAgrees lets the real tool read what Format made.
func TestMdadmAgrees(t *testing.T) {
	tool, err := exec.LookPath("mdadm")
	if err != nil {
		t.Skip("mdadm is not installed")
	}
	_, files := mirror(t)
	out, err := exec.Command(tool, "--examine", files[1].Name()).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	for _, w := range []string{"Version : 1.2", "Raid Level : raid1", "Raid Devices : 2", "Data Offset : 2048 sectors", "State : clean",
		"Internal Bitmap : 8 sectors", "- correct", "Array State : AA"} {
		if !strings.Contains(string(out), w) {
			t.Errorf("it does not say %q:\n%s", w, out)
		}
	}
}

func TestHalves(t *testing.T) {
	array := uuid.New()
	both, alone0, alone1 := []uint16{0, 1}, []uint16{0, roleNone}, []uint16{roleNone, 1}
	d := func(path string, number int, events uint64, roles []uint16) device {
		return device{path, Member{Array: array, Places: 2, Number: number, Events: events, roles: roles}}
	}
	for _, c := range []struct {
		name  string
		all   []device
		want  Halves
		error string
	}{
		{name: "both", all: []device{d("a", 0, 7, both), d("b", 1, 7, both)}, want: Halves{Current: []string{"a", "b"}}},
		{name: "one change apart", all: []device{d("a", 0, 7, both), d("b", 1, 8, both)}, want: Halves{Current: []string{"a", "b"}}},
		{name: "one was away", all: []device{d("a", 0, 7, both), d("b", 1, 30, alone1)}, want: Halves{Current: []string{"b"}, Stale: []string{"a"}}},
		{name: "away for a moment", all: []device{d("a", 0, 8, alone0), d("b", 1, 7, both)}, want: Halves{Current: []string{"a"}, Stale: []string{"b"}}},
		{name: "far behind", all: []device{d("a", 0, 3, both), d("b", 1, 30, both)}, want: Halves{Current: []string{"b"}, Stale: []string{"a"}}},
		{name: "each alone", all: []device{d("a", 0, 9, alone0), d("b", 1, 30, alone1)}, want: Halves{Current: []string{"b"}, Apart: []string{"a"}}},
		{name: "each alone, as often", all: []device{d("a", 0, 9, alone0), d("b", 1, 9, alone1)}, want: Halves{Current: []string{"a"}, Apart: []string{"b"}}},
		{name: "of another", all: []device{d("a", 0, 9, both), {"b", Member{Places: 2, Number: 1, Events: 1, roles: both}}},
			error: "mirror: a is of array " + array.String() + ", and b of array " + uuid.Nil.String()},
		{name: "the other was away before", all: []device{d("b", 1, 30, alone1)}, want: Halves{Current: []string{"b"}}},
		{name: "the other is not here", all: []device{d("b", 1, 30, both)}, want: Halves{Current: []string{"b"}, Awaited: 1}},
	} {
		got, err := sort(c.all)
		if c.error != "" {
			if err == nil || err.Error() != c.error {
				t.Errorf("%s: got %v", c.name, err)
			}
			continue
		}
		if diff := cmp.Diff([][]string{c.want.Current, c.want.Stale, c.want.Apart}, [][]string{got.Current, got.Stale, got.Apart}); err != nil || diff != "" || got.Awaited != c.want.Awaited {
			t.Errorf("%s: awaits %d, %v\n%s", c.name, got.Awaited, err, diff)
		}
	}
}

// FuzzRead feeds superblocks that want to break the reader.
func FuzzRead(f *testing.F) {
	f.Add([]byte("\xfc\x4e\x2b\xa9\x01\x00\x00\x00"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = Read(strings.NewReader(strings.Repeat("\x00", superAt) + string(b) + strings.Repeat("\x00", 1024)))
	})
}
