package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// smallest is a sparse file of the size of the smallest disk.
func smallest(t testing.TB) *Target {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(plan.MinDiskGiB<<30), f.Close()); err != nil {
		t.Fatal(err)
	}
	target, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := target.Close(); err != nil {
			t.Error(err)
		}
	})
	return target
}

// memory is a release in memory, that fails or damages chunks as told.
type memory struct {
	data    []byte
	fail    int        // this chunk, with errCut; -1: none
	mu      sync.Mutex // guards what follows
	fetched []int
	bad     int // how often chunk 1 comes damaged
}

var errCut = errors.New("the line was cut")

func (m *memory) Fetch(_ context.Context, _ *manifest.File, i int, buf []byte) error {
	if i == m.fail {
		return errCut
	}
	m.mu.Lock()
	m.fetched = append(m.fetched, i)
	damaged := m.bad > 0 && i == 1
	if damaged {
		m.bad--
	}
	m.mu.Unlock()
	copy(buf, m.data[i*manifest.ChunkSize:])
	if damaged {
		buf[77] ^= 1
	}
	return nil
}

func (m *memory) Chunk(ctx context.Context, f *manifest.File, i int, buf []byte) error {
	if err := m.Fetch(ctx, f, i, buf); err != nil {
		return err
	}
	return f.CheckChunk(i, buf)
}

func randomFile(t testing.TB, size int) (*memory, manifest.File) {
	t.Helper()
	data := make([]byte, size)
	r := rand.NewChaCha8([32]byte{1})
	if _, err := r.Read(data); err != nil {
		t.Fatal(err)
	}
	f, err := manifest.Describe(manifest.Root, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return &memory{data: data, fail: -1}, f
}

func TestPartitionIsAGoodTableAndIsFoundAgain(t *testing.T) {
	target := smallest(t)
	parts := plan.Layout(target.Size)
	id, err := target.Partition(parts)
	if err != nil {
		t.Fatal(err)
	}
	table, err := ReadTable(target.f, target.Size)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, e := range table.Entries {
		got = append(got, fmt.Sprint(e.Name, e.Start, e.Size))
	}
	for _, p := range parts {
		want = append(want, fmt.Sprint(p.Label, p.Start, p.Size))
	}
	if d := cmp.Diff(want, got); d != "" || table.GUID != id || table.Kind != "GPT" {
		t.Errorf("%s GUID %s, want %s: %s", table.Kind, table.GUID, id, d)
	}
	if _, err := exec.LookPath("sgdisk"); err != nil {
		t.Skip("sgdisk, which checks the table a second time, is not installed")
	}
	out, err := exec.Command("sgdisk", "-v", target.Path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "No problems found") {
		t.Errorf("sgdisk: %v: %s", err, out)
	}
}

// TestAnInstallationIsUnfinishedUntilItsFooter follows a disk through an
// installation that is cut and goes on.
func TestAnInstallationIsUnfinishedUntilItsFooter(t *testing.T) {
	target := smallest(t)
	parts := plan.Layout(target.Size)
	slot := parts[2]
	if _, err := target.Partition(parts); err != nil {
		t.Fatal(err)
	}
	data, f := randomFile(t, 5*manifest.ChunkSize+4096)
	c := Copy{File: f, At: slot.Start, Room: slot.Size - manifest.FooterSize}

	data.fail = 4
	if err := target.Write(t.Context(), data, c); !errors.Is(err, errCut) {
		t.Fatalf("got %v, want the cut", err)
	}
	if got := Look(target.f, target.Size); !got.Unfinished || got.Installed == "" {
		t.Errorf("a cut installation looks like %+v", got)
	}

	data.fail, data.fetched = -1, nil
	c.Resume = true
	if err := target.Write(t.Context(), data, c); err != nil {
		t.Fatal(err)
	}
	if len(data.fetched) == 0 || len(data.fetched) > 3 {
		t.Errorf("fetched chunks %v again; want only what was missing", data.fetched)
	}
	if err := target.Verify(t.Context(), data, c); err != nil {
		t.Fatal(err)
	}
	footer, err := manifest.Footer([]byte(`{"version":"7"}`), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := target.WriteStamp("abcd", parts[0].Start, parts[0].Size); err != nil {
		t.Fatal(err)
	}
	if err := target.WriteFooter(footer, slot.Start, slot.Size); err != nil {
		t.Fatal(err)
	}
	want := Contents{Words: []string{"an installation of Cairn 7 with its data"}, Installed: Look(target.f, target.Size).Installed, Stamp: "abcd"}
	if d := cmp.Diff(want, Look(target.f, target.Size)); d != "" || want.Installed == "" {
		t.Error(d)
	}
}

// TestNothingCountsBeforeItIsChecked looks at the place of a file's head after
// Write, which takes what comes, and after Verify.
func TestNothingCountsBeforeItIsChecked(t *testing.T) {
	target := smallest(t)
	data, f := randomFile(t, manifest.ChunkSize+512)
	c := Copy{File: f, At: 1 << 20, Room: 1 << 30}
	if err := target.Write(t.Context(), data, c); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, manifest.ChunkSize)
	if _, err := target.f.ReadAt(head, c.At); err != nil || !bytes.Equal(head, make([]byte, len(head))) {
		t.Errorf("the first chunk is on the disk before the others were checked: %v", err)
	}
	if err := target.Verify(t.Context(), data, c); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff("", differs(t, target, c, data.data)); d != "" {
		t.Error(d)
	}
}

// differs says where a disk does not hold what it should.
func differs(t *testing.T, target *Target, c Copy, want []byte) string {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := target.f.ReadAt(got, c.At); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if got[i] != want[i] {
			return fmt.Sprintf("byte %d is %#x, want %#x", i, got[i], want[i])
		}
	}
	return ""
}

// TestVerifyMendsWhatIsDamaged damages a chunk on its way a number of times: it
// is found on the disk and fetched again; one that stays damaged is an error.
func TestVerifyMendsWhatIsDamaged(t *testing.T) {
	for _, c := range []struct {
		bad     int
		want    string // of the error
		fetched []int
	}{
		{bad: 0, fetched: []int{0, 1, 2}},
		{bad: 1, fetched: []int{0, 1, 1, 2}},
		{bad: 2, fetched: []int{1, 1, 2}, want: "root.img: root.img chunk 1 has SHA-256 "},
	} {
		target := smallest(t)
		data, f := randomFile(t, 2*manifest.ChunkSize+512)
		data.bad = c.bad
		var told []string
		cp := Copy{File: f, At: 1 << 20, Room: 1 << 30, Again: func(why error) { told = append(told, why.Error()) }}
		if err := target.Write(t.Context(), data, cp); err != nil {
			t.Fatalf("%d damaged: %v", c.bad, err)
		}
		err := target.Verify(t.Context(), data, cp)
		if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%d damaged: got %v, want %q", c.bad, err, c.want)
		}
		slices.Sort(data.fetched)
		if d := cmp.Diff(c.fetched, data.fetched); d != "" {
			t.Errorf("%d damaged: fetched chunks: %s", c.bad, d)
		}
		if len(told) != min(c.bad, 1) || len(told) == 1 && !strings.Contains(told[0], "root.img chunk 1 has SHA-256 ") {
			t.Errorf("%d damaged: told %q", c.bad, told)
		}
		if d := differs(t, target, cp, data.data); c.want == "" && d != "" {
			t.Errorf("%d damaged: %s", c.bad, d)
		}
	}
}

func TestVerifyNamesTheDiskThatForgets(t *testing.T) {
	target := smallest(t)
	zero, err := os.OpenFile("/dev/zero", os.O_RDWR, 0) // takes everything, and keeps nothing
	if err != nil {
		t.Fatal(err)
	}
	target.direct.Close()
	target.direct = zero
	data, f := randomFile(t, 2*manifest.ChunkSize)
	c := Copy{File: f, At: 1 << 20, Room: 1 << 30}
	if err := target.Write(t.Context(), data, c); err != nil {
		t.Fatal(err)
	}
	err = target.Verify(t.Context(), data, c)
	if err == nil || !strings.Contains(err.Error(), target.Path+" does not hold what was written to it: root.img chunk 1 has SHA-256") {
		t.Errorf("got %v", err)
	}
}

func TestWriteRefusesWhatDoesNotFit(t *testing.T) {
	target := smallest(t)
	data, f := randomFile(t, 8192)
	err := target.Write(t.Context(), data, Copy{File: f, At: 1 << 20, Room: 4096})
	if err == nil || len(data.fetched) != 0 {
		t.Errorf("8192 bytes went into 4096: %v", err)
	}
}

func TestBootCodeKeepsThePartitionTable(t *testing.T) {
	target := smallest(t)
	if _, err := target.Partition(plan.Layout(target.Size)); err != nil {
		t.Fatal(err)
	}
	boot, core := bytes.Repeat([]byte{0xaa}, 512), bytes.Repeat([]byte{0xbb}, 3000)
	if err := target.WriteBootCode(boot, core, 1<<20, 1<<20); err != nil {
		t.Fatal(err)
	}
	mbr, stage := make([]byte, 512), make([]byte, 512)
	if _, err := target.f.ReadAt(mbr, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := target.f.ReadAt(stage, 1<<20); err != nil {
		t.Fatal(err)
	}
	if mbr[0] != 0xaa || mbr[439] != 0xaa || mbr[440] != 0 || mbr[450] != 0xee || mbr[510] != 0x55 {
		t.Errorf("the MBR is % x", mbr)
	}
	if at := binary.LittleEndian.Uint64(mbr[0x5c:]); at != 2048 {
		t.Errorf("the MBR loads sector %d, want 2048", at)
	}
	if at := binary.LittleEndian.Uint64(stage[0x1f4:]); at != 2049 {
		t.Errorf("core.img goes on in sector %d, want 2049", at)
	}
	if err := target.WriteBootCode(boot[:100], core, 1<<20, 1<<20); err == nil {
		t.Error("a boot.img of 100 bytes was written")
	}
}
