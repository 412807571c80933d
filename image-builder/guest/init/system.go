package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// mounts mounts what programs expect. In a container it is there already, and
// the errors say so.
func mounts() {
	for _, m := range []struct{ kind, dir string }{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}} {
		// EBUSY and EPERM both mean that somebody else saw to it.
		_ = unix.Mount(m.kind, m.dir, m.kind, 0, "")
	}
}

// Lists of the image's kernel modules, in the order in which they have to be
// loaded. Containers have none.
const (
	nicDrivers   = "nic"
	otherDrivers = "later"
	driverDir    = "/lib/modules"
)

// loadDrivers loads the modules of a list until enough says so. A driver
// whose device is absent does no harm, so errors are not worth a word.
func loadDrivers(list string, enough func() bool) {
	raw, err := os.ReadFile(filepath.Join(driverDir, list))
	if err != nil {
		return
	}
	for line := range strings.Lines(string(raw)) {
		if enough() {
			return
		}
		loadDriver(filepath.Join(driverDir, strings.TrimSpace(line)))
	}
}

func loadDriver(name string) {
	f, err := os.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	_ = unix.FinitModule(int(f.Fd()), "", 0)
}

// Events of linux/input-event-codes.h.
const (
	eventSize = 24 // struct input_event on amd64
	keyEvent  = 1
	keyPower  = 116
)

// waitForButton returns when the machine's power button is pressed. Without
// one it never does.
func waitForButton() {
	found, err := filepath.Glob("/dev/input/event*")
	if err != nil || len(found) == 0 {
		select {}
	}
	pressed := make(chan struct{}, len(found))
	for _, name := range found {
		go func() {
			if readButton(name) {
				pressed <- struct{}{}
			}
		}()
	}
	<-pressed
}

// readButton tells whether the device had a press of a power button before it
// went away.
func readButton(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	buf := make([]byte, eventSize)
	for {
		n, err := f.Read(buf)
		if err != nil || n < eventSize {
			return false
		}
		kind, code := binary.LittleEndian.Uint16(buf[16:]), binary.LittleEndian.Uint16(buf[18:])
		if kind == keyEvent && code == keyPower && binary.LittleEndian.Uint32(buf[20:]) == 1 {
			return true
		}
	}
}
