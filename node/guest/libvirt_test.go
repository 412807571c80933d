package guest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startLibvirtd runs a libvirtd of our own, as root, with mounts and networks
// of its own: nothing of it touches the machine's. It returns the socket and
// a function that runs a program beside it.
func startLibvirtd(t *testing.T) (socket string, beside func(args ...string)) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a libvirtd for guests has to be root")
	}
	for _, p := range []string{"libvirtd", "unshare", "nsenter", "ip"} {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed; on Debian: apt-get install libvirt-daemon util-linux iproute2", p)
		}
	}
	dir, err := os.MkdirTemp("", "libvirt") // short: socket paths are
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--mount", "--net", "--kill-child", "--fork", "--pid", "--mount-proc", "sh", "testdata/libvirtd.sh", dir)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("libvirtd said:\n%s", said.String())
		}
	})
	socket = filepath.Join(dir, "run/libvirt/libvirt-sock")
	v := &Libvirt{socket: socket, uri: "test:///default"}
	for deadline := time.Now().Add(2 * time.Minute); ; {
		if _, err := v.List(t.Context()); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("libvirtd does not answer: %v", err)
		}
		select {
		case err := <-ended:
			ended <- err
			t.Skipf("libvirtd does not run on this machine: %v\n%s", err, said.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return socket, func(args ...string) {
		t.Helper()
		p := fmt.Sprint(cmd.Process.Pid)
		pid, err := os.ReadFile(filepath.Join("/proc", p, "task", p, "children"))
		if err != nil {
			t.Fatal(err)
		}
		args = append([]string{"--mount", "--net", "--target", strings.TrimSpace(string(pid))}, args...)
		if out, err := exec.Command("nsenter", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
}

func TestLibvirt(t *testing.T) {
	socket, beside := startLibvirtd(t)
	beside("ip", "link", "add", "br-tenant", "type", "bridge")
	beside("ip", "link", "set", "br-tenant", "up")
	t.Run("qemu", func(t *testing.T) { testQEMU(t, socket, beside) })
	t.Run("lxc", func(t *testing.T) { testLXC(t, socket) })
}

func testQEMU(t *testing.T, socket string, beside func(...string)) {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("qemu-system-x86_64 is not installed; on Debian: apt-get install qemu-system-x86")
	}
	d := NewQEMU(socket, false, "a test")
	d.grace = time.Second // the firmware hears nothing
	beside("ip", "tuntap", "add", "dev", "tap0", "mode", "tap", "vnet_hdr")
	beside("ip", "link", "set", "tap0", "master", "br-tenant", "up")
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

func testLXC(t *testing.T, socket string) {
	d := NewLXC(socket)
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
