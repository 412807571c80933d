package pxe

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"
)

// findInterface waits until the interface that is meant has our address: at
// boot the network comes up beside us.
func findInterface(ctx context.Context, c *Config, log *slog.Logger) (*net.Interface, error) {
	said := ""
	for {
		ifi, why := lookInterface(c)
		if why == nil {
			return ifi, nil
		}
		if why.Error() != said {
			said = why.Error()
			log.Info("waiting for the network", "for", said)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("network: %w", why)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func lookInterface(c *Config) (*net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list of interfaces: %w", err)
	}
	for i := range all {
		ifi := &all[i]
		if c.Interface != "" && ifi.Name != c.Interface ||
			c.InterfaceMAC != "" && !strings.EqualFold(ifi.HardwareAddr.String(), c.InterfaceMAC) {
			continue
		}
		has, err := hasAddress(ifi, c.Address)
		if err != nil {
			return nil, err
		}
		if has && ifi.Flags&net.FlagUp != 0 {
			return ifi, nil
		}
	}
	return nil, &absentError{c.Interface, c.InterfaceMAC, c.Address}
}

// An absentError says which interface is not there, or not ready yet.
type absentError struct {
	name, mac string
	address   netip.Addr
}

func (e *absentError) Error() string {
	return fmt.Sprintf("an interface (name %q, MAC %q) that is up and has address %s", e.name, e.mac, e.address)
}

func hasAddress(ifi *net.Interface, a netip.Addr) (bool, error) {
	addrs, err := ifi.Addrs()
	if err != nil {
		return false, fmt.Errorf("addresses of %s: %w", ifi.Name, err)
	}
	for _, x := range addrs {
		n, ok := x.(*net.IPNet)
		if !ok {
			continue
		}
		if got, ok := netip.AddrFromSlice(n.IP); ok && got.Unmap() == a {
			return true, nil
		}
	}
	return false, nil
}
