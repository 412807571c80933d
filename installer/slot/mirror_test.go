package slot

import (
	"crypto/ed25519"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/raid"
)

// mirrored makes a mirror of the data partitions of disks.
func mirrored(t *testing.T, s System, parts ...string) {
	t.Helper()
	const size = 4 << 20
	var to []io.WriterAt
	for _, p := range parts {
		f, err := os.Create(filepath.Join(s.Dev, p))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		to = append(to, f)
	}
	if _, err := raid.Format(to, raid.Options{Size: size, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
}

func TestTheDisksOfAMirrorAreOneInstallation(t *testing.T) {
	s := fakeSystem(t, "vda", "vdb", "vdc")
	mirrored(t, s, "vdc5", "vda5")
	found, err := s.Find()
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(s.Dev, name) }
	if len(found) != 2 || found[0].Disk != at("vda") || len(found[0].Twins) != 1 || found[1].Disk != at("vdb") || !found[1].Whole() {
		t.Fatalf("found %+v", found)
	}
	pair := found[0]
	if d := cmp.Diff([]string{at("vda5"), at("vdc5")}, pair.Data()); d != "" || !pair.Whole() {
		t.Error(d, pair.Whole())
	}
	other, err := Pick(found, at("vdc"))
	if err != nil || other.Disk != at("vdc") || len(other.Twins) != 1 || other.Twins[0].Disk != at("vda") || other.Twins[0].Twins != nil {
		t.Errorf("by its second disk: %+v, %v", other, err)
	}
	if err := os.RemoveAll(filepath.Join(s.Sys, "class/block/vda5")); err != nil {
		t.Fatal(err)
	}
	if found, err = s.Find(); err != nil || len(found) != 2 || found[1].Disk != at("vdc") || found[1].Whole() {
		t.Errorf("without the first disk: %+v, %v", found, err)
	}
}

// TestSlotsOfBothDisksCount prefers the disk itself.
func TestSlotsOfBothDisksCount(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	empty := file(t, "empty", make([]byte, 2<<20))
	on := func(disk, a, b string) Installation {
		return Installation{Disk: disk, Parts: map[string]string{plan.LabelSlotA: a, plan.LabelSlotB: b}}
	}
	good := func() string { return written(t, "slot", "1.0", key) }
	for _, c := range []struct {
		name          string
		first, second Installation
		want          []string
	}{
		{"alike", on("x", good(), empty), on("y", good(), empty), []string{"x cairn-a", "y cairn-a"}},
		{"the first is damaged", on("x", empty, empty), on("y", good(), empty), []string{"y cairn-a"}},
		{"the second is newer", on("x", good(), empty), on("y", good(), written(t, "slot", "2.0", key)), []string{"y cairn-b", "x cairn-a", "y cairn-a"}},
	} {
		c.first.Twins = []Installation{c.second}
		slots, err := c.first.Choose("", []ed25519.PublicKey{pub})
		var got []string
		for _, s := range slots {
			got = append(got, s.Disk+" "+s.Label)
		}
		if d := cmp.Diff(c.want, got); err != nil || d != "" {
			t.Errorf("%s: %v\n%s", c.name, err, d)
		}
	}
}

func TestDisksForDataAreFound(t *testing.T) {
	s := fakeSystem(t, "vda", "vdb")
	part := filepath.Join(s.Sys, "devices/vdb/vdb1")
	if err := os.WriteFile(filepath.Join(part, "uevent"), []byte("PARTNAME="+plan.LabelDisk+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := s.Further()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]FurtherDisk{"01020304-0506-0708-090a-0b0c0d0e0f62": {Disk: filepath.Join(s.Dev, "vdb"), Part: filepath.Join(s.Dev, "vdb1")}}, got); d != "" {
		t.Error(d)
	}
}
