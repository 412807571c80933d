package installer

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/tui/wizard"
)

func TestReadScript(t *testing.T) {
	const install = "#!ipxe\necho Cairn: booting the installer from 10.20.0.11\n:again\nkernel http://10.20.0.11:8080/image/vmlinuz initrd=initramfs cairn.mode=install " +
		"cairn.deployer=10.20.0.11 cairn.ca=sha256:00ff cairn.ticket=1.a.b BOOTIF=01-52 || goto retry\n"
	for _, c := range []struct {
		script string
		want   wizard.Deployer
		err    string
	}{
		{install, wizard.Deployer{Host: "10.20.0.11", CA: "sha256:00ff", Ticket: "1.a.b"}, ""},
		{"#!ipxe\necho Cairn: 3 installations failed\n:again\nsleep 60\n", wizard.Deployer{Host: "h", Why: "3 installations failed"}, ""},
		{"<html>hello</html>", wizard.Deployer{Host: "h"}, "what is at h port 8080 is no deployer of Cairn"},
	} {
		got, err := readScript("h", c.script)
		if d := cmp.Diff(c.want, got); d != "" || errText(err) != c.err {
			t.Errorf("%.40q: %s %v", c.script, d, err)
		}
	}
}

func TestStaticWord(t *testing.T) {
	n := wizard.Network{Address: netip.MustParsePrefix("192.0.2.10/26"), Gateway: netip.MustParseAddr("192.0.2.1"),
		DNS: []netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("192.0.2.54"), netip.MustParseAddr("192.0.2.55")}}
	if got, want := staticWord(n), "192.0.2.10::192.0.2.1:255.255.255.192:::none:192.0.2.53:192.0.2.54"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	n.Gateway, n.DNS = netip.Addr{}, nil
	if got, want := staticWord(n), "192.0.2.10:::255.255.255.192:::none"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestOutcome says what a person needs after the installation.
func TestOutcome(t *testing.T) {
	ca, err := pki.FoundCA(t.TempDir(), "test")
	if err != nil {
		t.Fatal(err)
	}
	rack, err := plan.ParseRack([]byte("external: {nic: 52:54:00:00:00:01, address: 192.0.2.10/24}\n"))
	if err != nil {
		t.Fatal(err)
	}
	o := (&agreed{rack: rack, ca: ca.PEM()}).outcome(plan.Plan{HostName: "controller1"})
	want := []wizard.Fact{
		{Name: "API", Value: "https://192.0.2.10/ (some minutes after the start)"},
		{Name: "SSH", Value: "ssh cairn@10.20.0.11"},
		{Name: "Password", Value: "of the user admin: ssh cairn@10.20.0.11 cat /var/lib/cairn/operator/admin-password"},
		{Name: "Cloud's CA", Value: ca.Fingerprint()},
	}
	if d := cmp.Diff(want, o.Facts); d != "" {
		t.Error(d)
	}
	o = (&agreed{}).outcome(plan.Plan{HostName: "compute1"})
	if len(o.Facts) != 0 || !strings.Contains(o.Next, "says to the controller") {
		t.Errorf("a machine that joins is told %+v", o)
	}
}

// TestIdentityIsSeen: the last screen has the CA of a cloud that is founded
// when the identity is written.
func TestIdentityIsSeen(t *testing.T) {
	rack, err := plan.ParseRack(nil)
	if err != nil {
		t.Fatal(err)
	}
	o := &agreed{origin: &local{rack: rack}, rack: rack}
	id, err := o.Identity(t.Context(), plan.Plan{HostName: "controller1"})
	if err != nil {
		t.Fatal(err)
	}
	ca, _, _, err := id.found(t.TempDir())
	if err != nil || fingerprint(ca) == "" || fingerprint(o.ca) != fingerprint(ca) {
		t.Errorf("the CA is %q, and the screen shows %q, %v", fingerprint(ca), fingerprint(o.ca), err)
	}
	if got := fingerprint([]byte("no PEM")); got != "" {
		t.Errorf("the fingerprint of nothing is %q", got)
	}
}

func TestReach(t *testing.T) {
	for target, want := range map[string]string{"127.0.0.1:1": "refuses the connection, so it is there, after", "127.0.0.1": "answers after"} {
		got, err := reach(t.Context(), target)
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			t.Skipf("no raw sockets here: %v", err)
		}
		if err != nil || !strings.HasPrefix(got, target+" "+want) {
			t.Errorf("%s: %q, %v", target, got, err)
		}
	}
	if _, err := reach(t.Context(), "nothing.invalid"); err == nil {
		t.Error("a name that nobody has was reached")
	}
}

func TestPublicRoots(t *testing.T) {
	if n := len(publicRoots().Subjects()); n < 50 { //nolint:staticcheck // the pool is not the system's
		t.Errorf("%d CAs; browsers trust more", n)
	}
}

func TestOnlySmallFilesAreKeys(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int64{"a.pub": 10, "b.pub": maxKeys + 1} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, size)); err != nil {
			t.Fatal(err)
		}
		if _, err := readSmall(path); (err == nil) != (size < maxKeys) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := readSmall(dir); err == nil {
		t.Error("a directory was read")
	}
}

// TestOnlyWhatIsPluggedInIsRead: mounting a disk of the machine could change
// what is on it.
func TestOnlyWhatIsPluggedInIsRead(t *testing.T) {
	sys := t.TempDir()
	for name, c := range map[string]struct{ place, removable string }{
		"sda": {"devices/pci0000:00/0000:00:1f.2/ata1/host0/block/sda", "0"},
		"sdb": {"devices/pci0000:00/0000:00:14.0/usb1/1-1/host1/block/sdb", "0"},
		"sdc": {"devices/pci0000:00/0000:00:1f.3/mmc/block/sdc", "1"},
		"sr0": {"devices/pci0000:00/0000:00:1f.2/ata2/host2/block/sr0", "1"},
	} {
		dir := filepath.Join(sys, c.place)
		err := errors.Join(os.MkdirAll(dir, 0o755), os.MkdirAll(filepath.Join(sys, "block"), 0o755),
			os.WriteFile(filepath.Join(dir, "removable"), []byte(c.removable+"\n"), 0o600), os.Symlink(dir, filepath.Join(sys, "block", name)))
		if err != nil {
			t.Fatal(err)
		}
	}
	for disk, want := range map[string]bool{"/dev/sda": false, "/dev/sdb": true, "/dev/sdc": true, "/dev/sr0": true, "/dev/vda": false} {
		if got := pluggable(sys, disk); got != want {
			t.Errorf("%s: %v, want %v", disk, got, want)
		}
	}
}

// TestKeyWatch: one letter stops an unattended installation, and nothing else
// that a line may say.
func TestKeyWatch(t *testing.T) {
	for typed, want := range map[string]bool{"\r\n\x1b[B x": false, "hi": true} {
		far, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Skipf("no pseudo terminals here: %v", err)
		}
		n, err := unix.IoctlGetInt(int(far.Fd()), unix.TIOCGPTN)
		if err == nil {
			err = unix.IoctlSetPointerInt(int(far.Fd()), unix.TIOCSPTLCK, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		near, err := os.OpenFile(filepath.Join("/dev/pts", strconv.Itoa(n)), os.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		saved, err := oneKey(near)
		if err != nil {
			t.Fatal(err)
		}
		w := &keyWatch{files: []*os.File{near}, saved: []*unix.Termios{saved}, end: time.Now().Add(300 * time.Millisecond)}
		if _, err := far.WriteString(typed); err != nil {
			t.Fatal(err)
		}
		if got := w.pressed(t.Context()); got != want {
			t.Errorf("%q: %v, want %v", typed, got, want)
		}
		w.stop()
		if w.pressed(context.Background()) {
			t.Error("nobody is watched any more, and somebody pressed")
		}
		far.Close()
	}
}
