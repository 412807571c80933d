// Package tpm seals a key in the TPM 2.0 of a machine, so that the initramfs
// of this machine gets it back and nothing else does.
//
// What a sealed key is bound to:
//   - This TPM: its storage root key wraps it. A disk that is taken out, or
//     moved to another machine, stays closed.
//   - The initramfs: PCR 15 must be as it is after a start. The initramfs
//     extends it (see [Lock]) as soon as it has the key, so that no program of
//     the system that it starts can ask again, whatever its rights.
//
// What it is not bound to: which system is started (PCR 4, 7, 11). Boot loader
// and kernel are not signed for Secure Boot yet; without that the PCRs measure
// nothing that somebody with the machine in his hands could not measure too,
// and each update of firmware or of its revocation list would close the data
// for good. So who has the whole machine and can start a system of his own on
// it gets the key; who has the disk does not.
//
// The key is encrypted on its way to and from the chip, which is a bus that
// can be listened to. Source of the rules: TCG TPM 2.0 Library, Part 1 and 3;
// TCG PC Client Platform Firmware Profile 1.05, 3.3.4 (use of PCRs).
//
// The package imports none of ours.
package tpm
