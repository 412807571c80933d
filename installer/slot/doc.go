// Package slot boots what an installation wrote: it finds the disk, picks a
// slot whose footer a release key has signed, opens it with dm-verity and
// puts the root of the installed system together.
//
// Linux only, and as root. It may import image-builder/manifest, node/spec,
// installer/plan and installer/luks. Package installer uses it, to boot and to configure a
// new installation.
package slot
