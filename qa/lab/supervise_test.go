package lab

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/qa/lab/fabric"
	"github.com/cairn-cloud/cairn/qa/lab/machine"
	"github.com/cairn-cloud/cairn/qa/lab/shape"
)

// A supervisor owns a real machine with nothing to boot from, in a directory
// whose path is longer than a Unix socket's may be.
func TestSupervisor(t *testing.T) {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("qemu-system-x86_64 is not installed; it is what machines are made of")
	}
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	ports := make([]int, 2)
	for i := range ports {
		p, err := freePort(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = p
	}
	config := &Config{API: ports[0], SSH: ports[1], Machines: []Machine{
		{shape.Machine{Name: "compute1", Firmware: machine.BIOS, CPUs: 1, MemoryMiB: 128, Disks: []shape.Disk{{GiB: 1}},
			NICs: []shape.Network{shape.Management, shape.Tenant}}, 2},
	}}
	if err := config.save(dir); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- supervise(ctx, dir, slog.New(slog.DiscardHandler)) }()
	c := newClient(dir)
	until(t, ended, func() bool { _, err := c.status(ctx); return err == nil })

	if err := c.power(ctx, "compute1", "on"); err != nil {
		t.Fatal(err)
	}
	until(t, ended, func() bool {
		s, err := c.status(ctx)
		return err == nil && s.Machines[0].On && s.Machines[0].current() == "network boot"
	})
	if err := c.do(ctx, "PUT", "/fault", portRequest{Port: "compute1/tenant", Fault: fabric.Fault{Down: true}}, nil); err != nil {
		t.Error(err)
	}
	if err := c.do(ctx, "PUT", "/capture", portRequest{Port: "compute1/management"}, nil); err != nil {
		t.Error(err)
	}
	if err := c.do(ctx, "PUT", "/fault", portRequest{Port: "nowhere"}, nil); err == nil || !strings.Contains(err.Error(), "compute1/tenant") {
		t.Errorf("a fault of an unknown port: %v", err)
	}
	if err := c.power(ctx, "compute9", "on"); err == nil || err.Error() != `no machine "compute9"; there are compute1` {
		t.Errorf("power of an unknown machine: %v", err)
	}
	line, err := c.console(ctx, "compute1")
	if err != nil {
		t.Fatal(err)
	}
	line.Close()
	s, err := c.status(ctx)
	if err != nil || len(s.Ports) != 3 || !s.Ports[1].Fault.Down {
		t.Errorf("status %+v, %v", s, err)
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := c.status(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("a rack that is down answers with %v", err)
	}
}

// until waits for something that a running supervisor makes true.
func until(t *testing.T, ended <-chan error, ok func() bool) {
	t.Helper()
	for !ok() {
		select {
		case err := <-ended:
			t.Fatalf("the supervisor ended: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
