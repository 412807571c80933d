package pxe

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
)

// innerEnv marks the copy of a test that runs inside its own namespaces.
const innerEnv = "CAIRN_TEST_INNER"

// inNamespace runs the calling test again in a network namespace of its own
// and tells whether this is that copy. It needs no root where the kernel gives
// user namespaces to everybody.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv(innerEnv) == t.Name() {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=0")
	cmd.Env = append(os.Environ(), innerEnv+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("this machine gives us no network namespace: neither root nor user namespaces")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if bytes.Contains(out, []byte("--- SKIP")) {
		t.Skipf("%s", out)
	}
	t.Logf("%s", out)
	return false
}

// bridgeName is the management network inside the namespace.
const bridgeName = "br0"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func up(t *testing.T, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	must(t, err)
	must(t, netlink.LinkSetUp(l))
	return l
}

// wire makes the management network: a bridge with the deployer's address.
func wire(t *testing.T) netlink.Link {
	t.Helper()
	up(t, "lo")
	must(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridgeName}}))
	br := up(t, bridgeName)
	addr, err := netlink.ParseAddr("10.20.0.11/24")
	must(t, err)
	must(t, netlink.AddrAdd(br, addr))
	return br
}

// bridge is the management network that wire made.
func bridge(t *testing.T) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(bridgeName)
	must(t, err)
	return l
}

// plug adds a port to the bridge.
func plug(t *testing.T, br, port netlink.Link) {
	t.Helper()
	must(t, netlink.LinkSetMaster(port, br))
	must(t, netlink.LinkSetUp(port))
}

// A station is a machine made of one NIC in its own namespace.
type station struct {
	ns  netns.NsHandle
	mac net.HardwareAddr
}

// newStation joins a station to the bridge.
func newStation(t *testing.T, br netlink.Link, n byte) *station {
	t.Helper()
	s := &station{mac: net.HardwareAddr{0x52, 0x54, 0, 0, 0, n}}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	must(t, err)
	s.ns, err = netns.New()
	must(t, err)
	must(t, netns.Set(home))
	host, peer := fmt.Sprintf("port%d", n), fmt.Sprintf("eth%d", n)
	must(t, netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: host}, PeerName: peer, PeerHardwareAddr: s.mac}))
	port, err := netlink.LinkByName(host)
	must(t, err)
	plug(t, br, port)
	far, err := netlink.LinkByName(peer)
	must(t, err)
	must(t, netlink.LinkSetNsFd(far, int(s.ns)))
	must(t, s.do(func() error {
		l, err := netlink.LinkByName(peer)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetName(l, "eth0"); err != nil {
			return err
		}
		return netlink.LinkSetUp(l)
	}))
	return s
}

// do runs f on a thread that is in the station's namespace.
func (s *station) do(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		return err
	}
	defer home.Close()
	if err := netns.Set(s.ns); err != nil {
		return err
	}
	return errors.Join(f(), netns.Set(home))
}

// dial connects from the station.
func (s *station) dial(ctx context.Context, network, addr string) (c net.Conn, err error) {
	err = s.do(func() error {
		var d net.Dialer
		c, err = d.DialContext(ctx, network, addr)
		return err
	})
	return c, err
}

// address gives the station the address it leased.
func (s *station) address(t *testing.T, a netip.Prefix) {
	t.Helper()
	must(t, s.do(func() error {
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.AddrReplace(l, &netlink.Addr{IPNet: &net.IPNet{IP: a.Addr().AsSlice(), Mask: net.CIDRMask(a.Bits(), 32)}})
	}))
}

// testRelease writes a release with the given kernel and a root of three
// chunks and a bit.
func testRelease(t *testing.T, kernel []byte) string {
	t.Helper()
	dir := t.TempDir()
	root := make([]byte, 3*manifest.ChunkSize+77)
	if _, err := rand.Read(root); err != nil {
		t.Fatal(err)
	}
	m := manifest.Manifest{Format: 1, Version: "test-1"}
	for name, data := range map[string][]byte{
		manifest.Kernel: kernel, manifest.Initramfs: []byte("initramfs"), manifest.Root: root, manifest.ESP: []byte("esp"),
	} {
		f, err := manifest.Describe(name, bytes.NewReader(data))
		must(t, err)
		m.Files = append(m.Files, f)
		must(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	raw, err := json.Marshal(m)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, manifest.Name), raw, 0o644))
	return dir
}

// A logbook collects the deployer's log and lets a test wait for a line.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
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

// wait returns when a line has all words. It gives up when nothing at all was
// said for as long as quiet.
func (l *logbook) wait(t *testing.T, quiet time.Duration, words ...string) {
	t.Helper()
	for {
		for line := range strings.Lines(l.String()) {
			found := true
			for _, w := range words {
				found = found && strings.Contains(line, w)
			}
			if found {
				return
			}
		}
		select {
		case <-l.more:
		case <-time.After(quiet):
			t.Fatalf("nothing was said for %s; waiting for a line with %q. Said so far:\n%s", quiet, words, l)
		}
	}
}

// startDeployer runs `cairn deploy` in this namespace until the test ends.
func startDeployer(t *testing.T, kernel []byte, change func(*Command)) (*logbook, string) {
	t.Helper()
	book := newLogbook()
	log := slog.New(slog.NewTextHandler(io.MultiWriter(book, testWriter{t}), nil))
	state := t.TempDir()
	cmd := &Command{State: state, Interface: bridgeName}
	if kernel != nil {
		cmd.Release = testRelease(t, kernel)
	}
	if change != nil {
		change(cmd)
	}
	if cmd.Rack == "" {
		// These machines have nothing to probe with.
		cmd.Rack = filepath.Join(state, "rack.yaml")
		must(t, os.WriteFile(cmd.Rack, []byte("fabric: {check: off}\n"), 0o600))
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- cmd.Run(ctx, log) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the deployer ended with %v", err)
		}
	})
	book.wait(t, time.Minute, "deployer ready")
	return book, state
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", bytes.TrimRight(b, "\n"))
	return len(b), nil
}
