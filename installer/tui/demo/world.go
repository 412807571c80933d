package demo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/tui/wizard"
)

const (
	version     = "demo"
	fingerprint = "sha256:4f9a1c08e2b7d36655aa0b1c9d8e7f60112233445566778899aabbccddeeff00"
	someKey     = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBS6W3hHQpXgtyeMyD5eWi3lqZ1b7cOqOHkPXhVUAmrN ops@laptop\n"
)

// Server is a machine with something of everything.
func Server() plan.Inventory {
	return plan.Inventory{
		Machine: "564d0001-0000-4000-8000-000000000001", Serial: "DEMO001", Vendor: "Cairn", Product: "Demonstration", Firmware: "uefi",
		CPUs: 32, CPUModel: "Intel(R) Xeon(R) Silver 4216 CPU @ 2.10GHz", Virt: "vmx", MemoryMiB: 257000, BIOS: "2.13.3", TPM: "2.0",
		BMC: &plan.Manager{Address: "10.9.0.4", Kind: "kcs"},
		NICs: []plan.NIC{
			{Name: "eno1", MAC: "52:54:00:00:00:01", Driver: "igb", Link: true, SpeedMbps: 1000, LLDP: &plan.LLDP{Switch: "tor-1", Port: "Gi1/0/3"}},
			{Name: "eno2", MAC: "52:54:00:00:00:02", Driver: "igb"},
			{Name: "ens1f0", MAC: "52:54:00:00:00:03", Driver: "ice", Link: true, SpeedMbps: 25000, LLDP: &plan.LLDP{Switch: "leaf-a", Port: "Eth1/7"}},
			{Name: "ens1f1", MAC: "52:54:00:00:00:04", Driver: "ice", Link: true, SpeedMbps: 25000, LLDP: &plan.LLDP{Switch: "leaf-b", Port: "Eth1/7"}},
		},
		Disks: []plan.Disk{
			{Path: "/dev/nvme0n1", Size: 960197124096, Model: "SAMSUNG MZ7L3", Serial: "S5P1", Bus: "nvme", Health: &plan.Health{OK: true, Hours: 4100, Celsius: 31, Wear: 3}},
			{Path: "/dev/nvme1n1", Size: 960197124096, Model: "SAMSUNG MZ7L3", Serial: "S5P2", Bus: "nvme",
				Contents: []string{"an installation of Cairn 2026.10.2 with its data"}, Installed: "0b5c1b4e-0000-4000-8000-000000000007",
				Health: &plan.Health{OK: true, Hours: 4090, Celsius: 32, Wear: 3}},
			{Path: "/dev/sda", Size: 2000398934016, Model: "ST2000NM0055", Serial: "ZC20", Bus: "ata", Rotational: true,
				Contents: []string{"GPT with 2 partitions: EFI, home", `FAT file system "EFI" on partition 1`, `ext file system "home" on partition 2`},
				Health:   &plan.Health{Why: "more sectors are bad than it has spares for", Hours: 61000, Errors: 212}},
			{Path: "/dev/sdb", Size: 8004304896, Model: "Ultra Fit", Bus: "usb", Removable: true, Medium: true, Contents: []string{`ISO 9660 file system "CAIRN-ISO"`}},
		},
	}
}

// A world is what is around a machine that does not exist.
type world struct{ inv plan.Inventory }

func (w world) needs() wizard.Needs {
	return wizard.Needs{
		Version: version, Trust: []wizard.Fact{{Name: "Release", Value: fingerprint}}, Inventory: w.inv,
		Links: w.links, Connect: w.connect, Reach: w.reach, Fetch: w.fetch, Sticks: w.sticks, Ask: w.ask,
	}
}

// links has the card without a cable come and go, as if somebody plugged.
func (w world) links(context.Context) (map[string]wizard.Link, error) {
	out := map[string]wizard.Link{}
	for _, n := range w.inv.NICs {
		l := wizard.Link{Up: n.Link, Mbps: n.SpeedMbps, LLDP: n.LLDP}
		if !n.Link && time.Now().Unix()/10%2 == 0 {
			l = wizard.Link{Up: true, Mbps: 1000}
		}
		out[n.MAC] = l
	}
	return out, nil
}

func (w world) connect(ctx context.Context, n wizard.Network) (wizard.Lease, error) {
	if err := pause(ctx); err != nil {
		return wizard.Lease{}, err
	}
	l := wizard.Lease{Interface: n.Cards[0], Address: n.Address, Gateway: n.Gateway}
	for _, c := range w.inv.NICs {
		if c.MAC == n.Cards[0] {
			l.Interface = c.Name
		}
	}
	if n.DHCP {
		l.Address, l.Gateway = netip.MustParsePrefix("192.0.2.7/24"), netip.MustParseAddr("192.0.2.1")
	}
	return l, nil
}

func (w world) reach(ctx context.Context, host string) (string, error) {
	if strings.Contains(host, "bad") {
		return "", errors.New(host + " does not answer")
	}
	return host + " answers after 2 ms", pause(ctx)
}

func (w world) fetch(ctx context.Context, where string) ([]byte, error) {
	if strings.Contains(where, "bad") {
		return nil, errors.New(where + " answers 404 Not Found")
	}
	return []byte(someKey), pause(ctx)
}

func (w world) sticks(ctx context.Context) ([]wizard.KeyFile, error) {
	return []wizard.KeyFile{{Where: `FAT volume "KEYS" on /dev/sdc1: id_ed25519.pub`, Text: []byte(someKey)}}, pause(ctx)
}

func (w world) ask(ctx context.Context, host string) (wizard.Deployer, error) {
	if strings.Contains(host, "bad") {
		return wizard.Deployer{}, fmt.Errorf("the deployer at %s does not answer on port %d", host, plan.HTTPPort)
	}
	return wizard.Deployer{Host: host, CA: fingerprint, Ticket: "none"}, pause(ctx)
}

// pause is how long things take here.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(700 * time.Millisecond):
		return nil
	}
}
