// Package convert turns one disk format into another with qemu-img, a large
// program that reads what strangers have made. It runs as if it were theirs:
//
//   - Landlock lets it read its own program files and the one image, and write
//     into one empty directory; nothing else of the machine's files is there.
//   - A seccomp filter takes sockets, other processes and everything that
//     changes the machine away from it; Landlock takes TCP, too.
//   - Limits of memory, processor time, file size and open files; a deadline
//     after which it is killed with all that it started.
//
// All of it works without privileges and without systemd, on the thread that
// starts the program; where the kernel cannot do it, nothing is converted.
// The formats are named on both sides, so that qemu-img never guesses.
//
// It imports cloud only.
package convert
