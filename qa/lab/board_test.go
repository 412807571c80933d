package lab

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/qa/lab/bmc"
	"github.com/cairn-cloud/cairn/qa/lab/fabric"
	"github.com/cairn-cloud/cairn/qa/lab/machine"
	"github.com/cairn-cloud/cairn/qa/lab/shape"
)

// TestMain is also what the gateway starts for a connection to a BMC: the
// program that runs, which here is the test.
func TestMain(m *testing.M) {
	if len(os.Args) == 6 && os.Args[2] == "bmc" {
		c := bmcCommand{place{os.Args[4]}, os.Args[5]}
		if err := c.Run(context.Background(), nil); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// supervised is a rack of one machine with a BMC, and its supervisor.
func supervised(t *testing.T, f machine.Firmware, memory int) *supervisor {
	t.Helper()
	dir := t.TempDir()
	ssh, err := freePort(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	config := &Config{SSH: ssh, BMC: true, Machines: []Machine{
		{shape.Machine{Name: "controller", Firmware: machine.BIOS, CPUs: 1, MemoryMiB: 128, NICs: []shape.Network{shape.Management}}, 1},
		{shape.Machine{Name: "compute1", Firmware: f, CPUs: 2, MemoryMiB: memory, NICs: []shape.Network{shape.Management}}, 2},
	}}
	if err := config.makeBMCs(dir); err != nil {
		t.Fatal(err)
	}
	s := &supervisor{dir: dir, config: config, log: slog.New(slog.DiscardHandler), sw: fabric.New("test")}
	if err := s.build(); err != nil {
		t.Fatal(err)
	}
	l, err := listenIn(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s.routes(), ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(s.end(server), <-served); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

// dialInside connects to an address from a host on the management network of
// the switch: an own network namespace.
func dialInside(t *testing.T, s *supervisor, address string) net.Conn {
	t.Helper()
	port, err := s.sw.AddPort(fabric.PortConfig{Name: "host", Access: managementVLAN})
	if err != nil {
		t.Fatal(err)
	}
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with its namespace
		conn, err := func() (net.Conn, error) {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return nil, err
			}
			tap, err := fabric.Tap("host0")
			if err != nil {
				return nil, err
			}
			go port.Attach(tap)
			t.Cleanup(func() { tap.Close() })
			link, err := netlink.LinkByName("host0")
			if err != nil {
				return nil, err
			}
			own, err := netlink.ParseAddr("10.20.0.11/24")
			if err != nil {
				return nil, err
			}
			if err := errors.Join(netlink.AddrAdd(link, own), netlink.LinkSetUp(link)); err != nil {
				return nil, err
			}
			return net.DialTimeout("tcp", address, time.Minute)
		}()
		done <- result{conn, err}
	}()
	r := <-done
	if errors.Is(r.err, unix.EPERM) || errors.Is(r.err, os.ErrNotExist) {
		t.Skipf("no host can be put onto the switch here: %v", r.err)
	}
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.conn
}

// TestBMCIsOnTheManagementNetwork: what rack.yaml says of it is what a host
// there finds, with the password of its file.
func TestBMCIsOnTheManagementNetwork(t *testing.T) {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("qemu-system-x86_64 is not installed; it is what machines are made of")
	}
	s := supervised(t, machine.BIOS, 128)
	if err := s.gateway.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn := dialInside(t, s, "10.20.0.202:443")
	defer conn.Close()
	known := s.config.Fields["machines"].([]any)[1].(map[string]any)["bmc"].(map[string]any)
	secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(c tls.ConnectionState) error {
		if got := bmc.Fingerprint(tls.Certificate{Certificate: [][]byte{c.PeerCertificates[0].Raw}}); got != known["ca"] {
			return fmt.Errorf("fingerprint %s; rack.yaml has %s", got, known["ca"])
		}
		return nil
	}})
	password, err := os.ReadFile(filepath.Join(s.dir, "compute1", bmcPassword))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return secure, nil }}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://10.20.0.202/redfish/v1/Systems/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(bmcUser, string(password))
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !bytes.Contains(text, []byte(`"Name":"compute1"`)) || !bytes.Contains(text, []byte(`"PowerState":"Off"`)) {
		t.Errorf("%s: %s, %v", res.Status, text, err)
	}
}

// TestMediumFromAfar fetches what a BMC is told to insert.
func TestMediumFromAfar(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/cairn.iso" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, "an ISO")
	})}
	go server.Serve(l) // ends with Close
	defer server.Close()
	s := supervised(t, machine.BIOS, 128)
	b := board{s.machines[1], s}
	if err := b.Insert(t.Context(), "http://"+l.Addr().String()+"/cairn.iso"); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(s.dir, "compute1", "virtual-cd.iso"))
	if err != nil || string(raw) != "an ISO" {
		t.Errorf("in the drive is %q, %v", raw, err)
	}
	for url, want := range map[string]string{
		"http://" + l.Addr().String() + "/other.iso": "the server says 404",
		"ftp://example.org/cairn.iso":                "allowed: a URL with http or https",
		"cairn.iso":                                  "allowed: a URL with http or https",
	} {
		if err := b.Insert(t.Context(), url); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", url, err, want)
		}
	}
	if err := b.Insert(t.Context(), ""); err != nil {
		t.Error(err)
	}
	if err := b.BootNext("Floppy"); err == nil || err.Error() != "BootSourceOverrideTarget is Floppy; allowed: None, Pxe, Hdd, Cd" {
		t.Error(err)
	}
}
