// Package initrd is what a first process has to do before it can do anything
// else: mount the kernel's file systems, talk to every console, read the
// kernel line, load the drivers of the hardware, and in the end reboot or
// switch to the real root.
//
// Linux only. It imports nothing of ours; package installer uses it.
package initrd
