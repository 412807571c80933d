// Package iso makes the installation medium: one image that boots from CD,
// from a BMC's virtual media and from a disk that it was written to, on
// machines with BIOS and with UEFI. It carries a release under /cairn/ and,
// if one was given, the rack.yaml that makes an installation unattended.
//
// It runs on the build host and needs xorriso and GRUB's modules. It imports
// image-builder/manifest, bootdisk and tool.
package iso
