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
	"strings"
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
const KernelLine = "console=tty0 console=ttyS0,115200 quiet panic=10"

// grubDir is where Debian's packages grub-pc-bin and grub-efi-amd64-bin have
// their modules.
const grubDir = "/usr/lib/grub"

// modules are in both loaders: nothing is loaded at boot time.
var modules = []string{
	"normal", "linux", "echo", "test", "part_gpt", "part_msdos", "fat", "iso9660",
	"search", "search_label", "search_fs_file", "serial", "terminal", "all_video", "configfile",
	"smbios", "regexp", "minicmd", "reboot", "halt",
}

// An Entry of GRUB's menu starts the kernel with a line of its own.
type Entry struct {
	Title string
	Line  string
}

// Menu is GRUB's configuration. Kernel and initramfs are in the directory
// path of the volume that it is read from; the first entry is taken after
// timeout seconds.
//
// A machine can carry more of the kernel line in the last of its SMBIOS OEM
// strings (type 11), if that begins with "cairn:". That is how a virtual rack
// tells kernels that they run in a slow emulator, without another image.
func Menu(path string, timeout int, entries ...Entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, `set more=
set oem=
if smbios --type 11 --get-string 4 --set oem; then
  if regexp --set=1:more '^cairn:(.*)$' "$oem"; then true; fi
fi
if serial --unit=0 --speed=115200; then
  terminal_input console serial
  terminal_output console serial
fi
set timeout=%d
set default=0
`, timeout)
	for _, e := range entries {
		fmt.Fprintf(&b, "menuentry '%s' {\n  linux %s/vmlinuz %s $more\n  initrd %s/initramfs\n}\n", e.Title, path, e.Line, path)
	}
	b.WriteString("menuentry 'Restart' {\n  reboot\n}\n")
	return b.String()
}

// epochEnv fixes the time of files and of file systems.
func epochEnv(epoch int64) []string { return []string{fmt.Sprintf("SOURCE_DATE_EPOCH=%d", epoch)} }

// EFILoader writes GRUB for UEFI machines to out. It reads
// PREFIX/grub.cfg of the volume that it was started from, unless the script
// early says otherwise.
func EFILoader(ctx context.Context, out, prefix, early string) error {
	return mkimage(ctx, image{"x86_64-efi", out, prefix, early, []string{"efi_gop", "efi_uga"}})
}

// CDLoader writes GRUB for machines with a BIOS that start from a CD, or from
// a disk that holds the image of one.
func CDLoader(ctx context.Context, out, prefix, early string) error {
	return mkimage(ctx, image{"i386-pc-eltorito", out, prefix, early, []string{"biosdisk"}})
}

// An image is what grub-mkimage makes.
type image struct {
	format, out, prefix, early string
	modules                    []string
}

func mkimage(ctx context.Context, i image) error {
	dir := filepath.Join(grubDir, strings.TrimSuffix(i.format, "-eltorito"))
	args := []string{"-O", i.format, "-d", dir, "-p", i.prefix, "-o", i.out}
	if i.early != "" {
		config := i.out + ".cfg"
		if err := os.WriteFile(config, []byte(i.early), 0o644); err != nil {
			return fmt.Errorf("grub: %w", err)
		}
		defer os.Remove(config)
		args = append(args, "-c", config)
	}
	_, err := tool.Run(ctx, tool.Cmd{Name: "grub-mkimage", Args: append(append(args, modules...), i.modules...)})
	return err
}

// BIOS writes boot.img and core.img for the layout of an installed disk, each
// patched with the sector where the next stage is.
func BIOS(ctx context.Context, bootImg, coreImg string) error {
	prefix := fmt.Sprintf("(,gpt%d)/grub", espNumber)
	if err := mkimage(ctx, image{"i386-pc", coreImg, prefix, "", []string{"biosdisk"}}); err != nil {
		return err
	}
	core, err := os.ReadFile(coreImg)
	if err != nil {
		return fmt.Errorf("core.img: %w", err)
	}
	boot, err := os.ReadFile(filepath.Join(grubDir, "i386-pc/boot.img"))
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
	if err := fat(ctx, volume{out, ESPSize, []string{"-F", "32", "-s", fmt.Sprint(espCluster / 512), "-n", "CAIRN-ESP"}, epoch}, files); err != nil {
		return err
	}
	return cut(out)
}

// SmallESP writes a FAT volume that is just large enough for a loader: the
// EFI part of a CD.
func SmallESP(ctx context.Context, out string, epoch int64, files []File) error {
	size := int64(512 << 10)
	for _, f := range files {
		size += int64(len(f.Content)+4095) / 4096 * 4096
	}
	return fat(ctx, volume{out, size, []string{"-F", "12", "-s", "4", "-n", "CAIRN-EFI"}, epoch}, files)
}

// A volume is a FAT file system in a file.
type volume struct {
	out   string
	size  int64
	args  []string
	epoch int64
}

func fat(ctx context.Context, v volume, files []File) error {
	if err := os.RemoveAll(v.out); err != nil {
		return fmt.Errorf("esp: %w", err)
	}
	if err := os.WriteFile(v.out, nil, 0o644); err != nil {
		return fmt.Errorf("esp: %w", err)
	}
	if err := os.Truncate(v.out, v.size); err != nil {
		return fmt.Errorf("esp: %w", err)
	}
	args := append(v.args, "-i", espVolume, "--invariant", v.out)
	if _, err := tool.Run(ctx, tool.Cmd{Name: "mkfs.fat", Env: epochEnv(v.epoch), Args: args}); err != nil {
		return err
	}
	return copyFiles(ctx, v.out, v.epoch, files)
}

// copyFiles makes the directories and copies the files with mtools.
func copyFiles(ctx context.Context, image string, epoch int64, files []File) error {
	stage, err := os.MkdirTemp(filepath.Dir(image), "esp-")
	if err != nil {
		return fmt.Errorf("esp: %w", err)
	}
	defer os.RemoveAll(stage)
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
	defer f.Close()
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
