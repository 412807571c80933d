// Package encrypted installs a machine with an encrypted data partition from
// the ISO, as a person with a stick would, and starts it again: with its own
// TPM, and with another one.
//
// It is tests alone. They take minutes in emulation, so CAIRN_LONG=1 runs them;
// CAIRN_OUT says where the ISO is (default: out).
package encrypted
