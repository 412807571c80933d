// Package scale boots hundreds of machines at once that exist in memory
// alone, against a real deployer: each asks for an address as its firmware
// does, fetches its loader over TFTP, its script, kernel and initramfs over
// HTTP, and sends its inventory over TLS until it has a plan. They have no
// disks.
//
// All of it happens in one network namespace on a veth pair: DHCP goes over
// the wire as whole frames with each machine's own MAC, TFTP and HTTP come
// from each machine's own address.
package scale
