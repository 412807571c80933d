package disk

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// loopDevice is a block device of the smallest allowed size.
func loopDevice(t testing.TB) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root for a loop device")
	}
	file := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(plan.MinDiskGiB<<30), f.Close()); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("losetup", "--find", "--show", file).Output()
	if err != nil {
		t.Skipf("no loop device to be had: %v", err)
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if err := exec.Command("losetup", "-d", dev).Run(); err != nil {
			t.Errorf("detach %s: %v", dev, err)
		}
	})
	return dev
}

// TestInstallOnABlockDevice writes past the page cache of a real block device
// and reads through it.
func TestInstallOnABlockDevice(t *testing.T) {
	dev := loopDevice(t)
	target, err := Open(dev)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if other, err := Open(dev); err == nil {
		t.Errorf("the disk was given out twice: %v", other.Close())
	}
	parts := plan.Layout(target.Size)
	if _, err := target.Partition(parts); err != nil {
		t.Fatal(err)
	}
	data, f := randomFile(t, 3*manifest.ChunkSize+512)
	c := Copy{File: f, At: parts[2].Start, Room: parts[2].Size - manifest.FooterSize}
	if err := errors.Join(target.Write(t.Context(), data, c), target.Sync(), target.Verify(t.Context(), data, c)); err != nil {
		t.Fatal(err)
	}
	r, err := os.Open(dev)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(io.NewSectionReader(r, c.At, f.Size))
	if err != nil || !bytes.Equal(got, data.data) {
		t.Errorf("other readers see something else: %v", err)
	}
}
