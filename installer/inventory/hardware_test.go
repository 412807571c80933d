package inventory

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/inventory/ipmi"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// tree is a machine of that many disks and cards, in files.
func tree(t testing.TB, disks, cards int) Host {
	t.Helper()
	dir := t.TempDir()
	h := Host{Sys: filepath.Join(dir, "sys"), Proc: filepath.Join(dir, "proc"), Dev: filepath.Join(dir, "dev")}
	put := func(text string, path ...string) {
		t.Helper()
		file := filepath.Join(path...)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to string, path ...string) {
		t.Helper()
		file := filepath.Join(path...)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.Symlink(to, file)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range disks {
		name := fmt.Sprintf("sd%c%c", 'a'+i/26, 'a'+i%26)
		end := fmt.Sprintf("end_device-0:0:%d", i)
		at := filepath.Join(h.Sys, "devices/pci0000:16/0000:16:02.0/0000:17:00.0/host0/port-0:0/expander-0:0", end,
			fmt.Sprintf("target0:0:%d/0:0:%d:0/block", i, i), name)
		for file, text := range map[string]string{"size": "4688430768", "ro": "0", "removable": "0", "queue/rotational": "1",
			"queue/logical_block_size": "512", "device/model": "ST2400MM0159", "device/wwid": fmt.Sprintf("naa.5000c500d7a8b1%02x", i)} {
			put(text, at, file)
		}
		link(at, h.Sys, "block", name)
		put("", h.Dev, name)
		if err := os.Truncate(filepath.Join(h.Dev, name), 4<<20); err != nil {
			t.Fatal(err)
		}
	}
	for i := range cards {
		name := fmt.Sprintf("eth%d", i)
		at := filepath.Join(h.Sys, fmt.Sprintf("devices/pci0000:30/0000:30:02.0/0000:%02x:00.0", 0x31+i))
		put("0", at, "numa_node")
		put("1", h.Sys, "class/net", name, "type")
		put(fmt.Sprintf("b4:96:91:00:00:%02x", i), h.Sys, "class/net", name, "address")
		put(fmt.Sprint(i%2), h.Sys, "class/net", name, "carrier")
		link(at, h.Sys, "class/net", name, "device")
	}
	put("processor : 0\nmodel name : Xeon\nflags : vmx aes\n", h.Proc, "cpuinfo")
	put("MemTotal: 263569400 kB\n", h.Proc, "meminfo")
	return h
}

// A disk that never answers must not hold the inventory up.
func TestDiskThatHangs(t *testing.T) {
	t.Parallel()
	h := tree(t, 3, 0)
	if err := errors.Join(os.Remove(filepath.Join(h.Dev, "sdac")), syscall.Mkfifo(filepath.Join(h.Dev, "sdac"), 0o600)); err != nil {
		t.Fatal(err)
	}
	forever := make(chan struct{})
	t.Cleanup(func() {
		close(forever)
		w, err := os.OpenFile(filepath.Join(h.Dev, "sdac"), os.O_RDWR, 0) // lets the reader go
		if err == nil {
			w.Close()
		}
	})
	h.Patience = 5 * time.Second // the healthy ones have to answer in time on a busy machine
	h.Health = func(path, bus string) (*plan.Health, error) {
		switch filepath.Base(path) {
		case "sdab":
			return nil, errors.New("it says nothing")
		case "sdac":
			<-forever
		}
		return &plan.Health{OK: true, Why: bus}, nil
	}
	got := map[string]any{}
	for _, d := range h.Collect("", "").Disks {
		got[d.Path] = []any{d.Contents, d.Health}
	}
	want := map[string]any{
		"/dev/sdaa": []any{[]string(nil), &plan.Health{OK: true, Why: "scsi"}},
		"/dev/sdab": []any{[]string(nil), (*plan.Health)(nil)},
		"/dev/sdac": []any{[]string{"unknown, it cannot be read: there was no answer for 5s"}, (*plan.Health)(nil)},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// ears is what was heard; waiting for anybody else is noted.
type ears struct {
	heard  map[string]plan.LLDP
	waited []string
}

func (e *ears) Heard() map[string]plan.LLDP { return e.heard }
func (e *ears) Wait(cards []string, _ time.Duration) {
	e.waited = cards
}

func TestNeighbours(t *testing.T) {
	h := tree(t, 0, 3)
	e := &ears{heard: map[string]plan.LLDP{"eth1": {Switch: "leaf"}, "eth9": {Switch: "gone"}}}
	h.Neighbours = e
	h.MTUs = func() map[string]int { return map[string]int{"eth1": 9216} }
	cards := h.Collect("", "").NICs
	if e.waited != nil {
		t.Errorf("waited for %v although nobody asked", e.waited)
	}
	if cards[0].LLDP != nil || cards[2].LLDP != nil || cards[1].MTU != 9216 {
		t.Errorf("got %+v", cards)
	}
	if d := cmp.Diff(&plan.LLDP{Switch: "leaf"}, cards[1].LLDP); d != "" {
		t.Error(d)
	}
	h.LLDPWait = time.Millisecond
	h.Collect("", "")
	if d := cmp.Diff([]string{"eth1"}, e.waited); d != "" {
		t.Errorf("waited for cards: %s", d)
	}
}

func TestManager(t *testing.T) {
	forever := make(chan struct{})
	t.Cleanup(func() { close(forever) })
	for name, c := range map[string]struct {
		lan  func(string) (ipmi.LAN, error)
		want *plan.Manager
	}{
		"answers": {func(string) (ipmi.LAN, error) {
			return ipmi.LAN{Channel: 1, Address: netip.MustParseAddr("10.0.0.7"), MAC: "b0:7b:25:00:00:09"}, nil
		}, &plan.Manager{Address: "10.0.0.7", MAC: "b0:7b:25:00:00:09"}},
		"refuses":   {func(string) (ipmi.LAN, error) { return ipmi.LAN{}, ipmi.ErrNoLAN }, &plan.Manager{}},
		"hangs":     {func(string) (ipmi.LAN, error) { <-forever; return ipmi.LAN{}, nil }, &plan.Manager{}},
		"not asked": {nil, &plan.Manager{}},
	} {
		t.Run(name, func(t *testing.T) {
			h := tree(t, 0, 0)
			h.Patience, h.LAN = 2*time.Second, c.lan
			if err := errors.Join(os.MkdirAll(h.Dev, 0o755), os.WriteFile(filepath.Join(h.Dev, ipmi.Device), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, h.Collect("", "").BMC); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestMaxMTU(t *testing.T) {
	attr := func(kind uint16, value string) syscall.NetlinkRouteAttr {
		return syscall.NetlinkRouteAttr{Attr: syscall.RtAttr{Type: kind}, Value: []byte(value)}
	}
	name, mtu := maxMTU([]syscall.NetlinkRouteAttr{attr(syscall.IFLA_IFNAME, "eth0\x00"), attr(iflaMaxMTU, "\x00\x24\x00\x00")})
	if name != "eth0" || mtu != 9216 {
		t.Errorf("got %s, %d", name, mtu)
	}
	if _, mtu := maxMTU([]syscall.NetlinkRouteAttr{attr(iflaMaxMTU, "\xff\xff\xff\x7f")}); mtu != 65535 {
		t.Errorf("a card without limit takes %d", mtu)
	}
}

func TestUUID(t *testing.T) {
	for in, want := range map[string]string{
		"4C4C4544-0042-3010-8052-B4C04F564E31": "4c4c4544-0042-3010-8052-b4c04f564e31",
		"00000000-0000-0000-0000-000000000000": "",
		"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF": "",
		"03000200-0400-0500-0006-000700080009": "",
		"Not Settable":                         "not settable",
		"":                                     "",
	} {
		h := Host{Sys: t.TempDir()}
		dir := filepath.Join(h.Sys, "class/dmi/id")
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "product_uuid"), []byte(in), 0o600)); err != nil {
			t.Fatal(err)
		}
		if got := h.uuid(); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

// BenchmarkCollect looks at a storage server: 60 disks, 48 cards.
func BenchmarkCollect(b *testing.B) {
	h := tree(b, 60, 48)
	for b.Loop() {
		if inv := h.Collect("", ""); len(inv.Disks) != 60 || len(inv.NICs) != 48 {
			b.Fatalf("%d disks, %d cards", len(inv.Disks), len(inv.NICs))
		}
	}
}
