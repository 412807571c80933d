package installer

import (
	"context"
	"crypto/sha256"
	"path/filepath"
	"time"

	"github.com/cairn-cloud/cairn/installer/deployer"
	"github.com/cairn-cloud/cairn/installer/network"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/rackfile"
	"github.com/cairn-cloud/cairn/installer/source"
)

// mediumPatience is longer than for a disk: CD drives and virtual media of a
// BMC take their time.
const mediumPatience = 30 * time.Second

// origin finds out who decides: the deployer of the kernel line, or rack.yaml.
func (m *machine) origin(ctx context.Context, inv plan.Inventory) (origin, error) {
	asked := m.params.Get(paramUI) == "1"
	if host := m.params.Get(plan.ParamDeployer); host != "" && !asked {
		return m.remote(ctx, host, inv)
	}
	watch := m.watchKeys()
	defer watch.stop()
	m.doing = "looking for the installation medium"
	medium, err := m.findVolume(ctx, mediumLabel, mediumPatience)
	if asked {
		return nil, &askError{medium: medium, why: noRack()}
	}
	if err != nil {
		return nil, &plan.Refusal{Reason: err.Error(), Remedy: "Keep the medium in, or name a deployer with " + plan.ParamDeployer + " on the kernel line"}
	}
	m.doing = "reading rack.yaml"
	text, err := m.rack(ctx, filepath.Join(medium.dir, releaseDir), inv)
	if err != nil {
		return nil, err
	}
	if text.raw == nil || watch.pressed(ctx) {
		return nil, &askError{medium: medium, why: noRack()}
	}
	raw, rack, err := text.parse(rackfile.Of(inv))
	if err != nil {
		return nil, err
	}
	m.console.Printf("cairn: rack.yaml is from %s (%d bytes, sha256 %.12x)", text.from, len(text.raw), sha256.Sum256(text.raw))
	if len(rack.SSHKeys) == 0 {
		m.console.Printf("cairn: rack.yaml has no ssh_keys: nobody will be able to log in over SSH")
	}
	return &local{rack: rack, rackRaw: raw, place: source.Dir(filepath.Join(medium.dir, releaseDir)),
		medium: medium.disk, disk: m.params.Get(plan.ParamDisk), log: m.log}, nil
}

func (m *machine) remote(ctx context.Context, host string, inv plan.Inventory) (origin, error) {
	m.doing = "reaching the deployer at " + host
	if err := m.network(ctx, inv); err != nil {
		return nil, err
	}
	c, err := deployer.New(deployer.Options{Host: host, CA: m.params.Get(plan.ParamCA), Ticket: m.params.Get(plan.ParamTicket),
		Machine: inv.Machine, Say: m.say, Log: m.log})
	if err != nil {
		return nil, err
	}
	return &remote{client: c, place: source.NewHTTP(imageURL(host), m.say, m.log), host: host, log: m.log}, nil
}

// say shows why something is waited for.
func (m *machine) say(format string, args ...any) {
	m.console.Printf("cairn: "+format, args...)
}

// network brings up the NIC that the machine booted from, or the first with
// link, with the tag or in the bond that the kernel line asks for.
func (m *machine) network(ctx context.Context, inv plan.Inventory) error {
	port, err := m.port(inv)
	if err != nil {
		return err
	}
	if err := m.modules.Load(port.Modules()...); err != nil {
		return err
	}
	nic, err := network.Make(ctx, port)
	if err != nil {
		return err
	}
	var lease network.Lease
	if word := m.params.Get("ip"); word != "" && word != "dhcp" {
		lease, err = network.Static(word, nic)
	} else {
		lease, err = network.DHCP(ctx, nic, m.say, m.log)
	}
	if err != nil {
		return err
	}
	m.console.Printf("cairn: %s has address %s", lease.Interface, lease.Address)
	return nil
}

// port is what carries the management network of this machine.
func (m *machine) port(inv plan.Inventory) (network.Port, error) {
	p := network.Port{MAC: inv.BootMAC, Bond: m.params.Get(plan.ParamBond)}
	for _, n := range inv.NICs {
		if n.Link && p.MAC == "" {
			p.MAC = n.MAC
		}
		if n.Link && p.Bond != "" {
			p.Members = append(p.Members, n.MAC)
		}
	}
	if p.MAC == "" {
		return p, &plan.Refusal{Reason: "no network card of this machine has link", Remedy: "Plug in a cable, and check that the image has the card's driver and firmware"}
	}
	var err error
	p.VLAN, err = network.ParseVLAN(m.params.Get(plan.ParamVLAN))
	return p, err
}
