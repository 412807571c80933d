// Package network is the network service: networks, subnets, ports, security
// groups and their rules, as Neutron's API v2.0 has them.
//
// A network is one VLAN of the configured range, so that address ranges of
// different networks may overlap: what is apart is apart by its tag. A subnet
// gives a network addresses; each subnet with DHCP reserves one of them, on
// the network's DHCP port, as the address that every host answers DHCP and
// metadata from. A port is one MAC with its addresses; what may reach it is
// the union of its security groups' rules.
//
// Compute uses the service by Go calls (attach.go): ports are made, bound to
// a host, read as [spec.Port] and released, each step safe to repeat. When a
// rule, a group's members or a subnet change what running guests must be told,
// the service names the affected servers to the Guests of needs.go.
//
// IPv6 subnets, routers and floating IPs are not part of the service yet;
// requests for them are refused.
package network
