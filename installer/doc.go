// Package installer is the first process of a machine: it boots the installed
// system, or installs one.
//
// [Init] runs as PID 1 of the initramfs. The kernel line decides (plan.Param*):
// without a word of ours it finds the disk with an installation, checks the
// signature of a slot, opens it with dm-verity and hands over to systemd; with
// cairn.mode=install it takes the inventory, asks rack.yaml or the deployer
// for a plan, and carries it out. A failure is shown to a person, with a
// remedy, and the machine restarts.
//
// The work is in the packages below: plan decides, disk writes, source and
// deployer talk, slot boots, inventory and network look, initrd is what a
// first process needs. It may import node/spec, hardening and
// image-builder/manifest.
package installer
