package initrd

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Reboot restarts the machine through its firmware, at once, after a sync.
func Reboot() error { return power("reboot", unix.LINUX_REBOOT_CMD_RESTART) }

// PowerOff turns the machine off, after a sync.
func PowerOff() error { return power("power off", unix.LINUX_REBOOT_CMD_POWER_OFF) }

// Kexec starts the kernel that was loaded with kexec_file_load, after a sync.
func Kexec() error { return power("kexec", unix.LINUX_REBOOT_CMD_KEXEC) }

func power(what string, cmd int) error {
	unix.Sync()
	if err := unix.Reboot(cmd); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
