package disk

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// TestTheSecondDiskIsWrittenFromTheFirst has both disks hold the file, and the
// network carry it once, but for what lies damaged on the first.
func TestTheSecondDiskIsWrittenFromTheFirst(t *testing.T) {
	const place = 8 << 20
	net, file := randomFile(t, 5*manifest.ChunkSize+100)
	first, second := smallest(t), smallest(t)
	c := Copy{File: file, At: place, Room: 1 << 30}
	twin, err := OpenTwin(first.Path, []Copy{c}, net)
	if err != nil {
		t.Fatal(err)
	}
	defer twin.Close()
	for _, step := range []func() error{
		func() error { return first.Write(t.Context(), net, c) },
		func() error { return second.Write(t.Context(), twin, c) },
		func() error { return first.Verify(t.Context(), net, c) },
		func() error { _, err := first.f.WriteAt([]byte("rot"), place+3*manifest.ChunkSize); return err },
		func() error { _, err := second.f.WriteAt([]byte("rot too"), place+3*manifest.ChunkSize); return err },
		func() error { return second.Verify(t.Context(), twin, c) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if d := differs(t, second, c, net.data); d != "" {
		t.Error(d)
	}
	counts := map[int]int{}
	for _, i := range net.fetched {
		counts[i]++
	}
	if d := cmp.Diff(map[int]int{0: 1, 1: 1, 2: 1, 3: 2, 4: 1, 5: 1}, counts); d != "" {
		t.Error(d)
	}
}

func TestADiskForDataIsKnown(t *testing.T) {
	target := smallest(t)
	id, err := target.Partition(plan.DataLayout(target.Size))
	if err != nil {
		t.Fatal(err)
	}
	want := Contents{Words: []string{"a disk for data of an installation of Cairn that was cut off"}, Installed: id, ForData: true, Unfinished: true}
	if d := cmp.Diff(want, Look(target.f, target.Size)); d != "" {
		t.Error(d)
	}
	for range 2 {
		if err := Complete(target.Path); err != nil {
			t.Fatal(err)
		}
	}
	want = Contents{Words: []string{"a disk for data of an installation of Cairn"}, Installed: id, ForData: true}
	if d := cmp.Diff(want, Look(target.f, target.Size)); d != "" {
		t.Error(d)
	}
	ext := make([]byte, 2048)
	copy(ext[1024+56:], "\x53\xef")
	copy(ext[1024+120:], "cairn-volumes-1")
	if _, err := target.f.WriteAt(ext, 1<<20); err != nil {
		t.Fatal(err)
	}
	want.Words[0] += " (volumes-1)"
	if d := cmp.Diff(want, Look(target.f, target.Size)); d != "" {
		t.Error(d)
	}
	if _, err := target.Partition(plan.Layout(target.Size)); err != nil {
		t.Fatal(err)
	}
	if c := Look(target.f, target.Size); c.ForData {
		t.Errorf("it is a system disk now: %+v", c)
	}
}
