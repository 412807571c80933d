package disk

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tree makes empty files and directories (with a slash at the end) below a new
// directory.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, n := range names {
		at := filepath.Join(dir, n)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(n, "/") {
			continue
		}
		if err := os.WriteFile(at, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReleaseOfWhatNobodyHolds(t *testing.T) {
	for name, sys := range map[string]string{
		"a file":   tree(t),
		"a disk":   tree(t, "class/block/sda/holders/", "class/block/sda/sda1/holders/"),
		"no sysfs": filepath.Join(tree(t), "none"),
	} {
		if err := Release(sys, "/dev/sda"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReleaseNamesWhatItCannotStop(t *testing.T) {
	sys := tree(t, "class/block/sda/sda1/holders/bcache0", "class/block/bcache0/holders/")
	err := Release(sys, "/dev/sda")
	if want := "disk /dev/sda: stop bcache0, which is in use: it is neither of md nor of the device mapper"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	loop := tree(t, "class/block/sda/holders/sda")
	if err := os.MkdirAll(filepath.Join(loop, "class/block/sda/holders"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Release(loop, "/dev/sda"); err == nil || !strings.Contains(err.Error(), "more than 8 devices above each other") {
		t.Errorf("a loop: got %v", err)
	}
}

// TestReleaseStopsAMapping puts two devices of the device mapper above each
// other on a real disk.
func TestReleaseStopsAMapping(t *testing.T) {
	dev := loopDevice(t)
	names := []string{"cairn-test-lower-" + filepath.Base(dev), "cairn-test-upper-" + filepath.Base(dev)}
	below := dev
	for _, name := range names {
		if out, err := exec.Command("dmsetup", "create", "--noudevsync", name, "--table", "0 2048 linear "+below+" 0").CombinedOutput(); err != nil {
			t.Skipf("no device mapper to be had: %v: %s", err, out)
		}
		t.Cleanup(func() { _ = exec.Command("dmsetup", "remove", "--noudevsync", name).Run() }) // gone already, if all is well
		out, err := exec.Command("dmsetup", "info", "-c", "--noheadings", "-o", "blkdevname", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		below = filepath.Join("/dev", strings.TrimSpace(string(out)))
	}
	if target, err := Open(dev); err == nil {
		t.Errorf("a disk that is in use was given out: %v", target.Close())
	}
	if err := Release("/sys", dev); err != nil {
		t.Fatal(err)
	}
	target, err := Open(dev)
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Error(err)
	}
}
