// Package vault is the data partition, where a plan wants it encrypted: LUKS2
// (package luks) with a random key that the machine's TPM has sealed (package
// tpm). What the TPM gave out is in the header of the volume, as a token: it
// can be read before the data can, and it never parts from them.
//
// Without encryption everything here is the partition itself. Linux only, and
// as root. Package installer uses it, to make a partition and to boot from it.
// It may import installer/luks, installer/plan, installer/slot and
// installer/tpm.
package vault
