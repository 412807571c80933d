package machine

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/qa/lab/fabric"
)

func TestFirst(t *testing.T) {
	s := Spec{NICs: []NIC{{BootIndex: 1}, {}}, Disks: []Disk{{BootIndex: 2}, {BootIndex: 3}}, CDROMs: []CDROM{{BootIndex: 4}}}
	for b, want := range map[Boot][]device{
		BootSetup:   {{"nic0", BootNetwork, 1}, {"hd0", BootDisk, 2}, {"hd1", BootDisk, 3}, {"cdrom0", BootCD, 4}},
		BootNetwork: {{"nic0", BootNetwork, 1}, {"hd0", BootDisk, 102}, {"hd1", BootDisk, 103}, {"cdrom0", BootCD, 104}},
		BootDisk:    {{"nic0", BootNetwork, 101}, {"hd0", BootDisk, 2}, {"hd1", BootDisk, 3}, {"cdrom0", BootCD, 104}},
		BootCD:      {{"nic0", BootNetwork, 101}, {"hd0", BootDisk, 102}, {"hd1", BootDisk, 103}, {"cdrom0", BootCD, 4}},
	} {
		changed := s.first(b)
		if d := cmp.Diff(want, changed.bootable(), cmp.AllowUnexported(device{})); d != "" {
			t.Errorf("%s: %s", b, d)
		}
	}
	if s.NICs[0].BootIndex != 1 {
		t.Error("the setup itself was changed")
	}
}

func TestService(t *testing.T) {
	s := Service{netip.MustParseAddrPort("10.20.0.202:443"), []string{"/a/it's", "join"}}
	if got, want := s.String(), `tcp:10.20.0.202:443-cmd:'/a/it'\''s' 'join'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// bootSector says "it is the disk" on the serial line and restarts the machine.
var bootSector = "\xfc\x31\xc0\x8e\xd8" + // cld; xor ax, ax; mov ds, ax
	"\xba\xf8\x03\xbe\x1a\x7c" + // mov dx, COM1; mov si, text
	"\xac\x84\xc0\x74\x03\xee\xeb\xf8" + // lodsb; test al, al; jz end; out dx, al; jmp lodsb
	"\xb0\xfe\xe6\x64\xf4\xeb\xfd" + // end: reset by the keyboard controller; hlt
	"\r\nit is the disk\r\n\x00"

// TestBootNextHoldsOnce: a machine whose network comes first boots its disk
// when it is told to, and when that restarts it, the network.
func TestBootNextHoldsOnce(t *testing.T) {
	needsQEMU(t)
	dir := t.TempDir()
	sector := make([]byte, 1<<20)
	copy(sector, bootSector)
	sector[510], sector[511] = 0x55, 0xaa
	if err := os.WriteFile(filepath.Join(dir, "disk.img"), sector, 0o600); err != nil {
		t.Fatal(err)
	}
	sw := fabric.New("test")
	port, err := sw.AddPort(fabric.PortConfig{Name: "machine", Access: 5})
	if err != nil {
		t.Fatal(err)
	}
	tap := listen(t, sw, fabric.PortConfig{Name: "tap", Access: 5})
	booted := make(chan bool, 1)
	m, err := New(Spec{
		Name: "m", Dir: dir, CPUs: 1, MemoryMiB: 256, CacheMiB: 32, Firmware: BIOS,
		NICs:   []NIC{{MAC: "52:54:00:12:34:56", Port: port, BootIndex: 1}},
		Disks:  []Disk{{File: "disk.img", Serial: "d", BootIndex: 2}},
		CDROMs: []CDROM{{BootIndex: 3}},
	}, Needs{Launcher: NewLauncher(), Log: slog.New(slog.DiscardHandler), Lines: func(l string) {
		if l == "it is the disk" {
			booted <- true
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.BootNext(BootDisk); err != nil {
		t.Fatal(err)
	}
	if err := m.PowerOn(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.PowerOff(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	select {
	case <-booted:
	case <-t.Context().Done():
		t.Fatal("the disk does not boot")
	}
	frames(t, tap, m, func(f []byte) bool { return dhcpDiscover(f, []byte{0x52, 0x54, 0, 0x12, 0x34, 0x56}) })

	// The disc of a machine that runs is changed, and taken out.
	disc := filepath.Join(dir, "disc.iso")
	if err := os.WriteFile(disc, sector, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{disc, ""} {
		if err := m.Insert(t.Context(), 0, file); err != nil {
			t.Error(err)
		}
	}
	if err := m.Insert(t.Context(), 1, ""); err == nil || err.Error() != "machine m: CD-ROM 1; it has 1" {
		t.Error(err)
	}
}

func TestBootNextNeedsADevice(t *testing.T) {
	m, err := New(Spec{Name: "m", Dir: t.TempDir(), CPUs: 1, MemoryMiB: 64, Firmware: BIOS}, Needs{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.BootNext(BootCD); err == nil || err.Error() != "machine m: boot cd next: it has no such device that it boots from" {
		t.Error(err)
	}
	if err := m.BootNext(BootSetup); err != nil {
		t.Error(err)
	}
}
