package netboot

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/cairn-cloud/cairn/qa/lab/fabric"
)

// managementVLAN is the network that machines boot from.
const managementVLAN = 10

// laptopNIC is the laptop's interface, and laptopAddress its address.
const (
	laptopNIC     = "eth0"
	laptopAddress = "10.20.0.9"
)

// inNamespace runs the calling test again in a network namespace of its own
// and tells whether this is that copy.
func inNamespace(t *testing.T) bool {
	t.Helper()
	const inner = "CAIRN_TEST_INNER"
	if os.Getenv(inner) == t.Name() {
		return true
	}
	if os.Getuid() != 0 {
		t.Skip("a laptop's network needs root, here in a network namespace of its own")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("this machine has no /dev/net/tun")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=0")
	cmd.Env = append(os.Environ(), inner+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("this machine gives us no network namespace")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out.Bytes())
	}
	if bytes.Contains(out.Bytes(), []byte("--- SKIP")) {
		t.Skipf("%s", out.Bytes())
	}
	t.Logf("%s", out.Bytes())
	return false
}

// A laptop is this namespace: a program in it and a cable to the switch.
type laptop struct {
	*logbook
	state string
	ended chan struct{} // closed when the program is gone
	err   error         // what it ended with, valid after ended
}

// network makes the lab's switch with the laptop in it.
func network(t *testing.T) *fabric.Switch {
	t.Helper()
	s := fabric.New("lab")
	cable(t, s, laptopNIC, laptopAddress+"/24", fabric.PortConfig{Name: "laptop", Access: managementVLAN})
	return s
}

// cable makes an interface of this namespace with an address, whose other end
// is in a port of the switch.
func cable(t *testing.T, s *fabric.Switch, name, address string, config fabric.PortConfig) {
	t.Helper()
	port, err := s.AddPort(config)
	must(t, err)
	conn, err := fabric.Tap(name)
	must(t, err)
	attached := make(chan error, 1)
	go func() { attached <- port.Attach(conn) }()
	t.Cleanup(func() {
		must(t, conn.Close())
		must(t, <-attached)
	})
	a, err := netlink.ParseAddr(address)
	must(t, err)
	for _, name := range []string{"lo", name} {
		link, err := netlink.LinkByName(name)
		must(t, err)
		must(t, netlink.LinkSetUp(link))
		if name != "lo" {
			must(t, netlink.AddrAdd(link, a))
		}
	}
}

// deploy runs `cairn deploy` until the test ends.
func deploy(t *testing.T, args ...string) *laptop {
	t.Helper()
	l := &laptop{logbook: newLogbook(), state: filepath.Join(t.TempDir(), "deploy"), ended: make(chan struct{})}
	cmd := exec.Command(program(t), append([]string{"deploy", "--state", l.state, "--interface", laptopNIC, "--address", laptopAddress}, args...)...)
	cmd.Stdout, cmd.Stderr = l, l
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	go func() { // ends with the program
		l.err = cmd.Wait()
		close(l.ended)
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		<-l.ended
		if l.err != nil {
			t.Errorf("the deployer ended with %v", l.err)
		}
		t.Logf("the deployer said:\n%s", l)
	})
	l.wait(t, time.Minute, nil, "deployer ready")
	return l
}

// program builds cairn, as it is in this tree.
func program(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "cairn")
	cmd := exec.Command("go", "build", "-o", file, "../../cmd/cairn")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build cairn: %v\n%s", err, out)
	}
	return file
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A logbook collects what a program says and lets a test wait for a line.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
	more chan struct{}
}

func newLogbook() *logbook { return &logbook{more: make(chan struct{}, 1)} }

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.text.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// wait returns the first line with all words. It gives up when for as long as
// quiet nothing was said and, where a machine works on it, that has done
// nothing.
func (l *logbook) wait(t *testing.T, quiet time.Duration, c *computer, words ...string) string {
	t.Helper()
	for {
		for line := range strings.Lines(l.String()) {
			found := true
			for _, w := range words {
				found = found && strings.Contains(line, w)
			}
			if found {
				return line
			}
		}
		select {
		case <-l.more:
		case <-time.After(quiet):
			if c == nil || !c.works(t) {
				t.Fatalf("nothing happened for %s; waiting for a line with %q", quiet, words)
			}
		}
	}
}
