package rootfs

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/image-builder/firmware"
)

// trimFirmware leaves the firmware that the image's modules ask for, and the
// files beside it that the recipe keeps.
func trimFirmware(ctx context.Context, dir string, o Options) error {
	if !o.Recipe.Firmware {
		return nil
	}
	loadable, err := moduleFiles(filepath.Join(dir, "usr/lib/modules", o.Kernel.Release))
	if err != nil {
		return fmt.Errorf("firmware: %w", err)
	}
	wanted, err := firmware.Wanted(ctx, loadable)
	if err != nil {
		return err
	}
	for _, p := range o.Recipe.KeepFirmware {
		wanted = append(wanted, p.Path)
	}
	from := filepath.Join(dir, firmware.Dir)
	all := from + ".all"
	if err := os.Rename(from, all); err != nil {
		return fmt.Errorf("firmware: %w", err)
	}
	if err := firmware.Copy(from, all, slices.Compact(wanted)); err != nil {
		return err
	}
	return os.RemoveAll(all)
}

// moduleFiles lists the modules below a directory.
func moduleFiles(dir string) ([]string, error) {
	var all []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.Contains(d.Name(), ".ko") {
			all = append(all, name)
		}
		return err
	})
	return all, err
}
