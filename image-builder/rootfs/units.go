package rootfs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-cloud/cairn/image-builder/tool"
)

// preset is the policy of systemd.preset(5): a unit runs because a hardening
// control of the node's role enabled it, not because its package was there.
const preset = `# A unit runs because the node's role wants it.
enable systemd-networkd.service
enable systemd-resolved.service
disable *
`

// units masks what may not start and disables the rest.
func units(ctx context.Context, dir string, o Options) error {
	etc := filepath.Join(dir, "etc/systemd/system")
	for _, pattern := range []string{"*.wants", "*.requires", "*.service", "*.socket", "*.timer"} {
		if err := remove(etc, pattern); err != nil {
			return err
		}
	}
	name := filepath.Join(dir, "usr/lib/systemd/system-preset/00-cairn.preset")
	if err := os.WriteFile(name, []byte(preset), 0o644); err != nil {
		return fmt.Errorf("units: %w", err)
	}
	if _, err := tool.Run(ctx, tool.Cmd{Name: "chroot", Args: []string{dir, "systemctl", "preset-all"}}); err != nil {
		return err
	}
	// Waiting for the network is for a control to decide on.
	if err := remove(etc, "network-online.target.wants"); err != nil {
		return err
	}
	for _, u := range o.Recipe.Masked {
		link := filepath.Join(etc, u)
		if err := os.RemoveAll(link); err != nil {
			return fmt.Errorf("units: %w", err)
		}
		if err := os.Symlink("/dev/null", link); err != nil {
			return fmt.Errorf("units: %w", err)
		}
	}
	target := filepath.Join(etc, "default.target")
	if err := os.RemoveAll(target); err != nil {
		return fmt.Errorf("units: %w", err)
	}
	return os.Symlink("/usr/lib/systemd/system/multi-user.target", target)
}

// Enabled lists the units that the image itself enables, as paths below
// etc/systemd/system, for the one who reviews an image.
func Enabled(dir string) ([]string, error) {
	var all []string
	etc := filepath.Join(dir, "etc/systemd/system")
	err := filepath.WalkDir(etc, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		to, err := os.Readlink(name)
		if err == nil && to != "/dev/null" {
			all = append(all, strings.TrimPrefix(name, etc+"/"))
		}
		return nil
	})
	return all, err
}
