// Package iso makes the installation medium: one image that boots from CD,
// from a BMC's virtual media and from a disk that it was written to, on
// machines with BIOS and with UEFI. It carries a release under /cairn/ and,
// a place for the rack.yaml that makes an installation unattended (see package
// seal).
//
// It runs on the build host and needs xorriso and GRUB's modules. It imports
// image-builder/manifest, bootdisk and tool, and installer/rackfile.
package iso
