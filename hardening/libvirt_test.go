package hardening

import (
	"os"
	"path/filepath"
	"testing"
)

// A QEMU that libvirt only asks for its abilities has no guest to confine.
func TestAskedTellsGuestsFromQuestions(t *testing.T) {
	for line, want := range map[string]bool{
		"/usr/bin/qemu-system-x86_64\x00-S\x00-machine\x00none,accel=kvm:tcg\x00":                           true,
		"/usr/bin/qemu-system-x86_64\x00-name\x00guest=none,debug-threads=on\x00-machine\x00pc,usb=off\x00": false,
	} {
		proc := t.TempDir()
		if err := os.WriteFile(filepath.Join(proc, "cmdline"), []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := asked(proc); got != want {
			t.Errorf("asked of %q is %v, want %v", line, got, want)
		}
	}
}
