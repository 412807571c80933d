// Package imagebuilder makes releases of the system image on a build host.
//
// [Command] is cairn-build image: recipe -> packages -> root -> EROFS with
// dm-verity, drivers -> initramfs, GRUB -> boot loader files, and a signed
// manifest over all of it. A step whose inputs did not change is skipped, so
// after a change of Go code only the program, the root image and the
// initramfs are made again. The same inputs give the same bytes.
//
// The package runs on the build host only; see cmd/cairn-build.
package imagebuilder
