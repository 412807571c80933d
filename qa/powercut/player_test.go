package powercut

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// recorded has QEMU carry out the commands of qemu-io on a recorded disk of
// 1 MiB. What it flushes at its end is left out.
func recorded(t *testing.T, commands ...string) *Log {
	t.Helper()
	tool, err := exec.LookPath("qemu-io")
	if err != nil {
		t.Skip("qemu-io, which makes the record, is not installed")
	}
	dir := t.TempDir()
	disk, record := filepath.Join(dir, "disk"), filepath.Join(dir, "record")
	for _, f := range []string{disk, record} {
		if err := errors.Join(os.WriteFile(f, nil, 0o600), os.Truncate(f, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--image-opts", "driver=blklogwrites,discard=unmap,log-super-update-interval=1,file.driver=file,file.filename=" +
		disk + ",log.driver=file,log.filename=" + record}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil || !bytes.Contains(out, []byte("wrote")) {
		t.Fatalf("qemu-io: %v: %s", err, out)
	}
	l, err := Open(record)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for n := len(l.Entries); n > 0 && l.Entries[n-1].Kind == Flush; n-- {
		l.Entries = l.Entries[:n-1] // of qemu-io, at its end
	}
	return l
}

// shape prints the first bytes of each of the first sectors.
func shape(t *testing.T, s *State, sectors int) string {
	t.Helper()
	b := make([]byte, sectors*512)
	if _, err := s.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for i := range sectors {
		c := b[i*512]
		if c == 0 {
			c = '.'
		}
		out.WriteByte(c)
	}
	return out.String()
}

func TestWhatWasFlushedIsThereAndTheRestHasLuck(t *testing.T) {
	log := recorded(t,
		"write -P 0x41 0 2k", "flush",
		"write -P 0x42 1k 2k", "discard 0 512", "flush",
		"write -P 0x43 2k 1k")
	var kinds []Kind
	for _, e := range log.Entries {
		kinds = append(kinds, e.Kind)
	}
	if d := cmp.Diff([]Kind{Write, Flush, Write, Discard, Flush, Write}, kinds); d != "" {
		t.Fatal(d)
	}
	for _, c := range []struct {
		cut  int
		luck Luck
		want string
	}{
		{0, Kept, "........"},
		{1, Lost, "........"},
		{1, Kept, "AAAA...."},
		{2, Lost, "AAAA...."},
		{3, Lost, "AAAA...."},
		{4, Kept, ".ABBBB.."},
		{4, Lost, "AAAA...."},
		{5, Lost, ".ABBBB.."},
		{6, Lost, ".ABBBB.."},
		{6, Kept, ".ABBCC.."},
	} {
		s, err := log.Play(1<<20, nil).Cut(c.cut, c.luck, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := shape(t, s, 8); got != c.want {
			t.Errorf("cut %d, %s: %s, want %s", c.cut, c.luck, got, c.want)
		}
	}
}

func TestAWriteIsTornBetweenSectors(t *testing.T) {
	log := recorded(t, "write -P 0x41 0 4k")
	seen := map[string]bool{}
	dice := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		s, err := log.Play(1<<20, nil).Cut(1, Random, dice)
		if err != nil {
			t.Fatal(err)
		}
		seen[shape(t, s, 8)] = true
	}
	for _, want := range []string{"AAAAAAAA", "........", "AAA.....", ".....AAA"} {
		if !seen[want] {
			t.Errorf("200 cuts never left %s", want)
		}
	}
}

func TestAStateStandsOnWhatWasThere(t *testing.T) {
	log := recorded(t, "write -P 0x41 1k 1k")
	base := bytes.Repeat([]byte("z"), 1<<20)
	before := filepath.Join(t.TempDir(), "before")
	if err := os.WriteFile(before, base, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(before)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := log.Play(1<<20, f).Cut(1, Kept, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Clone(base)
	copy(want[1024:], bytes.Repeat([]byte("A"), 1024))
	for _, r := range [][2]int64{{0, 4096}, {1000, 100}, {1023, 2}, {2040, 20}, {1<<20 - 10, 10}} {
		got := make([]byte, r[1])
		if _, err := s.ReadAt(got, r[0]); err != nil || !bytes.Equal(got, want[r[0]:r[0]+r[1]]) {
			t.Errorf("%d bytes at %d are wrong, or %v", r[1], r[0], err)
		}
	}
	if n, err := s.ReadAt(make([]byte, 10), 1<<20-4); n != 4 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %d bytes, %v", n, err)
	}
	file := filepath.Join(t.TempDir(), "saved")
	if err := s.Save(file, 0, s.Size); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the saved disk is another, or %v", err)
	}
}

func TestAPlayerOnlyGoesForward(t *testing.T) {
	log := recorded(t, "write 0 512", "write 0 512")
	p := log.Play(1<<20, nil)
	if _, err := p.Cut(2, Kept, nil); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 3} {
		if _, err := p.Cut(n, Kept, nil); err == nil {
			t.Errorf("cut at %d after one at 2 of 2", n)
		}
	}
}

func TestOtherFilesAreNoRecord(t *testing.T) {
	file := filepath.Join(t.TempDir(), "record")
	for _, text := range []string{"", strings.Repeat("x", 4096)} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(file); err == nil {
			t.Errorf("%.10q passed for a record", text)
		}
	}
}
