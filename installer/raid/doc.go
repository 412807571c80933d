// Package raid makes and assembles mirrors (RAID 1) of the kernel's md driver,
// with its metadata version 1.2 and a bitmap of what is being written. mdadm
// opens what it makes.
//
// It exists because the initramfs has no mdadm, and needs of it only this
// much: a new mirror of two blank partitions, and an old one put together
// again with what is there of it. Both halves of a new mirror count as alike
// from the start: nobody ever reads what was not written, so nothing has to be
// copied.
//
// Source of the format: the kernel's md_p.h, md-bitmap.h and md_u.h.
// Assembling needs Linux and root, the rest nothing. The package imports none
// of ours.
package raid
