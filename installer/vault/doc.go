// Package vault is the data partition of an installation: a partition, or a
// mirror of two (package raid), and where the plan wants it encrypted LUKS2
// (package luks) with a random key. The machine's TPM has sealed that key
// (package tpm), or the deployer keeps it. The header of the volume says which,
// as a token: it can be read before the data can, and it never parts from them.
// Further disks have keys that follow from it.
//
// Without encryption and mirror everything here is the partition itself. Linux
// only, and as root. Package installer uses it, to make a partition and to boot
// from it. It may import installer/luks, installer/plan, installer/raid,
// installer/slot and installer/tpm.
package vault
