package wizard

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// server is a machine with something of everything.
func server() plan.Inventory {
	return plan.Inventory{
		Machine: "564d0001-0000-4000-8000-000000000001", Serial: "ABC1234", Vendor: "Dell Inc.", Product: "PowerEdge R640", Firmware: "uefi",
		CPUs: 32, CPUModel: "Intel(R) Xeon(R) Silver 4216 CPU @ 2.10GHz", Virt: "vmx", MemoryMiB: 257000, BIOS: "2.13.3", TPM: "2.0",
		BMC: &plan.Manager{Address: "10.9.0.4", Kind: "kcs"},
		NICs: []plan.NIC{
			{Name: "eno1", MAC: "52:54:00:00:00:01", Driver: "igb", Link: true, SpeedMbps: 1000, LLDP: &plan.LLDP{Switch: "tor-1", Port: "Gi1/0/3"}},
			{Name: "eno2", MAC: "52:54:00:00:00:02", Driver: "igb"},
			{Name: "ens1f0", MAC: "52:54:00:00:00:03", Driver: "ice", Link: true, SpeedMbps: 25000, LLDP: &plan.LLDP{Switch: "leaf\x1b[2J-a", Port: "Eth1/7"}},
			{Name: "ens1f1", MAC: "52:54:00:00:00:04", Driver: "ice", Link: true, SpeedMbps: 25000},
		},
		Disks: []plan.Disk{
			{Path: "/dev/nvme0n1", Size: 960197124096, Model: "SAMSUNG MZ7L3", Serial: "S5P1", Bus: "nvme", Health: &plan.Health{OK: true, Hours: 4100, Celsius: 31, Wear: 3}},
			{Path: "/dev/nvme1n1", Size: 960197124096, Model: "SAMSUNG MZ7L3", Serial: "S5P2", Bus: "nvme", Contents: []string{"an installation of Cairn 2026.10.2 with its data"}, Installed: "0b5c1b4e-0000-4000-8000-000000000007"},
			{Path: "/dev/sda", Size: 2000398934016, Model: "ST2000NM0055", Serial: "ZC20", Bus: "ata", Rotational: true,
				Contents: []string{"GPT with 2 partitions: EFI, home", `FAT file system "EFI" on partition 1`, `ext file system "home" on partition 2`},
				Health:   &plan.Health{OK: false, Why: "more sectors are bad than it has spares for", Hours: 61000, Errors: 212}},
			{Path: "/dev/sdb", Size: 8004304896, Model: "Ultra Fit", Bus: "usb", Removable: true, Medium: true, Contents: []string{`ISO 9660 file system "CAIRN-ISO"`}},
		},
	}
}

// bare is the smallest machine: one card, one blank disk.
func bare() plan.Inventory {
	return plan.Inventory{
		Machine: "564d0001-0000-4000-8000-000000000002", Vendor: "QEMU", Product: "Standard PC", Firmware: "bios", CPUs: 2, MemoryMiB: 2048,
		NICs:  []plan.NIC{{Name: "eth0", MAC: "52:54:00:00:00:0a", Driver: "virtio_net", Link: true}},
		Disks: []plan.Disk{{Path: "/dev/vda", Size: 20 << 30, Serial: "disk0", Bus: "virtio"}},
	}
}

const goodKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBS6W3hHQpXgtyeMyD5eWi3lqZ1b7cOqOHkPXhVUAmrN ops@laptop"

// A stage is a wizard with a clock and a machine that tests set.
type stage struct {
	*Model
	t       *testing.T
	now     time.Time
	answers []Answer
	pics    strings.Builder
}

func newStage(t *testing.T, inv plan.Inventory) *stage {
	t.Helper()
	s := &stage{t: t, now: time.Unix(1700000000, 0)}
	s.Model = New(Needs{
		Version: "2026.11.1", Inventory: inv, Now: func() time.Time { return s.now },
		Trust: []Fact{{"Release", "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}},
		Connect: func(_ context.Context, n Network) (Lease, error) {
			if n.Cards[0] == "52:54:00:00:00:02" {
				return Lease{}, errors.New("no DHCP server answers on eno2 (52:54:00:00:00:02): is its cable in the right port?")
			}
			l := Lease{Interface: "eno1", Address: netip.MustParsePrefix("192.0.2.7/24"), Gateway: netip.MustParseAddr("192.0.2.1")}
			if !n.DHCP {
				l.Address, l.Gateway = n.Address, n.Gateway
			}
			return l, nil
		},
		Reach: func(_ context.Context, host string) (string, error) {
			if host == "192.0.2.66" {
				return "", errors.New("192.0.2.66 does not answer")
			}
			return host + " answers after 2 ms", nil
		},
		Fetch: func(_ context.Context, url string) ([]byte, error) {
			if !strings.HasSuffix(url, ".keys") {
				return nil, errors.New(url + " answers 404 Not Found")
			}
			return []byte("# keys\n" + goodKey + "\nssh-ed25519 nonsense\n"), nil
		},
		Sticks: func(context.Context) ([]KeyFile, error) {
			return []KeyFile{{Where: `FAT volume "KEYS" on /dev/sdc1: id_ed25519.pub`, Text: []byte(goodKey + "\n")}}, nil
		},
		Ask: func(_ context.Context, host string) (Deployer, error) {
			d := Deployer{Host: host, CA: "sha256:" + strings.Repeat("0123456789abcdef", 4), Ticket: "secret"}
			if host == "10.20.0.12" {
				d.Ticket, d.Why = "", "3 installations failed; approve it on the deployer"
			}
			return d, nil
		},
	}, func(a Answer) { s.answers = append(s.answers, a) })
	return s
}

// play presses keys: names like "enter" and "down*3", "type:" and text, and
// "focus:" and the id of the item to go to. "shot:" keeps a picture.
func (s *stage) play(steps ...string) {
	s.t.Helper()
	for _, step := range steps {
		word, arg, _ := strings.Cut(step, ":")
		switch word {
		case "type":
			s.run(s.Press(Key{Text: arg}))
		case "paste":
			s.run(s.Paste(arg))
		case "focus":
			s.goTo(arg)
		case "shot":
			s.shot(arg)
		case "beat":
			n, err := strconv.Atoi(arg)
			if err != nil {
				s.t.Fatal(err)
			}
			for range n {
				s.now = s.now.Add(time.Second)
				s.Beat()
			}
		default:
			name, times, many := strings.Cut(step, "*")
			n := 1
			if many {
				n, _ = strconv.Atoi(times)
			}
			for range n {
				s.run(s.Press(Key{Name: name}))
			}
		}
	}
}

func (s *stage) run(t Task) {
	if t != nil {
		s.Apply(t(s.t.Context()))
	}
}

// goTo moves with the keys that a person has.
func (s *stage) goTo(id string) {
	s.t.Helper()
	for range 60 {
		if i, _ := s.top().focused(); i.id == id {
			return
		}
		s.Press(Key{Name: "down"})
	}
	for range 60 {
		if i, _ := s.top().focused(); i.id == id {
			return
		}
		s.Press(Key{Name: "up"})
	}
	s.t.Fatalf("no item %q on the screen:\n%s", id, s.picture())
}

func (s *stage) picture() string {
	var b strings.Builder
	for _, l := range s.View(minWidth, minHeight, false) {
		b.WriteString(strings.TrimRight(l, " ") + "\n")
	}
	return b.String()
}

func (s *stage) shot(title string) {
	fmt.Fprintf(&s.pics, "== %s\n%s", title, s.picture())
}

// golden compares all pictures with those in testdata, which CAIRN_UPDATE=1
// writes anew.
func (s *stage) golden(name string) {
	s.t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if os.Getenv("CAIRN_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(s.pics.String()), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if d := cmp.Diff(string(want), s.pics.String()); d != "" {
		s.t.Errorf("%s: %s", path, d)
	}
}

// answered is the one answer of a conversation.
func (s *stage) answered() Answer {
	s.t.Helper()
	if len(s.answers) != 1 {
		s.t.Fatalf("%d answers, want 1; the screen:\n%s", len(s.answers), s.picture())
	}
	return s.answers[0]
}
