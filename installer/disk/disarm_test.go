package disk

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/plan"
)

func TestADiskThatWasCutOffIsNotBootedAgain(t *testing.T) {
	target := smallest(t)
	parts := plan.Layout(target.Size)
	if err := Disarm(target.Path); !errors.Is(err, ErrNotCutOff) {
		t.Errorf("a blank disk: got %v", err)
	}
	if _, err := target.Partition(parts); err != nil {
		t.Fatal(err)
	}
	fresh := make([]byte, 16)
	if _, err := target.f.ReadAt(fresh, 0); err != nil || !bytes.HasPrefix(fresh, passOn()) {
		t.Errorf("a new table comes with boot code % x, %v", fresh, err)
	}
	boot, core := bytes.Repeat([]byte{0xaa}, 512), bytes.Repeat([]byte{0xbb}, 3000)
	if err := target.WriteBootCode(boot, core, parts[0].Start, parts[0].Size); err != nil {
		t.Fatal(err)
	}
	if _, err := target.f.WriteAt([]byte("\xebX\x90mkfs.fat"), parts[1].Start); err != nil {
		t.Fatal(err)
	}
	if err := Disarm(target.Path); err != nil {
		t.Fatal(err)
	}
	mbr, esp := make([]byte, 512), make([]byte, 512)
	for b, at := range map[*[]byte]int64{&mbr: 0, &esp: parts[1].Start} {
		if _, err := target.f.ReadAt(*b, at); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.HasPrefix(mbr, passOn()) || mbr[450] != 0xee || mbr[510] != 0x55 || !bytes.Equal(esp, make([]byte, 512)) {
		t.Errorf("the MBR is % x, the ESP begins with % x", mbr, esp[:16])
	}
	if !Look(target.f, target.Size).Unfinished {
		t.Error("the installation cannot be taken up any more")
	}

	footer, err := manifest.Footer([]byte(`{"version":"7"}`), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := target.WriteFooter(footer, parts[2].Start, parts[2].Size); err != nil {
		t.Fatal(err)
	}
	if err := Disarm(target.Path); !errors.Is(err, ErrNotCutOff) {
		t.Errorf("a complete installation: got %v", err)
	}
}

// TestATableThatWasCutOffIsTakenUp leaves what the first of its writes leaves.
func TestATableThatWasCutOffIsTakenUp(t *testing.T) {
	target := smallest(t)
	parts := plan.Layout(target.Size)
	if _, err := target.Partition(parts); err != nil {
		t.Fatal(err)
	}
	const last = 1 << 20
	for _, at := range []int64{512, target.Size - last} {
		if _, err := target.f.WriteAt(make([]byte, last-512), at); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := target.f.WriteAt(make([]byte, 512), target.Size-512); err != nil {
		t.Fatal(err)
	}
	if got := Look(target.f, target.Size); !got.Unfinished {
		t.Errorf("a protective MBR beside our mark looks like %+v", got)
	}
	if _, err := target.f.WriteAt(make([]byte, len(Marker)), slotAEnd(target.Size)-manifest.FooterSize); err != nil {
		t.Fatal(err)
	}
	if got := Look(target.f, target.Size); got.Unfinished || len(got.Words) == 0 {
		t.Errorf("a protective MBR alone looks like %+v", got)
	}
}

// TestATornFooterIsNone cuts between the writes of a footer.
func TestATornFooterIsNone(t *testing.T) {
	target := smallest(t)
	parts := plan.Layout(target.Size)
	if _, err := target.Partition(parts); err != nil {
		t.Fatal(err)
	}
	footer, err := manifest.Footer(bytes.Repeat([]byte(" "), 20_000), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := target.f.WriteAt(footer[bootSector:], slotAEnd(target.Size)-manifest.FooterSize+bootSector); err != nil {
		t.Fatal(err)
	}
	if got := Look(target.f, target.Size); !got.Unfinished {
		t.Errorf("a footer without its first sector looks like %+v", got)
	}
}

// TestAnOldInstallationLosesItsSlotsFirst looks at every write of a new table
// over an installation: none leaves a slot that boots beside data that are
// gone, nor a disk that the next try would refuse.
func TestAnOldInstallationLosesItsSlotsFirst(t *testing.T) {
	target := smallest(t)
	parts := plan.Layout(target.Size)
	if _, err := target.Partition(parts); err != nil {
		t.Fatal(err)
	}
	footer, err := manifest.Footer([]byte(`{"version":"7"}`), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for _, slot := range parts[2:4] {
		if err := target.WriteFooter(footer, slot.Start, slot.Size); err != nil {
			t.Fatal(err)
		}
	}
	old, err := ReadTable(target.f, target.Size)
	if err != nil {
		t.Fatal(err)
	}
	if err := target.retire(old); err != nil {
		t.Fatal(err)
	}
	retired := Look(target.f, target.Size)
	if !retired.Unfinished || retired.Installed != old.GUID {
		t.Errorf("without its slots it looks like %+v", retired)
	}
	if err := target.wipe(partsPlaces(parts), target.kept(old, true, parts)); err != nil {
		t.Fatal(err)
	}
	if got := Look(target.f, target.Size); !got.Unfinished || got.Installed != old.GUID {
		t.Errorf("wiped, under its old table, it looks like %+v", got)
	}
	if _, err := target.Partition(parts); err != nil {
		t.Fatal(err)
	}
	if got := Look(target.f, target.Size); !got.Unfinished || got.Installed == old.GUID {
		t.Errorf("under its new table it looks like %+v", got)
	}
}
