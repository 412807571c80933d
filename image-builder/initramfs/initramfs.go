// Package initramfs makes the archive that the kernel starts from: our init,
// the drivers that installing and booting needs, and the public keys of
// releases.
//
// It is two archives one behind the other, which the kernel unpacks in turn:
// the drivers change with the kernel only, the program changes all the time.
// The package needs depmod, and imports image-builder only.
package initramfs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/cairn-cloud/cairn/image-builder/recipe"
	"github.com/cairn-cloud/cairn/image-builder/tool"
)

// KeysFile is where the init finds the release keys it trusts: base64 of an
// ed25519 public key per line.
const KeysFile = "etc/cairn/release.pub"

// Drivers describes an archive of drivers.
type Drivers struct {
	Modules  string // directory of the kernel's modules, .../usr/lib/modules/RELEASE
	Want     []recipe.Driver
	Firmware string // directory with what the drivers ask for; empty: none
}

// WriteDrivers writes the compressed archive of the drivers to the file out.
func WriteDrivers(ctx context.Context, out string, d Drivers) error {
	release := filepath.Base(d.Modules)
	t, err := readTree(d.Modules)
	if err != nil {
		return err
	}
	stage, err := os.MkdirTemp(filepath.Dir(out), "drivers-")
	if err != nil {
		return fmt.Errorf("drivers: %w", err)
	}
	defer os.RemoveAll(stage)
	files, err := copyModules(ctx, stage, release, t, d.Want)
	if err != nil {
		return err
	}
	if d.Firmware != "" {
		if err := copyFirmware(ctx, stage, d.Firmware, t, files); err != nil {
			return err
		}
	}
	content := Tree{}
	if err := content.AddDir(stage, ""); err != nil {
		return fmt.Errorf("drivers: %w", err)
	}
	raw, err := content.Pack()
	if err != nil {
		return err
	}
	// The drivers are packed once per kernel: worth the best that zstd can.
	packed, err := tool.Run(ctx, tool.Cmd{Name: "zstd", Args: []string{"-19", "--single-thread", "-c"}, Stdin: raw})
	if err != nil {
		return err
	}
	return os.WriteFile(out, packed, 0o644)
}

// Program packs the init, and the keys that it trusts, as an archive of its
// own. The program is there once: /init is a link to it.
func Program(binary string, keys []byte) ([]byte, error) {
	raw, err := os.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("initramfs: %w", err)
	}
	content := Tree{
		"bin/cairn": {Data: raw, Mode: 0o755},
		"init":      {Link: "bin/cairn"},
		KeysFile:    {Data: keys},
	}
	for _, dir := range []string{"dev", "proc", "sys", "run", "tmp", "sysroot", "root"} {
		content[dir] = Entry{Dir: true}
	}
	packed, err := content.Pack()
	if err != nil {
		return nil, err
	}
	return Compress(packed, zstd.SpeedBetterCompression)
}

// Join puts archives one behind the other. The kernel wants each to begin at
// a multiple of four bytes.
func Join(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		for len(all)%4 != 0 {
			all = append(all, 0)
		}
		all = append(all, p...)
	}
	return all
}
