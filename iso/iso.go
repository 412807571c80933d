package iso

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/cairn-cloud/cairn/image-builder/bootdisk"
	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/image-builder/tool"
	"github.com/cairn-cloud/cairn/installer/rackfile"
	"github.com/cairn-cloud/cairn/iso/seal"
)

// grubDir is where the menu is on the medium.
const grubDir = "/boot/grub"

// MaxSize of an ISO in bytes: it has to fit on a CD.
const MaxSize = 700e6

// installLine is what the kernel on the medium is told, and askLine what it is
// told when a person is to be asked even if there is a rack.yaml.
const (
	installLine = "cairn.mode=install console=tty0 console=ttyS0,115200 quiet panic=10"
	askLine     = installLine + " cairn.ui=1"
)

// epoch is the time of every file, in seconds since 1970.
const epoch = 1754697600

// hybridBoot is GRUB's boot sector for CD images on disks.
const hybridBoot = "/usr/lib/grub/i386-pc/boot_hybrid.img"

// early finds the medium, whatever the firmware calls it.
const early = `search --no-floppy --label ` + seal.Volume + ` --set=root
set prefix=($root)` + grubDir + `
`

// Options of [Build].
type Options struct {
	Release string // directory of a release
	Rack    string // rack.yaml to seal into the medium; empty: none
	Out     string
	Log     *slog.Logger
}

// Build writes the image to o.Out. The same release and rack.yaml give the
// same bytes.
func Build(ctx context.Context, o Options) error {
	stage, err := os.MkdirTemp(filepath.Dir(o.Out), "iso-")
	if err != nil {
		return fmt.Errorf("iso: %w", err)
	}
	defer os.RemoveAll(stage)
	if err := collect(ctx, stage, o); err != nil {
		return fmt.Errorf("iso: %w", err)
	}
	tmp := o.Out + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("iso: %w", err)
	}
	if _, err := tool.Run(ctx, tool.Cmd{Name: "xorriso", Args: xorriso(stage, tmp),
		Env: []string{fmt.Sprintf("SOURCE_DATE_EPOCH=%d", epoch)}}); err != nil {
		return fmt.Errorf("iso: %w", err)
	}
	if err := sealRack(tmp, o.Rack, o.Log); err != nil {
		return fmt.Errorf("iso: %w", err)
	}
	st, err := os.Stat(tmp)
	if err != nil {
		return fmt.Errorf("iso: %w", err)
	}
	if st.Size() > MaxSize {
		return fmt.Errorf("iso: %d bytes; allowed: %.0f", st.Size(), MaxSize)
	}
	if err := os.Rename(tmp, o.Out); err != nil {
		return fmt.Errorf("iso: %w", err)
	}
	o.Log.Info("iso: ready", "file", o.Out, "megabytes", st.Size()/1e6)
	return nil
}

// sealRack puts the rack.yaml of that name into the image, if there is one.
func sealRack(image, rack string, log *slog.Logger) error {
	if rack == "" {
		return nil
	}
	text, err := os.ReadFile(rack)
	if err != nil {
		return err
	}
	m, err := seal.Open(image, true)
	if err != nil {
		return err
	}
	warnings, err := m.Seal(text)
	for _, w := range warnings {
		log.Warn(w.String())
	}
	return errors.Join(err, m.Close())
}

// collect lays the content out: root/ becomes the file system, the rest is
// for xorriso.
func collect(ctx context.Context, stage string, o Options) error {
	release := filepath.Join(stage, "root", seal.ReleaseDir)
	grub := filepath.Join(stage, "root", grubDir)
	for _, d := range []string{release, grub} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	names := []string{manifest.Name, manifest.SignatureName, manifest.Root, manifest.ESP,
		manifest.BootCode, manifest.BIOSBoot, manifest.Kernel, manifest.Initramfs}
	for _, name := range names {
		if err := place(filepath.Join(o.Release, name), filepath.Join(release, name)); err != nil {
			return err
		}
	}
	area, err := rackfile.Seal(nil)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(release, rackfile.AreaName), area, 0o644); err != nil {
		return err
	}
	menu := bootdisk.Menu("/"+seal.ReleaseDir, 3,
		bootdisk.Entry{Title: "Install Cairn", Line: installLine},
		bootdisk.Entry{Title: "Install Cairn, asking at every step", Line: askLine},
		bootdisk.Entry{Title: "Start the installed system", Line: bootdisk.KernelLine})
	if err := os.WriteFile(filepath.Join(grub, "grub.cfg"), []byte(menu), 0o644); err != nil {
		return err
	}
	if err := bootdisk.CDLoader(ctx, filepath.Join(grub, "eltorito.img"), grubDir, early); err != nil {
		return err
	}
	efi := filepath.Join(stage, "BOOTX64.EFI")
	if err := bootdisk.EFILoader(ctx, efi, grubDir, early); err != nil {
		return err
	}
	raw, err := os.ReadFile(efi)
	if err != nil {
		return err
	}
	return bootdisk.SmallESP(ctx, filepath.Join(stage, "efi.img"), epoch,
		[]bootdisk.File{{Path: "/EFI/BOOT/BOOTX64.EFI", Content: raw}})
}

// xorriso is its command line, in the words of mkisofs. El Torito serves CDs
// (BIOS, then UEFI); boot sector and GPT serve disks.
func xorriso(stage, out string) []string {
	efi := filepath.Join(stage, "efi.img")
	return []string{
		"-as", "mkisofs", "-quiet", "-o", out, "-V", seal.Volume, "-iso-level", "3", "-r", "-J", "-joliet-long",
		"--modification-date=2025080900000000", "--set_all_file_dates", "2025080900000000",
		"-c", "/boot/boot.cat",
		"-b", grubDir + "/eltorito.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", "--grub2-boot-info",
		"--grub2-mbr", hybridBoot,
		"-append_partition", "2", "0xef", efi, "-appended_part_as_gpt", "-partition_offset", "16",
		"-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot",
		filepath.Join(stage, "root"),
	}
}

// place links a file, or copies it where links do not reach.
func place(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, raw, 0o644)
}
