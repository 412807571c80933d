package pxe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"go.etcd.io/bbolt"

	"github.com/cairn-cloud/cairn/hardening"
	"github.com/cairn-cloud/cairn/pxe/dhcp"
	"github.com/cairn-cloud/cairn/pxe/httpboot"
	"github.com/cairn-cloud/cairn/pxe/tftp"
)

// Where the management network has a tag, most firmware cannot boot on it: it
// knows none. Such a machine boots on the untagged side of the same wire, in a
// network that is there for nothing else. It gets a loader there, and a script
// that goes on with the tag.

// untaggedSide is our address there, with its network.
func untaggedSide() netip.Prefix { return netip.MustParsePrefix(hardening.BootAddress) }

// openUntagged reads the leases of the untagged side.
func openUntagged(db *bbolt.DB) (*dhcp.Pool, error) {
	base := untaggedSide().Masked().Addr().As4()
	from, to := base, base
	from[3], to[3] = 10, 250
	p, err := dhcp.OpenPool(dhcp.PoolConfig{DB: db, Name: "untagged", From: netip.AddrFrom4(from), To: netip.AddrFrom4(to),
		Reserved: []netip.Addr{untaggedSide().Addr()}, LeaseTime: time.Hour})
	if err != nil {
		return nil, fmt.Errorf("addresses of the untagged side: %w", err)
	}
	return p, nil
}

// serveUntagged waits until an interface has our address there, and serves.
func (d *deployer) serveUntagged(ctx context.Context) error {
	ifi, err := d.findUntagged(ctx)
	if err != nil || ifi == nil {
		return err
	}
	own := untaggedSide()
	parts := []part{
		d.startTFTP(own.Addr()),
		d.startBoot(own.Addr(), httpboot.Untagged(d.bootConfig()), "http-untagged"),
	}
	if d.listensDHCP() {
		parts = append(parts, func(context.Context) (func(context.Context) error, error) {
			sockets, err := dhcp.Listen(ifi.Name)
			return func(ctx context.Context) error { return d.untaggedResponder().Serve(ctx, sockets) }, err
		})
	}
	return serveAll(ctx, parts, func() {
		d.log.Info("firmware without tags boots here", "interface", ifi.Name, "address", own, "goes_on_in_vlan", d.rack.Management.VLAN)
	})
}

func (d *deployer) untaggedResponder() *dhcp.Responder {
	own := untaggedSide()
	return dhcp.New(dhcp.Config{
		Server: own, HTTP: httpBase(own.Addr()), VLAN: d.rack.Management.VLAN,
		Files: dhcp.Files{BIOS: biosLoader, UEFI: d.conf.UEFILoader, Next: tftp.NextName},
		Pool:  d.pools.untagged, Observer: watcher{d}, Count: d.book.For("dhcp-untagged"),
		Installed: d.fleet.Installed, Log: d.log,
	})
}

// findUntagged waits for the interface; nil when the context ends before.
func (d *deployer) findUntagged(ctx context.Context) (*net.Interface, error) {
	own := untaggedSide()
	for said := false; ; said = true {
		ifi, err := lookInterface(&Config{Address: own.Addr()})
		if err == nil {
			return ifi, nil
		}
		var absent *absentError
		if !errors.As(err, &absent) {
			return nil, err
		}
		if !said {
			d.log.Warn("machines whose firmware knows no tags get no answer: no interface has the address for them",
				"address", own, "remedy", "ip addr add "+own.String()+" dev INTERFACE, the one under that of VLAN "+fmt.Sprint(d.rack.Management.VLAN))
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(5 * time.Second):
		}
	}
}
