// Package tui shows the installer's conversation with a person on every
// terminal of the machine at once: the screen and the serial line. Both show
// the same; the one that gets the first key drives it, and the other can take
// over.
//
// What is shown and asked is in package wizard; this package joins it to
// terminals with bubbletea, which reads keys and writes only what changed.
// Linux only. It may import installer/plan and installer/tui/wizard.
package tui
