package lab

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/qa/built"
	"github.com/cairn-cloud/cairn/qa/lab/bmc"
	"github.com/cairn-cloud/cairn/qa/lab/fabric"
	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// TestBootsWhatIsFarAway: a machine whose network comes first starts from an
// ISO that its BMC was given the URL of, once.
func TestBootsWhatIsFarAway(t *testing.T) {
	built.Long(t)
	out := built.Out(t, "cairn.iso")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(out)), ReadHeaderTimeout: time.Minute}
	go server.Serve(l) // ends with Close
	defer server.Close()
	for _, f := range []machine.Firmware{machine.BIOS, machine.UEFI} {
		t.Run(string(f), func(t *testing.T) {
			s := supervised(t, f, 1536)
			b := board{s.machines[1], s}
			if err := errors.Join(b.Insert(t.Context(), "http://"+l.Addr().String()+"/cairn.iso"), b.BootNext(bmc.BootCD), b.PowerOn(t.Context())); err != nil {
				t.Fatal(err)
			}
			session{t: t, pause: time.Second}.until("the medium asks a person", func() bool {
				raw, err := os.ReadFile(filepath.Join(s.dir, "compute1", "serial.log"))
				return err == nil && strings.Contains(string(raw), "What shall become of this machine?")
			})
		})
	}
}

// A session is a rack that a test has from the ISO on, and its operator.
type session struct {
	t     *testing.T
	out   string // where the program and the ISO are
	dir   string
	pause time.Duration // between two looks
}

// newSession skips the test where a rack cannot be.
func newSession(t *testing.T) session {
	t.Helper()
	built.Long(t)
	out := built.Out(t, "cairn.iso", "cairn", "guest/aki")
	s := session{t, out, t.TempDir(), askEvery}
	t.Cleanup(func() { s.cairn("rack", "down") })
	return s
}

// cairn runs the program on the rack.
func (s session) cairn(args ...string) string {
	s.t.Helper()
	out, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("cairn %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (s session) try(args ...string) (string, error) {
	at := min(2, len(args)) // behind `rack up`
	args = slices.Insert(slices.Clone(args), at, "--dir", s.dir)
	out, err := exec.Command(filepath.Join(s.out, "cairn"), args...).CombinedOutput()
	s.t.Logf("cairn %s\n%s", strings.Join(args, " "), out)
	return string(out), err
}

// up goes on with the rack.
func (s session) up(from, until string) (string, error) {
	return s.try("rack", "up", "--iso", filepath.Join(s.out, "cairn.iso"), "--guest", filepath.Join(s.out, "guest"),
		"--from", from, "--until", until, "--computes", "2", "--firmware", "bios", "--bmc", "--keep")
}

// fleet is what the operator says on the controller.
func (s session) fleet(args ...string) string {
	s.t.Helper()
	return s.cairn(append([]string{"rack", "ssh", "controller", "cairn", "fleet"}, args...)...)
}

// until looks again and again, as long as the rack is up.
func (s session) until(what string, ok func() bool) {
	s.t.Helper()
	const patience = 10 * time.Minute
	for end := time.Now().Add(patience); !ok(); time.Sleep(s.pause) {
		if time.Now().After(end) {
			s.t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// TestFromAfar: nobody stands before the rack. Its operator switches the
// machines by their BMCs; the switch port of one of them lacks a VLAN, which
// the deployer finds before any disk is touched; and one is started from a
// medium that is far away.
func TestFromAfar(t *testing.T) {
	s := newSession(t)
	if _, err := s.up("start", "controller"); err != nil {
		t.Fatal(err)
	}
	c := newClient(s.dir)
	fault := func(f fabric.Fault) {
		t.Helper()
		if err := c.do(t.Context(), http.MethodPut, "/fault", portRequest{Port: "compute2/tenant", Fault: f}, nil); err != nil {
			t.Fatal(err)
		}
	}
	fault(fabric.Fault{Missing: []int{150}})
	ready := make(chan error, 1)
	go func() {
		_, err := s.up("computes", "computes")
		ready <- err
	}()
	s.until("the fabric check names the port", func() bool {
		said := s.fleet("fabric")
		return strings.Contains(said, "VLAN 150") && strings.Contains(said, "port compute2/tenant")
	})
	if said := s.fleet("list"); strings.Contains(said, "installing") {
		t.Errorf("a machine is installed though a VLAN is missing:\n%s", said)
	}
	fault(fabric.Fault{})
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	t.Run("power", func(t *testing.T) { powerFromAfar(s, c) })
	t.Run("medium", func(t *testing.T) { mediumFromAfar(s, c) })
}

// on tells whether compute1 is on, as the lab sees it.
func (s session) on(c *client) bool {
	s.t.Helper()
	return s.compute1(c).On
}

func (s session) compute1(c *client) MachineStatus {
	s.t.Helper()
	status, err := c.status(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	i := slices.IndexFunc(status.Machines, func(m MachineStatus) bool { return m.Name == "compute1" })
	return status.Machines[i]
}

func powerFromAfar(s session, c *client) {
	for _, step := range []struct {
		action string
		on     bool
		state  string
	}{{"status", true, "power on"}, {"off", false, "power off"}, {"status", false, "power off"}, {"on", true, "power on"}, {"cycle", true, "power on"}} {
		if said := s.fleet("power", step.action, "compute1"); !strings.Contains(said, step.state) || s.on(c) != step.on {
			s.t.Errorf("power %s: %s; the machine is on: %t", step.action, said, s.on(c))
		}
	}
}

func mediumFromAfar(s session, c *client) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(s.out)), ReadHeaderTimeout: time.Minute}
	go server.Serve(l) // ends with Close
	defer server.Close()
	s.fleet("power", "cycle", "compute1", "--iso", "http://"+l.Addr().String()+"/cairn.iso", "--boot", "cd")
	s.until("the medium asks a person", func() bool {
		raw, err := os.ReadFile(filepath.Join(s.dir, "compute1", "serial.log"))
		return err == nil && strings.Contains(string(raw), "What shall become of this machine?")
	})
	s.fleet("power", "cycle", "compute1", "--eject")
	s.until("it boots its disk again", func() bool { m := s.compute1(c); return m.current() == "login" })
}
