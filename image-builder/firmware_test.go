package imagebuilder

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/cairn-cloud/cairn/image-builder/firmware"
	"github.com/cairn-cloud/cairn/image-builder/manifest"
)

// maxBootPayload is what a machine has to load before anything of ours runs,
// in bytes, at most.
const maxBootPayload = 40e6

// TestFirmwareReachesImageAndInitramfs builds a release with the option, and
// looks for what drivers of both ask for.
func TestFirmwareReachesImageAndInitramfs(t *testing.T) {
	if os.Getenv("CAIRN_LONG") == "" {
		t.Skip("builds an image, which takes minutes; CAIRN_LONG=1 runs it")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root: the image's files belong to many users")
	}
	out := t.TempDir()
	c := Command{Out: out, Source: "..", Release: "0.0.0", Firmware: true}
	if err := c.Run(context.Background(), slog.Default()); err != nil {
		t.Fatal(err)
	}
	early := archived(t, filepath.Join(out, "cache/firmware.zst"), filepath.Join(out, "release", manifest.Initramfs))
	for driver, file := range map[string]string{
		"bnx2":    "bnx2/bnx2-mips-09-6.2.1b.fw",
		"bnx2x":   "bnx2x/bnx2x-e2-7.13.21.0.fw",
		"cxgb4":   "cxgb4/t6fw.bin",
		"ice":     "intel/ice/ddp/ice.pkg",
		"qede":    "qed/qed_init_values_zipped-8.59.1.0.bin",
		"qla2xxx": "ql2500_fw.bin",
		"r8169":   "rtl_nic/rtl8168h-2.fw",
		"tg3":     "tigon/tg3.bin",
	} {
		if _, err := os.Stat(filepath.Join(out, "cache/tree", firmware.Dir, file)); err != nil {
			t.Errorf("%s in the image: %v", driver, err)
		}
		if !early["lib/firmware/"+file] {
			t.Errorf("%s: the initramfs has no %s", driver, file)
		}
	}
	var payload int64
	for _, name := range []string{manifest.Kernel, manifest.Initramfs} {
		st, err := os.Stat(filepath.Join(out, "release", name))
		if err != nil {
			t.Fatal(err)
		}
		payload += st.Size()
	}
	if payload > maxBootPayload {
		t.Errorf("kernel and initramfs have %d bytes, allowed: %.0f", payload, maxBootPayload)
	}
}

// archived lists the names in a part of an initramfs.
func archived(t *testing.T, part, initramfs string) map[string]bool {
	t.Helper()
	packed, err := os.ReadFile(part)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(initramfs)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(whole, packed) {
		t.Fatalf("%s is no part of %s", part, initramfs)
	}
	r, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	raw, err := r.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	records, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, r := range records {
		names[r.Name] = true
	}
	return names
}
