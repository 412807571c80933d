// Package wizard is the conversation of the installer with a person: screens
// of text, what a key does on each, and the rack.yaml that comes out of it.
//
// A [Model] does no I/O. It is told keys, the size of the screen and what
// became of its tasks, and says what the screen shows; package tui joins it to
// terminals. It draws in ASCII with the attributes that every VT100 has, so
// that it looks the same on a crash cart and on a serial line. Text from
// outside (labels of disks, names of switches, comments of keys) is shown
// without control characters.
//
// It may import installer/plan.
package wizard
