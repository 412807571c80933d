// Package bootdisk makes what an installed disk boots from: the prepared
// image of the EFI system partition, and GRUB's two stages for machines with
// a BIOS. Kernel and initramfs are on the EFI system partition in both cases.
//
// It needs GRUB's modules for both platforms, dosfstools and mtools, and
// imports image-builder/tool only.
package bootdisk

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cairn-cloud/cairn/image-builder/tool"
)

// Where an installed disk has its parts. The second is why core.img finds the
// ESP of the disk that it was started from, whatever other disks hold.
const (
	biosStart = 2048 // first sector of the BIOS boot partition
	espNumber = 2    // number of the EFI system partition
)

// The ESP is ESPSize bytes of FAT32 in clusters of 2 KiB: with 4 KiB it would
// have less than 65,525 of them, which firmware takes for FAT16.
const (
	ESPSize    = 256 << 20
	espCluster = 2048
	espVolume  = "CA124E51"
)

// KernelLine is what an installed disk's kernel is told.
const KernelLine = "console=tty0 console=ttyS0,115200 quiet"

// grubDir is where Debian's packages grub-pc-bin and grub-efi-amd64-bin have
// their modules.
const grubDir = "/usr/lib/grub"

// modules are in both loaders: nothing is loaded at boot time.
var modules = []string{
	"normal", "linux", "echo", "test", "part_gpt", "part_msdos", "fat", "iso9660",
	"search", "search_label", "search_fs_file", "serial", "terminal", "all_video", "gfxterm", "configfile", "smbios", "regexp", "minicmd", "sleep", "reboot", "halt",
}

// Menu is GRUB's configuration for one entry.
//
// A machine can carry more of the kernel line in its SMBIOS OEM strings
// (type 11), in one that begins with "cairn:". That is how a virtual rack
// tells kernels that they run in a slow emulator, without another image.
func Menu(title, path, line string, timeout int) string {
	return fmt.Sprintf(`if serial --unit=0 --speed=115200; then
  terminal_input console serial
  terminal_output console serial
fi
set timeout=%d
set default=0
set more=
for i in 1 2 3 4; do
  set oem=
  smbios --type 11 --get-string 4 --set oem
  if regexp --set=1:more '^cairn:(.*)$' "$oem"; then true; fi
done
menuentry '%s' {
  linux %s/vmlinuz %s $more
  initrd %s/initramfs
}
menuentry 'Restart' {
  reboot
}
`, timeout, title, path, line, path)
}

// epochEnv fixes the time of files and of file systems.
func epochEnv(epoch int64) []string { return []string{fmt.Sprintf("SOURCE_DATE_EPOCH=%d", epoch)} }

// EFILoader writes GRUB for UEFI machines to out. It reads
// PREFIX/grub.cfg of the volume that it was started from.
func EFILoader(ctx context.Context, out, prefix string) error {
	args := []string{"-O", "x86_64-efi", "-d", filepath.Join(grubDir, "x86_64-efi"), "-p", prefix, "-o", out}
	_, err := tool.Run(ctx, tool.Cmd{Name: "grub-mkimage", Args: append(append(args, modules...), "efi_gop", "efi_uga")})
	return err
}

// BIOS writes boot.img and core.img for the layout of an installed disk, each
// patched with the sector where the next stage is.
func BIOS(ctx context.Context, bootImg, coreImg string) error {
	dir := filepath.Join(grubDir, "i386-pc")
	args := []string{"-O", "i386-pc", "-d", dir, "-p", fmt.Sprintf("(,gpt%d)/grub", espNumber), "-o", coreImg}
	if _, err := tool.Run(ctx, tool.Cmd{Name: "grub-mkimage", Args: append(append(args, modules...), "biosdisk")}); err != nil {
		return err
	}
	core, err := os.ReadFile(coreImg)
	if err != nil {
		return fmt.Errorf("core.img: %w", err)
	}
	boot, err := os.ReadFile(filepath.Join(dir, "boot.img"))
	if err != nil {
		return fmt.Errorf("boot.img: %w", err)
	}
	if len(core) > 1<<20 || len(core) < 1024 || len(boot) != 512 {
		return fmt.Errorf("core.img has %d bytes, boot.img %d; allowed: 1 MiB, 512", len(core), len(boot))
	}
	chain(boot, core)
	if err := os.WriteFile(bootImg, boot, 0o644); err != nil {
		return fmt.Errorf("boot.img: %w", err)
	}
	return os.WriteFile(coreImg, core, 0o644)
}

// chain writes the places of GRUB's boot.h: in the boot sector the sector of
// core.img, and the work-around for a BIOS that names a wrong boot drive; at
// the end of core.img's first sector where the rest of it is.
func chain(boot, core []byte) {
	const kernelSector, driveCheck = 0x5c, 0x66
	binary.LittleEndian.PutUint64(boot[kernelSector:], biosStart)
	binary.LittleEndian.PutUint16(boot[driveCheck:], 0x9090)
	const blockList = 512 - 12
	binary.LittleEndian.PutUint64(core[blockList:], biosStart+1)
	binary.LittleEndian.PutUint16(core[blockList+8:], uint16((len(core)+511)/512-1))
}

// A File goes onto a FAT volume.
type File struct {
	Path    string // on the volume, with a leading slash
	Content []byte
}

// ESP writes the used head of the EFI system partition to out: what is behind
// it stays as it is on the disk, the volume does not refer to it.
func ESP(ctx context.Context, out string, epoch int64, files []File) error {
	if err := os.RemoveAll(out); err != nil {
		return fmt.Errorf("esp: %w", err)
	}
	f, err := os.Create(out)
	if err != nil {
		return fmt.Errorf("esp: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("esp: %w", err)
	}
	if err := os.Truncate(out, ESPSize); err != nil {
		return fmt.Errorf("esp: %w", err)
	}
	if _, err := tool.Run(ctx, tool.Cmd{Name: "mkfs.fat", Env: epochEnv(epoch), Args: []string{
		"-F", "32", "-s", fmt.Sprint(espCluster / 512), "-i", espVolume, "-n", "CAIRN-ESP", "--invariant", out,
	}}); err != nil {
		return err
	}
	if err := copyFiles(ctx, out, epoch, files); err != nil {
		return err
	}
	return cut(out)
}

// copyFiles makes the directories and copies the files with mtools.
func copyFiles(ctx context.Context, image string, epoch int64, files []File) error {
	stage, err := os.MkdirTemp(filepath.Dir(image), "esp-")
	if err != nil {
		return fmt.Errorf("esp: %w", err)
	}
	defer os.RemoveAll(stage) //nolint:errcheck // scratch
	made := map[string]bool{"/": true}
	env := append(epochEnv(epoch), "MTOOLS_SKIP_CHECK=1")
	when := time.Unix(epoch, 0)
	for _, file := range files {
		for _, dir := range parents(file.Path) {
			if made[dir] {
				continue
			}
			made[dir] = true
			if _, err := tool.Run(ctx, tool.Cmd{Name: "mmd", Env: env, Args: []string{"-i", image, "::" + dir}}); err != nil {
				return err
			}
		}
		name := filepath.Join(stage, filepath.Base(file.Path))
		if err := os.WriteFile(name, file.Content, 0o644); err != nil {
			return fmt.Errorf("esp: %w", err)
		}
		if err := os.Chtimes(name, when, when); err != nil {
			return fmt.Errorf("esp: %w", err)
		}
		if _, err := tool.Run(ctx, tool.Cmd{Name: "mcopy", Env: env, Args: []string{"-m", "-i", image, name, "::" + file.Path}}); err != nil {
			return err
		}
	}
	return nil
}

// parents lists the directories above a path, outermost first.
func parents(path string) []string {
	dir := filepath.Dir(path)
	if dir == "/" {
		return nil
	}
	return append(parents(dir), dir)
}

// cut truncates a file after the last block with something in it.
func cut(name string) error {
	const block = 4096
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("esp: %w", err)
	}
	defer f.Close() //nolint:errcheck // Truncate tells what matters
	buf := make([]byte, block)
	for end := int64(ESPSize); end > 0; end -= block {
		if _, err := f.ReadAt(buf, end-block); err != nil {
			return fmt.Errorf("esp: %w", err)
		}
		for _, b := range buf {
			if b != 0 {
				return f.Truncate(end)
			}
		}
	}
	return fmt.Errorf("esp: %s is empty", name)
}
