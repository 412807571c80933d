// Package luks makes and opens LUKS2 volumes for keys that are random: a key
// slot with the key, another one with a key for people, one segment of AES-XTS
// up to the end of the device, and a token that says where the key is.
// cryptsetup opens what it makes.
//
// It exists because the initramfs has no cryptsetup, and needs of LUKS2 only
// this much. A key here has 256 random bits, so nothing is to be gained from
// a slow key derivation: there is no dictionary to try, and 2^256 is out of
// reach at any speed. It is PBKDF2 with as few rounds as cryptsetup takes.
//
// Source of the format: LUKS2 On-Disk Format Specification 1.1. Mapping needs
// Linux and root, the rest nothing. The package imports none of ours.
package luks
