package agent_test

import (
	"archive/tar"
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cairn-cloud/cairn/node/agent"
	"github.com/cairn-cloud/cairn/node/bus"
	"github.com/cairn-cloud/cairn/node/disk"
	"github.com/cairn-cloud/cairn/node/guest"
	"github.com/cairn-cloud/cairn/node/guest/libvirttest"
	"github.com/cairn-cloud/cairn/node/spec"
	"github.com/cairn-cloud/cairn/node/vswitch"
)

// insideVariable names the directory of a test that goes on inside the
// namespaces of its libvirtd.
const insideVariable = "CAIRN_TEST_INSIDE"

// imagesVariable names the directory of guest images there.
const imagesVariable = "CAIRN_TEST_IMAGES"

// TestHost runs the real agent: containers over libvirt, a bridge, rules of
// nftables, DHCP and metadata. VLANs are not in it: they need a kernel that
// can filter them, and are seen to in the virtual rack.
func TestHost(t *testing.T) {
	if dir := os.Getenv(insideVariable); dir != "" {
		inside(t, dir)
		return
	}
	d := libvirttest.Start(t)
	build := exec.Command("go", "build", "-o", filepath.Join(d.Dir, "init"), "../../image-builder/guest/init")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := d.Beside(os.Args[0], "-test.run", "^TestHost$", "-test.v", "-test.timeout", "8m")
	images, err := filepath.Abs(builtImages)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), insideVariable+"="+d.Dir, imagesVariable+"="+images)
	out, err := cmd.CombinedOutput()
	if err != nil || testing.Verbose() {
		t.Logf("inside:\n%s", out)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// files is a cache that has what is in a directory.
type files struct{ dir string }

func (f files) Fetch(_ context.Context, i spec.Image) (string, error) {
	return filepath.Join(f.dir, i.ID), nil
}

func (f files) Prune(map[string]bool, time.Time) (int64, error) { return 0, nil }

// oneFile is a tar archive with the first program of a guest.
func oneFile(t *testing.T, name, from string) []byte {
	t.Helper()
	body, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(body))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A bench is a controller that talks to one agent.
type bench struct {
	t       *testing.T
	bus     *bus.Memory
	control bus.Controller
	reports chan spec.Report
	dir     string
}

func (b *bench) Report(_ context.Context, r spec.Report) error {
	b.t.Logf("report: %s %d %s %s %s", r.ID, r.Generation, r.State, r.Step, r.Fault)
	b.reports <- r
	return nil
}

func (b *bench) Heartbeat(_ context.Context, h spec.Heartbeat) error {
	for _, c := range h.Checks {
		if !c.OK {
			b.t.Logf("check %s: %s", c.Name, c.Why)
		}
	}
	return nil
}

func (b *bench) await(id string, generation int64, state spec.State) {
	b.t.Helper()
	for end := time.After(3 * time.Minute); ; {
		select {
		case r := <-b.reports:
			if r.ID == id && r.Generation == generation && r.State == state {
				return
			}
			if r.State == spec.StateError {
				b.t.Fatalf("guest %s: %s", r.ID, r.Fault)
			}
		case <-end:
			b.t.Fatalf("guest %s is not %s", id, state)
		}
	}
}

// awaitConsole waits until a guest's console says something.
func (b *bench) awaitConsole(id, what string) {
	b.t.Helper()
	var text string
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		r, err := b.control.Call(b.t.Context(), "n1", spec.Request{Op: spec.OpConsole, Guest: id})
		if err != nil {
			b.t.Fatal(err)
		}
		if text = string(r.Data); strings.Contains(text, what) {
			return
		}
	}
	b.t.Fatalf("the console of %s does not say %q:\n%s", id, what, text)
}

// agent starts a new agent on what an earlier one may have left.
func (b *bench) agent(socket string) (stop func()) {
	b.t.Helper()
	log := slog.New(slog.NewTextHandler(b.t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	store, err := disk.New(filepath.Join(b.dir, "guests"), files{b.dir})
	if err != nil {
		b.t.Fatal(err)
	}
	network := vswitch.New(vswitch.Options{Bridge: "br-tenant", Log: log, Plain: true})
	n := b.bus.Node("n1")
	a, err := agent.New(agent.Needs{
		Bus: n, Network: network, Store: store, Self: self{}, Log: log,
		Drivers: map[spec.Driver]guest.Driver{
			spec.DriverLXC: guest.NewLXC(socket), spec.DriverQEMU: guest.NewQEMU(socket, false, "a test"),
		},
	}, agent.Options{StateDir: filepath.Join(b.dir, "agent"), Boot: "one", Bridge: "br-tenant", Poll: time.Second})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	return func() { cancel(); <-done; network.Close(); n.Close() }
}

type self struct{}

func (self) Describe(context.Context) spec.Heartbeat { return spec.Heartbeat{Name: "host"} }

func container(n int, meta map[string]string) spec.Desired {
	id := uuid.NewString()
	address := netip.AddrFrom4([4]byte{10, 0, 0, byte(4 + n)})
	return spec.Desired{ID: id, Generation: 1, Power: spec.PowerOn, Guest: spec.Guest{
		Name: "guest", Driver: spec.DriverLXC, VCPUs: 1, MemoryMiB: 64, Image: spec.Image{ID: "root.tar", Format: "root-tar"},
		Metadata: spec.Metadata{ServerID: id, Name: "guest", HostName: "guest", Meta: meta},
		Ports: []spec.Port{{
			ID: uuid.NewString(), MAC: "fa:16:3e:00:00:0" + string(rune('0'+n)), VLAN: 101, MTU: 1450, Security: true, AdminUp: true,
			Addresses: []spec.Address{{Address: address, Bits: 24}},
			DHCP:      &spec.DHCPOption{Server: netip.MustParseAddr("10.0.0.2"), LeaseSeconds: 600, HostName: "guest"},
			Rules:     []spec.Rule{{}, {Ingress: true, Protocol: "icmp"}},
		}},
	}}
}

func inside(t *testing.T, dir string) {
	if err := os.WriteFile(filepath.Join(dir, "root.tar"), oneFile(t, "init", filepath.Join(dir, "init")), 0o444); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, bus: bus.NewMemory(), reports: make(chan spec.Report, 1000), dir: dir}
	b.control = b.bus.Controller()
	go b.control.Run(t.Context(), b)
	if err := b.control.EnsureNode(t.Context(), "n1"); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "run/libvirt/libvirt-sock")
	stop := b.agent(socket)

	one, two := container(1, nil), container(2, map[string]string{"ping": "10.0.0.5"})
	for _, d := range []spec.Desired{one, two} {
		if err := b.control.Publish(t.Context(), "n1", d); err != nil {
			t.Fatal(err)
		}
		b.await(d.ID, 1, spec.StateRunning)
	}
	b.awaitConsole(one.ID, "address 10.0.0.5/24")
	b.awaitConsole(one.ID, "metadata {")
	b.awaitConsole(one.ID, one.ID)
	b.awaitConsole(two.ID, "address 10.0.0.6/24")
	b.awaitConsole(two.ID, "ping 10.0.0.5 ok")
	machine(t, b, map[string]string{"ping": "10.0.0.5,10.0.0.99", "tagged": "101:10.0.0.5"},
		"ping 10.0.0.5 ok", "ping 10.0.0.99 lost", "tagged 101:10.0.0.5 sent 6 answers 0")

	stop() // guests go on
	stop = b.agent(socket)
	b.await(one.ID, 1, spec.StateRunning)
	for _, d := range []spec.Desired{one, two} {
		d.Generation, d.Power = 2, spec.PowerGone
		if err := b.control.Publish(t.Context(), "n1", d); err != nil {
			t.Fatal(err)
		}
		b.await(d.ID, 2, spec.StateGone)
	}
	stop()
	nothingLeft(t, dir, socket)
}

// builtImages is where make leaves the guest images.
const builtImages = "../../out/guest"

// machine boots a virtual machine, if its images have been built, and deletes
// it. The same program runs in it as in containers: it does what its metadata
// asks for, and says so.
func machine(t *testing.T, b *bench, meta map[string]string, says ...string) {
	for _, name := range []string{"aki", "ari", "ami"} {
		body, err := os.ReadFile(filepath.Join(os.Getenv(imagesVariable), name))
		if err != nil {
			t.Logf("no virtual machine in this test: %v", err)
			return
		}
		if err := os.WriteFile(filepath.Join(b.dir, name), body, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	args, err := os.ReadFile(filepath.Join(os.Getenv(imagesVariable), "cmdline"))
	if err != nil {
		t.Fatal(err)
	}
	d := container(3, meta)
	d.Guest.Driver, d.Guest.MemoryMiB, d.Guest.KernelArgs = spec.DriverQEMU, 128, strings.TrimSpace(string(args))
	d.Guest.Image = spec.Image{ID: "ami", Format: "ami"}
	d.Guest.Kernel, d.Guest.Ramdisk = &spec.Image{ID: "aki", Format: "aki"}, &spec.Image{ID: "ari", Format: "ari"}
	if err := b.control.Publish(t.Context(), "n1", d); err != nil {
		t.Fatal(err)
	}
	b.await(d.ID, 1, spec.StateRunning)
	b.awaitConsole(d.ID, "address 10.0.0.7/24")
	b.awaitConsole(d.ID, "ready")
	for _, line := range says {
		b.awaitConsole(d.ID, line)
	}
	d.Generation, d.Power = 2, spec.PowerGone
	if err := b.control.Publish(t.Context(), "n1", d); err != nil {
		t.Fatal(err)
	}
	b.await(d.ID, 2, spec.StateGone)
}

// nothingLeft looks for what a guest can leave behind.
func nothingLeft(t *testing.T, dir, socket string) {
	ids, err := guest.NewLXC(socket).List(t.Context())
	if err != nil || len(ids) > 0 {
		t.Errorf("guests left: %v, %v", ids, err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "guests"))
	if err != nil || len(left) > 0 {
		t.Errorf("files left: %v, %v", left, err)
	}
	links, err := exec.Command("ip", "-br", "link").Output()
	if err != nil || strings.Contains(string(links), "tap") || strings.Contains(string(links), "svc") {
		t.Errorf("devices left: %v\n%s", err, links)
	}
	rules, err := exec.Command("nft", "list", "table", "bridge", "cairn").Output()
	if err != nil || strings.Contains(string(rules), "fa:16:3e") {
		t.Errorf("rules left: %v\n%s", err, rules)
	}
}
