package guest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/node/guest/libvirttest"
)

func TestLibvirt(t *testing.T) {
	d := libvirttest.Start(t)
	d.Run(t, "ip", "link", "add", "br-tenant", "type", "bridge")
	d.Run(t, "ip", "link", "set", "br-tenant", "up")
	t.Run("qemu", func(t *testing.T) { testQEMU(t, d) })
	t.Run("lxc", func(t *testing.T) { testLXC(t, d) })
}

func testQEMU(t *testing.T, daemon *libvirttest.Daemon) {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("qemu-system-x86_64 is not installed; on Debian: apt-get install qemu-system-x86")
	}
	d := NewQEMU(daemon.Socket, false, "a test")
	d.grace = time.Second // the firmware hears nothing
	daemon.Run(t, "ip", "tuntap", "add", "dev", "tap0", "mode", "tap", "vnet_hdr")
	daemon.Run(t, "ip", "link", "set", "tap0", "master", "br-tenant", "up")
	conform(t, stand{driver: d, spec: func(t *testing.T, id string) Spec {
		dir := guestDir(t)
		base, disk := filepath.Join(dir, "base"), filepath.Join(dir, "disk")
		if err := os.WriteFile(base, make([]byte, 1<<20), 0o444); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("qemu-img", "create", "-f", "qcow2", "-F", "raw", "-b", base, disk).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return Spec{
			ID: id, Name: "a guest", VCPUs: 1, MemoryMiB: 32, Console: filepath.Join(dir, "console.log"),
			Disk: &Disk{Path: disk, Format: "qcow2", Backing: base, BackingFormat: "raw"},
			NICs: []NIC{{Device: "tap0", Bridge: "br-tenant", MAC: "fa:16:3e:00:00:01", MTU: 1450}},
		}
	}})
}

func testLXC(t *testing.T, daemon *libvirttest.Daemon) {
	d := NewLXC(daemon.Socket)
	d.grace = 3 * time.Second
	dir := guestDir(t)
	root := filepath.Join(dir, "root")
	conform(t, stand{driver: d, spec: func(t *testing.T, id string) Spec {
		const base = 3_000_000
		for _, name := range []string{"", "dev", "proc", "sys", "tmp", "run", "etc"} {
			if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(filepath.Join(root, name), base, base); err != nil {
				t.Fatal(err)
			}
		}
		build := exec.Command("go", "build", "-o", filepath.Join(root, "init"), "./testdata/init")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return Spec{
			ID: id, Name: "a container", VCPUs: 1, MemoryMiB: 64, Root: root, IDBase: base,
			NICs: []NIC{{Device: "tapaaaaaaaa-aa", Bridge: "br-tenant", MAC: "fa:16:3e:00:00:02"}},
		}
	}})
}

// guestDir is a directory that the users of guests can reach.
func guestDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "guest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDeadline(t *testing.T) {
	dir := t.TempDir()
	v := NewLXC(filepath.Join(dir, "nobody"))
	if _, err := v.List(t.Context()); err == nil {
		t.Error("listed guests of nobody")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := v.Start(ctx, Spec{}); err == nil {
		t.Error("started after the end")
	}
}
