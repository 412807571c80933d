package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// firmwares are where Debian's package ovmf keeps code and empty variables:
// first the newer size, which Debian 12 and 13 both have.
var firmwares = [...][2]string{
	{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"},
	{"/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"},
}

// prepareFirmware returns the firmware's code and makes sure that the machine
// has variables of its own.
func prepareFirmware(s *Spec) (code string, err error) {
	if s.Firmware != UEFI {
		return "", nil
	}
	for _, f := range firmwares {
		vars, err := os.ReadFile(f[1])
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("firmware: %w", err)
		}
		own := filepath.Join(s.Dir, varsFile)
		if _, err := os.Stat(own); err == nil {
			return f[0], nil
		}
		if err := os.WriteFile(own, vars, 0o600); err != nil {
			return "", fmt.Errorf("firmware: %w", err)
		}
		return f[0], nil
	}
	return "", fmt.Errorf("firmware: %s is missing; install the package ovmf", firmwares[0][0])
}

// prepareDisks makes the files of disks that are not there yet.
func prepareDisks(s *Spec) error {
	for _, d := range s.Disks {
		name := d.File
		if !filepath.IsAbs(name) {
			name = filepath.Join(s.Dir, name)
		}
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("disk: %w", err)
		}
		err = errors.Join(f.Truncate(int64(d.SizeGiB)<<30), f.Close())
		if err != nil {
			return fmt.Errorf("disk %s: %w", name, err)
		}
	}
	return nil
}
