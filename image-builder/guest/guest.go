// Package guest makes the tiny guest images that a cloud is tried with: a
// kernel, an initramfs and a disk for virtual machines (aki, ari, ami), and a
// root tree for containers. All of them run the same init (package init
// below), which says on its console what it found.
//
// It runs on the build host and imports image-builder only.
package guest

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/cairn-cloud/cairn/image-builder/initramfs"
	"github.com/cairn-cloud/cairn/image-builder/recipe"
)

// Names of the files.
const (
	Kernel  = "aki"
	Ramdisk = "ari"
	Disk    = "ami"
	LXC     = "lxc.tar.zst"
	Line    = "cmdline" // what the kernel is best told; a property of the image
)

// KernelLine lets a guest start fast where there is no KVM: in an emulator,
// the kernel measures nothing and tests nothing.
const KernelLine = "console=ttyS0 quiet mitigations=off cryptomgr.notests nowatchdog audit=0 lpj=4000000 tsc=reliable no_timer_check"

// diskSize in bytes. Nothing is on the disk: the initramfs is all that runs.
const diskSize = 1 << 20

// drivers of the guest, in the order in which they are loaded, by the name of
// the list that init reads: the first ones until there is a NIC, the others
// when there is time.
var drivers = map[string][]recipe.Driver{
	"nic": {
		{Module: "virtio_net", Why: "NIC"},
		{Module: "e1000", Why: "NIC of a machine without virtio"},
	},
	"later": {
		{Module: "button", Why: "to be told to stop"},
		{Module: "evdev", Why: "to be told to stop"},
	},
}

// Options of [Build].
type Options struct {
	Out     string // directory
	Init    string // the static init program
	Kernel  string // bzImage
	Modules string // directory of its modules
	Epoch   int64  // time of every file, in seconds since 1970
	Log     *slog.Logger
}

// Build writes the images.
func Build(ctx context.Context, o Options) error {
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return fmt.Errorf("guest: %w", err)
	}
	program, err := os.ReadFile(o.Init)
	if err != nil {
		return fmt.Errorf("guest: %w", err)
	}
	kernel, err := os.ReadFile(o.Kernel)
	if err != nil {
		return fmt.Errorf("guest: %w", err)
	}
	ramdisk, err := ramdisk(program, o.Modules)
	if err != nil {
		return fmt.Errorf("guest: %w", err)
	}
	tree, err := rootTar(program, o.Epoch)
	if err != nil {
		return fmt.Errorf("guest: %w", err)
	}
	files := map[string][]byte{
		Kernel: kernel, Ramdisk: ramdisk, LXC: tree,
		Disk: make([]byte, diskSize), Line: []byte(KernelLine + "\n"),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(o.Out, name), content, 0o644); err != nil {
			return fmt.Errorf("guest: %w", err)
		}
		o.Log.Info("guest: ready", "file", name, "bytes", len(content))
	}
	return ctx.Err()
}

// ramdisk packs init and drivers. It is not compressed much: unpacking costs
// more than reading where processors are emulated.
func ramdisk(program []byte, modules string) ([]byte, error) {
	content := initramfs.Tree{"init": {Data: program, Mode: 0o755}}
	for _, dir := range []string{"dev", "proc", "sys"} {
		content[dir] = initramfs.Entry{Dir: true}
	}
	for list, want := range drivers {
		if err := addDrivers(content, list, modules, want); err != nil {
			return nil, err
		}
	}
	return content.Pack()
}

// addDrivers adds modules to the archive, and the list of them.
func addDrivers(content initramfs.Tree, list, modules string, want []recipe.Driver) error {
	files, err := initramfs.LoadOrder(modules, want)
	if err != nil {
		return err
	}
	var order []string
	for _, f := range files {
		raw, err := initramfs.ReadModule(filepath.Join(modules, f))
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(path.Base(f), ".xz")
		content["lib/modules/"+name] = initramfs.Entry{Data: raw}
		order = append(order, name)
	}
	content["lib/modules/"+list] = initramfs.Entry{Data: []byte(strings.Join(order, "\n") + "\n")}
	return nil
}

// rootTar packs the root tree of a container.
func rootTar(program []byte, epoch int64) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	when := time.Unix(epoch, 0)
	for _, dir := range []string{"dev/", "proc/", "sys/", "run/", "tmp/", "sbin/", "etc/"} {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, ModTime: when}); err != nil {
			return nil, err
		}
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "sbin/init", Mode: 0o755, Size: int64(len(program)), ModTime: when}); err != nil {
		return nil, err
	}
	if _, err := w.Write(program); err != nil {
		return nil, err
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "init", Linkname: "sbin/init", Mode: 0o777, ModTime: when}); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return initramfs.Compress(slices.Clip(buf.Bytes()), zstd.SpeedBetterCompression)
}
