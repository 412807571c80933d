// Package fabric is an Ethernet switch in user space: the network of a
// virtual rack. It knows VLANs per port (access or trunk), learns addresses
// per VLAN, counts, announces itself by LLDP, captures on demand and can be
// told to misbehave.
//
// Ports speak QEMU's stream format (a 32-bit big-endian length before each
// frame) over any connection, usually one half of a Unix socket pair whose
// other half QEMU inherits. Frames are read and written in batches and copied
// once, from the sender's buffer into each receiver's; nothing is allocated
// per frame.
//
// The package needs neither root nor the host's network, but for [Tap], which
// plugs a network namespace of the host in. Only qa/lab and other tests of qa
// import it.
package fabric
