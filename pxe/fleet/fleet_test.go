package fleet

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.etcd.io/bbolt"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/plan"
)

const (
	mac1 = "52:54:00:00:00:01"
	mac2 = "52:54:00:00:00:02"
	id1  = "11111111-2222-4333-8444-555555555501"
	id2  = "11111111-2222-4333-8444-555555555502"
)

// plainAddrs compares addresses with ==.
func plainAddrs() cmp.Option { return cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}) }

// addresses is a pool that gives .101 to the first MAC that asks, and so on.
type addresses map[string]netip.Addr

func (a addresses) Pin(mac string) (netip.Addr, error) {
	if _, ok := a[mac]; !ok {
		a[mac] = netip.AddrFrom4([4]byte{10, 20, 0, byte(101 + len(a))})
	}
	return a[mac], nil
}

func (a addresses) Address(mac string) (netip.Addr, bool) { x, ok := a[mac]; return x, ok }

func (a addresses) Owner(x netip.Addr) (string, bool) {
	for mac, y := range a {
		if x == y {
			return mac, true
		}
	}
	return "", false
}

// A rack is a fleet in a test, with a clock that is set by hand.
type rack struct {
	*Fleet
	t    *testing.T
	conf Config
	now  time.Time
}

func newRack(t *testing.T, change func(*Config)) *rack {
	t.Helper()
	dir := t.TempDir()
	ca, err := pki.FoundCA(filepath.Join(dir, "pki"), "test")
	if err != nil {
		t.Fatal(err)
	}
	r, err := plan.ParseRack(nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Fabric.Check = fabricOff // but where it is what is tested
	k := &rack{t: t, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	k.conf = Config{Dir: dir, Rack: r, Version: "7", Addresses: addresses{}, Issuer: ca,
		Now: func() time.Time { return k.now }, Log: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&k.conf)
	}
	k.open()
	t.Cleanup(func() { k.conf.DB.Close() })
	return k
}

// open is what a start of the deployer does; again, it is a restart.
func (k *rack) open() {
	k.t.Helper()
	if k.conf.DB != nil {
		if err := k.conf.DB.Close(); err != nil {
			k.t.Fatal(err)
		}
	}
	var err error
	if k.conf.DB, err = bbolt.Open(filepath.Join(k.conf.Dir, "fleet.db"), 0o600, &bbolt.Options{NoSync: true}); err != nil {
		k.t.Fatal(err)
	}
	if k.Fleet, err = Open(k.conf); err != nil {
		k.t.Fatal(err)
	}
}

func (k *rack) boot(mac, id string) Decision {
	k.t.Helper()
	a, err := k.conf.Addresses.Pin(mac)
	if err != nil {
		k.t.Fatal(err)
	}
	d, err := k.Boot(Boot{MAC: mac, UUID: id, Firmware: "bios", From: a})
	if err != nil {
		k.t.Fatalf("boot of %s: %v", mac, err)
	}
	return d
}

func inventory(mac, id string) plan.Inventory {
	return plan.Inventory{Machine: id, Serial: "S" + id[len(id)-1:], Firmware: "bios", CPUs: 2, MemoryMiB: 2048, BootMAC: mac,
		Disks: []plan.Disk{{Path: "/dev/vda", Size: 20 << 30}},
		NICs:  []plan.NIC{{Name: "eth0", MAC: mac, Link: true}, {Name: "eth1", MAC: "52:54:00:00:01" + mac[14:], Link: true}}}
}

func (k *rack) inventory(ticket, mac, id string) plan.Answer {
	k.t.Helper()
	a, err := k.Inventory(ticket, id, inventory(mac, id))
	if err != nil {
		k.t.Fatalf("inventory of %s: %v", id, err)
	}
	return a
}

func (k *rack) progress(ticket, id, phase string) {
	k.t.Helper()
	if err := k.Progress(ticket, id, plan.Progress{Phase: phase, Detail: "test"}); err != nil {
		k.t.Fatalf("progress %s of %s: %v", phase, id, err)
	}
}

func csr(t *testing.T) string {
	t.Helper()
	_, req, err := pki.NewRequest()
	if err != nil {
		t.Fatal(err)
	}
	return string(req)
}

func (k *rack) enrol(ticket, id string) plan.Enrolment {
	k.t.Helper()
	e, err := k.Enrol(ticket, id, plan.EnrolRequest{CSR: csr(k.t)})
	if err != nil {
		k.t.Fatalf("enrolment of %s: %v", id, err)
	}
	return e
}

// install takes a machine all the way to its new system and returns its
// ticket.
func (k *rack) install(mac, id string) string {
	k.t.Helper()
	d := k.boot(mac, id)
	if d.Do != DoInstall {
		k.t.Fatalf("%s is told to %s (%s), want install", id, d.Do, d.Reason)
	}
	if a := k.inventory(d.Ticket, mac, id); a.Plan == nil {
		k.t.Fatalf("%s got no plan: %+v", id, a)
	}
	k.progress(d.Ticket, id, "partition")
	k.enrol(d.Ticket, id)
	k.progress(d.Ticket, id, PhaseHandover)
	return d.Ticket
}

func (k *rack) state(id string, want State) Machine {
	k.t.Helper()
	m, err := k.Machine(id)
	if err != nil {
		k.t.Fatal(err)
	}
	if m.State != want {
		k.t.Errorf("%s is %s (%s), want %s", id, m.State, m.Reason, want)
	}
	return m
}

func TestFromPowerOnToEnrolled(t *testing.T) {
	k := newRack(t, func(c *Config) { c.Reserved = []string{"compute1"} })
	a, _ := k.conf.Addresses.Pin(mac1)
	if err := k.Discovered(mac1, a, "bios"); err != nil {
		t.Fatal(err)
	}
	k.state(mac1, Seen)
	d := k.boot(mac1, id1)
	k.state(id1, Booting)
	answer := k.inventory(d.Ticket, mac1, id1)
	if answer.Plan == nil || answer.Plan.HostName != "compute2" {
		t.Fatalf("got %+v, want a plan for compute2 (compute1 is taken)", answer)
	}
	k.state(id1, Checked)
	again, err := k.Plan(d.Ticket, id1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(answer, again, plainAddrs()); diff != "" {
		t.Errorf("asking for the plan again changes it: %s", diff)
	}
	k.progress(d.Ticket, id1, "partition")
	k.state(id1, Installing)
	e := k.enrol(d.Ticket, id1)
	m := k.state(id1, Enrolled)
	if err := e.Node.Check(); err != nil {
		t.Error(err)
	}
	if e.Node.Name != "compute2" || e.Node.Management.Address.Addr() != m.Address || e.Node.Version != "7" {
		t.Errorf("wrong node: %+v", e.Node)
	}
	k.progress(d.Ticket, id1, "handover") // comes after the enrolment
	k.state(id1, Enrolled)

	k.open()
	after, err := k.Machine(id1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m.Node, after.Node, plainAddrs()); diff != "" || after.State != Enrolled {
		t.Errorf("a restart lost something (state %s): %s", after.State, diff)
	}
	if d := k.boot(mac1, id1); d.Do != DoDisk || d.Ticket != "" {
		t.Errorf("an enrolled machine that boots from the network is told %+v, want to boot its disk", d)
	}
}

func TestNamesAreUniqueAndKept(t *testing.T) {
	k := newRack(t, nil)
	k.install(mac1, id1)
	k.install(mac2, id2)
	if got := k.state(id2, Enrolled).Name; got != "compute2" {
		t.Errorf("the second machine is %s, want compute2", got)
	}
	node := k.state(id2, Enrolled).Node.ID
	if _, err := k.Reinstall("compute2"); err != nil {
		t.Fatal(err)
	}
	k.install(mac2, id2)
	if m := k.state(id2, Enrolled); m.Name != "compute2" || m.Node.ID != node {
		t.Errorf("after a reinstallation it is %s, node %s; want compute2, %s", m.Name, m.Node.ID, node)
	}
}

func TestApprovalByHand(t *testing.T) {
	k := newRack(t, func(c *Config) { c.Rack.Approve = plan.ApproveManual })
	d := k.boot(mac1, id1)
	a := k.inventory(d.Ticket, mac1, id1)
	want := "an operator has to approve machine " + id1 + " (compute1, serial S1)"
	if a.Plan != nil || a.Wait != want {
		t.Errorf("got %+v, want to wait: %s", a, want)
	}
	k.state(id1, Matched)
	if err := k.Progress(d.Ticket, id1, plan.Progress{Phase: "partition"}); !errors.Is(err, ErrState) {
		t.Errorf("it may touch its disk before it is approved: %v", err)
	}
	if _, err := k.Enrol(d.Ticket, id1, plan.EnrolRequest{CSR: csr(t)}); !errors.Is(err, ErrState) {
		t.Errorf("it may enrol before it is approved: %v", err)
	}
	k.open()
	if _, err := k.Approve(id1); err != nil {
		t.Fatal(err)
	}
	if a, err := k.Plan(d.Ticket, id1); err != nil || a.Plan == nil {
		t.Errorf("approved, and got %+v, %v; want a plan", a, err)
	}
}

func TestOtherDHCPServerStopsInstallations(t *testing.T) {
	k := newRack(t, nil)
	k.OtherServer(mac2, netip.MustParseAddr("10.20.0.1"))
	d := k.boot(mac1, id1)
	want := "one DHCP server: another DHCP server, 10.20.0.1, answers on this network; switch it off"
	if a := k.inventory(d.Ticket, mac1, id1); a.Wait != want {
		t.Errorf("got %+v, want to wait: %s", a, want)
	}
	k.now = k.now.Add(rogueMemory + time.Second)
	if a, err := k.Plan(d.Ticket, id1); err != nil || a.Plan == nil {
		t.Errorf("it was not heard of again, and got %+v, %v; want a plan", a, err)
	}
}

func TestRefusedMachineFails(t *testing.T) {
	k := newRack(t, nil)
	d := k.boot(mac1, id1)
	inv := inventory(mac1, id1)
	inv.Disks[0].Size = 1 << 30
	a, err := k.Inventory(d.Ticket, id1, inv)
	if err != nil || a.Refused == "" {
		t.Fatalf("got %+v, %v; want a refusal", a, err)
	}
	if m := k.state(id1, Failed); m.Reason != a.Refused {
		t.Errorf("the reason is %q, want %q", m.Reason, a.Refused)
	}
	if again, err := k.Plan(d.Ticket, id1); err != nil || again.Refused != a.Refused {
		t.Errorf("asked again: %+v, %v", again, err)
	}
	// A larger disk was put in, and the machine boots again.
	k.install(mac1, id1)
}

func TestNoLoopWipes(t *testing.T) {
	k := newRack(t, nil)
	for n := range maxAttempts {
		d := k.boot(mac1, id1)
		if d.Do != DoInstall {
			t.Fatalf("attempt %d: told to %s, want install", n+1, d.Do)
		}
		k.inventory(d.Ticket, mac1, id1)
		k.progress(d.Ticket, id1, "partition")
		k.progress(d.Ticket, id1, PhaseFailed)
		k.open()
	}
	for range 3 {
		d := k.boot(mac1, id1)
		want := fmt.Sprintf("%d installations did not come to their end; the last one: test. An operator has to allow another", maxAttempts)
		if d.Do != DoHold || d.Ticket != "" || d.Reason != want {
			t.Errorf("after %d attempts it is told %+v, want to hold: %s", maxAttempts, d, want)
		}
	}
	if _, err := k.Approve(id1); err != nil {
		t.Fatal(err)
	}
	k.install(mac1, id1)
	for range 10 {
		if d := k.boot(mac1, id1); d.Do != DoDisk {
			t.Fatalf("installed, and told to %s; want disk", d.Do)
		}
	}
}

func TestReinstallGivesUpTheOldInstallation(t *testing.T) {
	k := newRack(t, nil)
	k.install(mac1, id1)
	if _, err := k.Reinstall(id1); err != nil {
		t.Fatal(err)
	}
	d := k.boot(mac1, id1)
	inv := inventory(mac1, id1)
	inv.Disks[0].Installed, inv.Disks[0].Contents = "guid", []string{"a Cairn installation"}
	a, err := k.Inventory(d.Ticket, id1, inv)
	if err != nil || a.Plan == nil {
		t.Fatalf("got %+v, %v; want a plan that wipes the old installation", a, err)
	}
	inv.Disks[0].Installed, inv.Disks[0].Contents = "", []string{"NTFS, 12 GiB of it used"}
	if a, err = k.Inventory(d.Ticket, id1, inv); err != nil || a.Refused == "" {
		t.Errorf("got %+v, %v; want a refusal to wipe what is not ours", a, err)
	}
}

func TestMachineWithTwoNICs(t *testing.T) {
	k := newRack(t, nil)
	k.boot(mac1, id1)
	a, _ := k.conf.Addresses.Pin(mac2)
	if err := k.Discovered(mac2, a, "bios"); err != nil {
		t.Fatal(err)
	}
	k.boot(mac2, id1)
	all := k.Machines()
	if len(all) != 1 || !cmp.Equal(all[0].MACs, []string{mac2, mac1}) {
		t.Errorf("got %+v, want one machine with both NICs", all)
	}
}

func TestNodeKeepsTheAddressOfItsManagementNIC(t *testing.T) {
	k := newRack(t, nil)
	k.boot(mac2, id1)
	d := k.boot(mac1, id1)
	k.inventory(d.Ticket, mac1, id1)
	k.progress(d.Ticket, id1, "partition")
	other, _ := k.conf.Addresses.Address(mac2)
	if err := k.Discovered(mac2, other, "bios"); err != nil { // its firmware looked around once more
		t.Fatal(err)
	}
	want, _ := k.conf.Addresses.Address(mac1)
	if got := k.enrol(d.Ticket, id1).Node.Management; got.Address.Addr() != want || got.MAC != mac1 {
		t.Errorf("the node has %s on %s, want %s on %s", got.Address, got.MAC, want, mac1)
	}
}

func TestMachineWithoutUUID(t *testing.T) {
	k := newRack(t, nil)
	const zero = "00000000-0000-0000-0000-000000000000"
	d1, d2 := k.boot(mac1, zero), k.boot(mac2, zero)
	k.inventory(d1.Ticket, mac1, zero)
	k.inventory(d2.Ticket, mac2, zero)
	k.state("mac-525400000001", Checked)
	k.state("mac-525400000002", Checked)
	// The installer may know better than iPXE.
	d1 = k.boot(mac1, "")
	k.inventory(d1.Ticket, mac1, id1)
	k.state(id1, Checked)
}

func TestOldSMBIOSSwapsBytes(t *testing.T) {
	k := newRack(t, nil)
	d := k.boot(mac1, "01020304-0506-0708-8910-111213141516")
	k.inventory(d.Ticket, mac1, "04030201-0605-0807-8910-111213141516")
	if n := len(k.Machines()); n != 1 {
		t.Errorf("got %d machines, want 1", n)
	}
}

func TestScriptOfAnotherMachineIsRefused(t *testing.T) {
	k := newRack(t, nil)
	k.boot(mac1, id1)
	k.boot(mac2, id2)
	a1, _ := k.conf.Addresses.Address(mac1)
	for name, b := range map[string]Boot{
		"from another machine's address": {MAC: mac2, UUID: id2, Firmware: "bios", From: a1},
		"from an address of nobody":      {MAC: mac2, UUID: id2, Firmware: "bios", From: netip.MustParseAddr("10.20.0.250")},
		"broadcast":                      {MAC: "ff:ff:ff:ff:ff:ff", Firmware: "bios", From: a1},
	} {
		if _, err := k.Boot(b); !errors.Is(err, ErrDenied) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
}

func TestStrangersCannotFillTheStore(t *testing.T) {
	k := newRack(t, nil)
	var err error
	for n := range maxUninstalled + 1 {
		err = k.Discovered(fmt.Sprintf("52:54:00:01:%02x:%02x", n/256, n%256), netip.Addr{}, "bios")
	}
	if !errors.Is(err, errFull) {
		t.Errorf("got %v, want %v", err, errFull)
	}
	if n := len(k.Machines()); n != maxUninstalled {
		t.Errorf("%d machines are kept, want %d", n, maxUninstalled)
	}
	k.now = k.now.Add(strangerMemory + time.Second)
	if err := k.Discovered(mac1, netip.Addr{}, "bios"); err != nil {
		t.Errorf("an hour later there is no room for a new machine: %v", err)
	}
	if n := len(k.Machines()); n != maxUninstalled {
		t.Errorf("%d machines are kept, want %d", n, maxUninstalled)
	}
}

func TestHintsSayWhyAMachineMayHang(t *testing.T) {
	k := newRack(t, nil)
	a, _ := k.conf.Addresses.Pin(mac1)
	if err := k.Discovered(mac1, a, "bios"); err != nil {
		t.Fatal(err)
	}
	k.now = k.now.Add(21 * time.Second)
	want := "seen DISCOVER, but no TFTP or HTTP request for 21s: is a firewall in between, or does another DHCP server answer?"
	if got := k.state(mac1, Seen).Hint; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	k.Fetched(a, EventLoader)
	if got := k.state(mac1, Seen).Hint; got != "" {
		t.Errorf("it has its loader, and the hint is %q", got)
	}
	k.boot(mac1, id1)
	k.Fetched(a, EventKernel)
	k.Fetched(a, EventInitramfs)
	k.now = k.now.Add(5 * time.Minute)
	want = "has kernel and initramfs, but sent no inventory for 5m0s: look at its console; is TCP port 8443 open?"
	if got := k.state(id1, Booting).Hint; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProgressTellsSpeedAndRest(t *testing.T) {
	k := newRack(t, nil)
	d := k.boot(mac1, id1)
	k.inventory(d.Ticket, mac1, id1)
	for _, p := range []plan.Progress{{Phase: "partition"}, {Phase: "write", Total: 1000e6}, {Phase: "write", Done: 400e6, Total: 1000e6}} {
		if err := k.Progress(d.Ticket, id1, p); err != nil {
			t.Fatal(err)
		}
		k.now = k.now.Add(10 * time.Second)
	}
	p := k.state(id1, Installing).Progress
	if p.Rate != 40 || p.ETA != 15 {
		t.Errorf("got %v MB/s and %v s left; want 40, 15", p.Rate, p.ETA)
	}
}
