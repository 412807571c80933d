// Package libvirttest runs a libvirtd for tests: as root, but with mounts,
// networks and processes of its own, so that nothing of it touches the
// machine's, and nothing of it is left.
package libvirttest

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

//go:embed libvirtd.sh
var script string

// A Daemon is a running libvirtd.
type Daemon struct {
	Dir    string // that users of guests can pass through
	Socket string
	pid    string
}

// Start starts a libvirtd that ends with the test. The test is skipped where
// it cannot run.
func Start(t *testing.T) *Daemon {
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
	cmd := exec.CommandContext(context.Background(), "unshare", "--mount", "--net", "--kill-child", "--fork", "--pid", "--mount-proc", "sh", "-c", script, "libvirtd.sh", dir)
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
		if err := <-ended; err != nil {
			t.Logf("libvirtd ended: %v", err)
		}
		if t.Failed() {
			t.Logf("libvirtd said:\n%s", said.String())
		}
	})
	d := &Daemon{Dir: dir, Socket: filepath.Join(dir, "run/libvirt/libvirt-sock")}
	d.wait(t, ended, &said)
	p := fmt.Sprint(cmd.Process.Pid)
	pid, err := os.ReadFile(filepath.Join("/proc", p, "task", p, "children"))
	if err != nil {
		t.Fatal(err)
	}
	d.pid = strings.TrimSpace(string(pid))
	return d
}

func (d *Daemon) wait(t *testing.T, ended chan error, said fmt.Stringer) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		if c, err := new(net.Dialer).DialContext(t.Context(), "unix", d.Socket); err == nil {
			c.Close()
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("libvirtd does not answer: %v", err)
		}
		select {
		case err := <-ended:
			ended <- err
			t.Skipf("libvirtd does not run on this machine: %v\n%s", err, said)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Beside returns a command that runs with the mounts and networks of the
// daemon.
func (d *Daemon) Beside(name string, args ...string) *exec.Cmd {
	return exec.CommandContext(context.Background(), "nsenter", append([]string{"--mount", "--net", "--pid", "--target", d.pid, name}, args...)...)
}

// Run runs a command beside the daemon; it has to succeed.
func (d *Daemon) Run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := d.Beside(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}
