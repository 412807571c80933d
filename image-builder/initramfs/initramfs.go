// Package initramfs makes the archive that the kernel starts from: our init,
// the drivers that installing and booting needs, and the public keys of
// releases.
//
// It is archives one behind the other, which the kernel unpacks in turn: the
// drivers, and the firmware that they ask for, change with the kernel only, the
// program changes all the time.
// The package needs depmod, and imports image-builder only.
package initramfs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/cairn-cloud/cairn/image-builder/firmware"
	"github.com/cairn-cloud/cairn/image-builder/recipe"
	"github.com/cairn-cloud/cairn/image-builder/tool"
)

// KeysFile is where the init finds the release keys it trusts: base64 of an
// ed25519 public key per line.
const KeysFile = "etc/cairn/release.pub"

// Drivers describes an archive of drivers.
type Drivers struct {
	Modules string // directory of the kernel's modules, .../usr/lib/modules/RELEASE
	Want    []recipe.Driver
}

// WriteDrivers writes the compressed archive of the drivers to the file out.
func WriteDrivers(ctx context.Context, out string, d Drivers) error {
	t, err := readTree(d.Modules)
	if err != nil {
		return err
	}
	return stage(ctx, out, func(dir string) error {
		return copyModules(ctx, dir, filepath.Base(d.Modules), t, d.Want)
	})
}

// Firmware describes an archive of what drivers ask for.
type Firmware struct {
	Drivers Drivers
	From    string        // directory of firmware
	Keep    []recipe.Path // files of it that drivers ask for though they do not say so
}

// WriteFirmware writes the compressed archive of the drivers' firmware to the
// file out: a NIC has to work before there is a deployer to ask, a disk
// controller before there is a disk.
func WriteFirmware(ctx context.Context, out string, f Firmware) error {
	t, err := readTree(f.Drivers.Modules)
	if err != nil {
		return err
	}
	files, err := t.closure(f.Drivers.Want)
	if err != nil {
		return err
	}
	for i := range files {
		files[i] = filepath.Join(t.dir, files[i])
	}
	wanted, err := firmware.Wanted(ctx, files)
	if err != nil {
		return err
	}
	for _, p := range f.Keep {
		wanted = append(wanted, p.Path)
	}
	return stage(ctx, out, func(dir string) error {
		return firmware.Copy(filepath.Join(dir, "lib/firmware"), f.From, wanted)
	})
}

// stage writes the compressed archive of what fill puts into a directory.
func stage(ctx context.Context, out string, fill func(dir string) error) error {
	dir, err := os.MkdirTemp(filepath.Dir(out), "stage-")
	if err != nil {
		return fmt.Errorf("initramfs: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := fill(dir); err != nil {
		return err
	}
	content := Tree{}
	if err := content.AddDir(dir, ""); err != nil {
		return fmt.Errorf("initramfs: %w", err)
	}
	raw, err := content.Pack()
	if err != nil {
		return err
	}
	// It is packed once per kernel: worth the best that zstd can.
	packed, err := tool.Run(ctx, tool.Cmd{Name: "zstd", Args: []string{"-19", "--single-thread", "-c"}, Stdin: raw})
	if err != nil {
		return err
	}
	return os.WriteFile(out, packed, 0o644)
}

// Program packs the init, and the keys that it trusts, as an archive of its
// own.
func Program(binary string, keys []byte) ([]byte, error) {
	raw, err := os.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("initramfs: %w", err)
	}
	content := Tree{
		"init":   {Data: raw, Mode: 0o755},
		KeysFile: {Data: keys},
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
