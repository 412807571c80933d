package installer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/installer/initrd"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/slot"
)

// handover starts what was installed: by kexec where that works, through the
// firmware otherwise. It returns only on failure.
func (m *machine) handover(j *job) error {
	m.doing = "handing over to " + j.plan.Disk.Path
	j.phases.begin(phaseHandover, j.plan.Handover)
	m.console.Printf("%s", j.phases.table())
	m.console.Printf("cairn: %s is installed; its system starts now", j.plan.HostName)
	if j.plan.Handover != plan.HandoverReboot {
		if err := m.kexec(j.plan.Disk.Path); err != nil {
			m.log.Warn("kexec", "error", err)
			m.console.Printf("cairn: kexec does not work here (%v); restarting instead", err)
		}
	}
	return initrd.Reboot()
}

// kexec loads kernel and initramfs of the new ESP and starts them. It returns
// only on failure.
func (m *machine) kexec(diskPath string) error {
	device, err := espOf(diskPath)
	if err != nil {
		return err
	}
	esp, err := m.mountVolume(device, "vfat", "esp")
	if err != nil {
		return err
	}
	e, err := readEntry(filepath.Join(esp.dir, "grub/grub.cfg"))
	if err != nil {
		return errors.Join(err, esp.close())
	}
	line := kexecLine(e.words, m.params)
	m.log.Info("kexec", "kernel", e.kernel, "line", line)
	if err := errors.Join(loadKernel(esp.dir, e, line), esp.close()); err != nil {
		return err
	}
	return initrd.Kexec()
}

func loadKernel(dir string, e entry, line string) error {
	kernel, err := os.Open(filepath.Join(dir, e.kernel))
	if err != nil {
		return err
	}
	defer kernel.Close()
	initramfs, err := os.Open(filepath.Join(dir, e.initramfs))
	if err != nil {
		return err
	}
	defer initramfs.Close()
	if err := unix.KexecFileLoad(int(kernel.Fd()), int(initramfs.Fd()), line, 0); err != nil {
		return fmt.Errorf("load the kernel %s: %w", e.kernel, err)
	}
	return nil
}

// An entry is what the boot loader of the disk starts.
type entry struct {
	kernel, initramfs string
	words             []string // of the kernel line
}

// readEntry reads the first menu entry of a grub.cfg that image-builder made.
func readEntry(file string) (entry, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return entry{}, fmt.Errorf("boot loader: %w", err)
	}
	var e entry
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		switch {
		case len(f) < 2:
		case f[0] == "linux" && e.kernel == "":
			e.kernel, e.words = f[1], f[2:]
		case f[0] == "initrd" && e.initramfs == "":
			e.initramfs = f[1]
		}
	}
	if e.kernel == "" || e.initramfs == "" {
		return e, fmt.Errorf("boot loader: %s starts no kernel", file)
	}
	return e, nil
}

// kexecLine is the line of the installed kernel: what its boot loader says,
// and what this kernel was told beyond our own words. The latter is about the
// machine (consoles, a slow emulator) and holds for the next kernel too.
func kexecLine(words []string, now initrd.Params) string {
	var out []string
	for _, w := range words {
		if !strings.HasPrefix(w, "$") {
			out = append(out, w)
		}
	}
	for _, w := range now.Words() {
		key, _, _ := strings.Cut(w, "=")
		switch {
		case strings.HasPrefix(key, "cairn.") && key != plan.ParamFail,
			slices.Contains([]string{plan.ParamBootIf, "BOOT_IMAGE", "initrd", "ip", "rdinit", "init"}, key),
			slices.Contains(out, w):
			continue
		}
		out = append(out, w)
	}
	return strings.Join(out, " ")
}

// espOf finds the EFI system partition of an installed disk.
func espOf(diskPath string) (string, error) {
	found, err := slot.Host().Find()
	if err != nil {
		return "", err
	}
	in, err := slot.Pick(found, diskPath)
	if err != nil {
		return "", err
	}
	return in.Parts[plan.LabelESP], nil
}
