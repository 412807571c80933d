// Package disk looks at disks and writes them: what is on one, its new
// partition table, the files of a release, checked chunk by chunk, and the
// boot code.
//
// A [Target] is a block device, or a file in tests; everything but [Open] and
// the re-reading of partitions works on both. The package may import
// image-builder/manifest and installer/plan.
package disk
