// Package vswitch joins guests to project networks: one Linux bridge that
// filters VLANs, whose trunk port is the tenant NIC (or, where management is on
// the same card, a device per VLAN on it) and whose access ports are the
// guests' NICs, and rules in nftables' bridge family that hold each
// port to what it may send and receive.
//
// A port without a VLAN passes nothing, and a port without rules neither: a
// guest can only ever be too much cut off, never too little. Rules of all
// ports are one text, a pure function of the ports ([Rules]), replaced in one
// transaction. Those of a port that the kernel refuses are replaced by ones
// that let nothing pass.
//
// DHCP and metadata are answered on the host of the port. Each VLAN with
// guests has a network namespace of its own for that, so that projects with
// the same address ranges never meet. It has the same addresses on every
// host, and its own MAC ([serviceMAC]): frames from and to such a MAC never
// cross the trunk, so every guest talks to its own host alone.
package vswitch
