package pxe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sync/errgroup"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/dhcp"
	"github.com/cairn-cloud/cairn/pxe/fleet"
	"github.com/cairn-cloud/cairn/pxe/tftp"
)

// pools are the addresses of every network that machines boot in.
type pools struct {
	own      *dhcp.Pool
	relayed  []dhcp.Network
	untagged *dhcp.Pool // for firmware on the untagged side of a tagged network; nil: there is none
}

// openPools reads the leases of each network.
func (d *deployer) openPools() (err error) {
	m := d.rack.Management
	reserved := []netip.Addr{d.conf.Address}
	if !d.conf.Found { // else a machine is to get the controller's
		reserved = append(reserved, m.Controller)
	}
	d.pools.own, err = dhcp.OpenPool(dhcp.PoolConfig{DB: d.db, From: m.RangeFrom, To: m.RangeTo,
		Reserved: reserved, Static: d.static(m.Network)})
	if err != nil {
		return fmt.Errorf("addresses of %s: %w", m.Network, err)
	}
	for _, l := range m.Relayed {
		p, err := dhcp.OpenPool(dhcp.PoolConfig{DB: d.db, Name: l.Network.String(), From: l.RangeFrom, To: l.RangeTo,
			Reserved: []netip.Addr{l.Router}, Static: d.static(l.Network)})
		if err != nil {
			return fmt.Errorf("addresses of %s: %w", l.Network, err)
		}
		d.pools.relayed = append(d.pools.relayed, dhcp.Network{Prefix: l.Network, Router: l.Router, Pool: p})
	}
	d.addresses = dhcp.NewNetworks(d.pools.own, d.pools.relayed)
	if m.VLAN == 0 {
		return nil
	}
	d.pools.untagged, err = openUntagged(d.db)
	d.addresses.Aside(d.pools.untagged)
	return err
}

// static are the addresses in a network that rack.yaml gives to MACs. Those of
// machines that it knows otherwise are given when the machine says who it is.
func (d *deployer) static(network netip.Prefix) map[string]netip.Addr {
	list := map[string]netip.Addr{}
	for _, k := range d.rack.Machines {
		if k.MAC != "" && k.Address.IsValid() && network.Contains(k.Address) {
			list[k.MAC] = k.Address
		}
	}
	return list
}

// named is the address that rack.yaml gives to a machine that asks by DHCP.
func (d *deployer) named(c dhcp.Client) (netip.Addr, bool) {
	for _, id := range append(c.Machines, "") {
		k := d.rack.Known(plan.Inventory{Machine: id, NICs: []plan.NIC{{MAC: c.MAC}}})
		if k != nil && k.Address.IsValid() {
			return k.Address, true
		}
	}
	return netip.Addr{}, false
}

// listensDHCP tells whether we answer DHCP at all.
func (d *deployer) listensDHCP() bool { return d.conf.ListenDHCP == nil || *d.conf.ListenDHCP }

// givesAddresses tells whether machines have their addresses of us.
func (d *deployer) givesAddresses() bool {
	return d.listensDHCP() && d.rack.Management.DHCP != plan.DHCPProxy
}

// startDHCP answers, asks the wire before it gives an address, and looks for
// other servers.
func (d *deployer) startDHCP(ifi *net.Interface) part {
	return func(context.Context) (func(context.Context) error, error) {
		sockets, err := dhcp.Listen(ifi.Name)
		if err != nil {
			return nil, err
		}
		asker, err := dhcp.NewAsker(ifi)
		if err != nil {
			return nil, errors.Join(err, sockets.Close())
		}
		return func(ctx context.Context) error {
			g, ctx := errgroup.WithContext(ctx)
			g.Go(func() error { return asker.Run(ctx) })
			g.Go(func() error { return d.lookForServers(ctx, ifi, d.conf.Address) })
			g.Go(func() error { return d.responder(asker).Serve(ctx, sockets) })
			return g.Wait()
		}, nil
	}
}

// loaderMTU is what iPXE is told. Network cards that their firmware drives take
// frames of 1514 bytes at most, which a tag is a part of.
func loaderMTU(m plan.Management) int {
	const ethernet, tag = 1500, 4
	mtu := m.MTU
	if mtu == 0 || mtu > ethernet {
		mtu = ethernet
	}
	if m.VLAN != 0 {
		mtu = min(mtu, ethernet-tag)
	}
	if mtu == ethernet {
		return 0
	}
	return mtu
}

func (d *deployer) responder(asker *dhcp.Asker) *dhcp.Responder {
	c := dhcp.Config{
		Server: netip.PrefixFrom(d.conf.Address, d.rack.Management.Network.Bits()), HTTP: httpBase(d.conf.Address),
		Files: dhcp.Files{BIOS: biosLoader, UEFI: d.conf.UEFILoader, Next: tftp.NextName},
		Pool:  d.pools.own, Relayed: d.pools.relayed, Named: d.named, Probe: asker.Ask, MTU: loaderMTU(d.rack.Management),
		Observer: watcher{d}, Count: d.book.For("dhcp"), Installed: d.fleet.Installed, Log: d.log,
	}
	if !d.givesAddresses() {
		c.Proxy, c.Learn = true, d.addresses.Learn
	}
	return dhcp.New(c)
}

// lookForServers finds other DHCP servers on a wire. It is a convenience: the
// machines' choice shows one that answers faster than we do, too.
func (d *deployer) lookForServers(ctx context.Context, ifi *net.Interface, own netip.Addr) error {
	det := dhcp.NewDetector(dhcp.DetectConfig{Interface: ifi, Own: []netip.Addr{own}, Found: d.found, Log: d.log})
	d.detectors.add(det)
	if err := det.Run(ctx); err != nil {
		d.log.Warn("other DHCP servers are not looked for", "why", err)
	}
	return nil
}

// found judges another server. Beside one that gives addresses we are there on
// purpose; one that tells machines what to boot is always one too many.
func (d *deployer) found(o dhcp.Other) (place string) {
	place = d.fleet.Place(o.MAC)
	if !o.Boots && !o.Poses && (!o.Addresses || !d.givesAddresses()) {
		return place
	}
	d.book.For("dhcp").Refuse("rogue-server", o.Server.String()+" "+o.MAC)
	d.fleet.RogueServer(inWords(o, place), "it answered a DISCOVER")
	return place
}

// inWords is what is known of another server.
func inWords(o dhcp.Other, place string) string {
	if place == "" {
		place = "its switch port is not known: look for the MAC in the switches' tables"
	}
	text := fmt.Sprintf("%s (MAC %s, %s)", o.Server, o.MAC, place)
	if o.Poses {
		text += ", which says that it is this deployer"
	}
	return text
}

// A watcher tells the fleet of what DHCP sees.
type watcher struct{ d *deployer }

// Discovered notes a machine that wants to boot.
func (w watcher) Discovered(c dhcp.Client) {
	if c.Address.IsValid() {
		w.d.addresses.Saw(c.MAC, c.Address)
	} else { // of another server's giving
		c.Address, _ = w.d.addresses.Address(c.MAC)
	}
	if c.Kind == dhcp.KindPlain || c.Kind == dhcp.KindInstaller {
		return // the installer itself, or an installed system
	}
	if err := w.d.fleet.Discovered(c.MAC, c.Address, string(c.Kind)); err != nil {
		w.d.book.For("dhcp").Refuse("not-kept", c.MAC+" "+err.Error())
		return
	}
	if c.Circuit == "" && c.Remote == "" {
		return
	}
	if err := w.d.fleet.Attached(c.MAC, joined(c.Circuit, c.Remote)); err != nil {
		w.d.log.Warn("circuit not kept", "mac", c.MAC, "why", err)
	}
}

// joined is what a relay agent said: the port, and who says it.
func joined(circuit, remote string) string {
	if remote == "" {
		return circuit
	}
	return circuit + " of " + remote
}

// OtherServer notes a choice of a client. Beside another server it is no news.
func (w watcher) OtherServer(mac string, server netip.Addr) { w.d.fleet.OtherServer(mac, server) }

// learning is the fleet, where addresses are not ours to give: a machine that
// got its script has the address that it asked from.
type learning struct {
	*fleet.Fleet
	addresses *dhcp.Networks
}

// Boot decides, and learns.
func (l learning) Boot(b fleet.Boot) (fleet.Decision, error) {
	decision, err := l.Fleet.Boot(b)
	if err == nil && b.From.IsValid() {
		l.addresses.Learn(b.MAC, b.From)
	}
	return decision, err
}
