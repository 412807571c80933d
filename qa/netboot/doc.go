// Package netboot boots machines of the lab from a laptop: `cairn deploy` runs
// as a process in a network namespace of the host, whose only interface is a
// port of the lab's switch.
//
// It is tests alone. They need root, for the namespace, and QEMU.
package netboot
