package imagebuilder

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cairn-cloud/cairn/image-builder/bootdisk"
	"github.com/cairn-cloud/cairn/image-builder/firmware"
	"github.com/cairn-cloud/cairn/image-builder/initramfs"
	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/image-builder/rootfs"
	"github.com/cairn-cloud/cairn/image-builder/tool"
)

// root makes the tree and the root image with our program in it.
func (b *build) root(ctx context.Context) error {
	o := rootfs.Options{Recipe: b.recipe, Repository: b.repo, Kernel: b.kernel, Log: b.log,
		LogFile: filepath.Join(b.cache, "mmdebstrap.log")}
	debianKey, err := rootfs.DebianKey(o)
	if err != nil {
		return err
	}
	debian := filepath.Join(b.cache, "debian")
	if _, err := tool.Step(debian, debianKey, func(tmp string) error { return rootfs.Debian(ctx, tmp, o) }); err != nil {
		return err
	}
	treeKey, err := rootfs.TreeKey(o)
	if err != nil {
		return err
	}
	tree := filepath.Join(b.cache, "tree")
	made, err := tool.Step(tree, treeKey, func(tmp string) error { return rootfs.Tree(ctx, tmp, debian, o) })
	if err != nil {
		return err
	}
	b.log.Info("root: tree ready", "made", made)

	sum, err := tool.FileSum(b.cairn)
	if err != nil {
		return err
	}
	key, err := tool.Key(treeKey, sum)
	if err != nil {
		return err
	}
	verity := filepath.Join(b.cache, "verity.json")
	made, err = tool.Step(b.file(manifest.Root), key, func(tmp string) error {
		if err := rootfs.Install(tree, "usr/bin/cairn", b.cairn); err != nil {
			return err
		}
		v, err := rootfs.Image(ctx, tree, tmp)
		if err != nil {
			return err
		}
		raw, err := json.Marshal(v)
		if err != nil {
			return err
		}
		return os.WriteFile(verity, raw, 0o644)
	})
	if err != nil {
		return err
	}
	b.log.Info("root: image ready", "made", made)
	raw, err := os.ReadFile(verity)
	if err != nil {
		return fmt.Errorf("root: %w", err)
	}
	return json.Unmarshal(raw, &b.verity)
}

// initramfs joins the archives of the drivers, of their firmware and of the
// program.
func (b *build) initramfs(ctx context.Context) error {
	parts, key, err := b.driverParts(ctx)
	if err != nil {
		return err
	}
	keys := b.key.publicLines()
	sum, err := tool.FileSum(b.init)
	if err != nil {
		return err
	}
	if key, err = tool.Key(key, sum, keys); err != nil {
		return err
	}
	if _, err := tool.Step(b.file(manifest.Initramfs), key, func(tmp string) error {
		program, err := initramfs.Program(b.init, keys)
		if err != nil {
			return err
		}
		return os.WriteFile(tmp, initramfs.Join(append(parts, program)...), 0o644)
	}); err != nil {
		return err
	}
	return copyFile(b.kernel.Image(), b.file(manifest.Kernel))
}

// driverParts makes the archives that change with the packages only, and a key
// of what they are made of.
func (b *build) driverParts(ctx context.Context) ([][]byte, string, error) {
	d := initramfs.Drivers{Modules: b.kernel.Modules(), Want: b.recipe.Drivers}
	key, err := tool.Key(b.kernel.Package, d.Want)
	if err != nil {
		return nil, "", err
	}
	drivers, err := b.part("drivers", key, func(tmp string) error { return initramfs.WriteDrivers(ctx, tmp, d) })
	if err != nil || !b.recipe.Firmware {
		return [][]byte{drivers}, key, err
	}
	f := initramfs.Firmware{Drivers: d, From: filepath.Join(b.cache, "tree", firmware.Dir), Keep: b.recipe.KeepFirmware}
	if key, err = tool.Key(key, f.Keep, b.repo.Digest); err != nil {
		return nil, "", err
	}
	asked, err := b.part("firmware", key, func(tmp string) error { return initramfs.WriteFirmware(ctx, tmp, f) })
	return [][]byte{drivers, asked}, key, err
}

// part makes an archive of the initramfs unless it is there.
func (b *build) part(name, key string, write func(tmp string) error) ([]byte, error) {
	file := filepath.Join(b.cache, name+".zst")
	if _, err := tool.Step(file, key, write); err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(file)
	b.components = append(b.components, component{"initramfs: " + name, int64(len(raw))})
	return raw, err
}

// bootFiles makes the EFI system partition and GRUB's stages.
func (b *build) bootFiles(ctx context.Context) error {
	efi := filepath.Join(b.cache, "BOOTX64.EFI")
	menu := bootdisk.Menu("", 1, bootdisk.Entry{Title: "Cairn", Line: bootdisk.KernelLine})
	if err := bootdisk.EFILoader(ctx, efi, "/grub", ""); err != nil {
		return err
	}
	if err := bootdisk.BIOS(ctx, b.file(manifest.BootCode), b.file(manifest.BIOSBoot)); err != nil {
		return err
	}
	var files []bootdisk.File
	inputs := []any{menu}
	for _, f := range [][2]string{
		{"/EFI/BOOT/BOOTX64.EFI", efi}, {"/" + manifest.Kernel, b.artefacts[manifest.Kernel]}, {"/" + manifest.Initramfs, b.artefacts[manifest.Initramfs]},
	} {
		raw, err := os.ReadFile(f[1])
		if err != nil {
			return fmt.Errorf("esp: %w", err)
		}
		sum, err := tool.FileSum(f[1])
		if err != nil {
			return err
		}
		inputs = append(inputs, f[0], sum)
		files = append(files, bootdisk.File{Path: f[0], Content: raw})
	}
	files = append(files, bootdisk.File{Path: "/grub/grub.cfg", Content: []byte(menu)})
	key, err := tool.Key(inputs...)
	if err != nil {
		return err
	}
	_, err = tool.Step(b.file(manifest.ESP), key, func(tmp string) error { return bootdisk.ESP(ctx, tmp, rootfs.Epoch, files) })
	return err
}

// copyFile copies a file unless the copy is there with the same content.
func copyFile(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, raw, 0o644)
}
