package vswitch

import (
	"fmt"
	"net"
)

// MACs of the services on every host: locally administered, the VLAN in the
// last two bytes.
const (
	servicePrefix = "0a:ca:1a:00:00:00"
	serviceMask   = "ff:ff:ff:ff:00:00"
)

// serviceMAC is the MAC of the services of a VLAN, the same on every host.
func serviceMAC(vlan int) net.HardwareAddr {
	return net.HardwareAddr{0x0a, 0xca, 0x1a, 0, byte(vlan >> 8), byte(vlan)}
}

// serviceDevice is the bridge's end of a VLAN's services.
func serviceDevice(vlan int) string { return fmt.Sprint("svc", vlan) }

// trunkPrefix begins the names of the devices of a shared trunk.
const trunkPrefix = "trunk"

// trunkDevice is a VLAN's device on a trunk that is shared with management.
func trunkDevice(vlan int) string { return fmt.Sprint(trunkPrefix, vlan) }

// innerDevice is the services' end, in their namespace.
const innerDevice = "svc0"
