package bootdisk

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/image-builder/tool"
)

func need(t *testing.T, programs map[string]string) {
	t.Helper()
	if err := tool.Need(programs); err != nil {
		t.Skip(err)
	}
}

func TestESPIsAPreparedHead(t *testing.T) {
	need(t, map[string]string{"mkfs.fat": "dosfstools", "mcopy": "mtools"})
	ctx := context.Background()
	files := []File{{"/EFI/BOOT/BOOTX64.EFI", bytes.Repeat([]byte("efi"), 1000)}, {"/vmlinuz", bytes.Repeat([]byte{7}, 1<<20)}}
	var sums []string
	for _, name := range []string{"a", "b"} {
		out := filepath.Join(t.TempDir(), name)
		if err := ESP(ctx, out, 1754697600, files); err != nil {
			t.Fatal(err)
		}
		sum, err := tool.FileSum(out)
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, sum)
		checkESP(t, out, files)
	}
	if sums[0] != sums[1] {
		t.Error("two images of the same files differ")
	}
}

// checkESP reads the files back, as a partition of full size.
func checkESP(t *testing.T, name string, files []File) {
	t.Helper()
	st, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if st.Size() > 4<<20 {
		t.Errorf("the head has %d bytes for 1 MiB of content", st.Size())
	}
	if err := os.Truncate(name, ESPSize); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		got, err := tool.Run(context.Background(), tool.Cmd{Name: "mtype", Args: []string{"-i", name, "::" + f.Path}})
		if err != nil || !bytes.Equal(got, f.Content) {
			t.Errorf("%s: %d bytes (%v), want %d", f.Path, len(got), err, len(f.Content))
		}
	}
}

func TestBIOSStagesPointToEachOther(t *testing.T) {
	need(t, map[string]string{"grub-mkimage": "grub-common"})
	if !tool.Exists(filepath.Join(grubDir, "i386-pc/boot.img")) {
		t.Skip("package grub-pc-bin is not installed")
	}
	dir := t.TempDir()
	boot, core := filepath.Join(dir, "boot.img"), filepath.Join(dir, "core.img")
	if err := BIOS(context.Background(), boot, core); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(boot)
	if err != nil {
		t.Fatal(err)
	}
	c, err := os.ReadFile(core)
	if err != nil {
		t.Fatal(err)
	}
	if got := binary.LittleEndian.Uint64(b[0x5c:]); got != biosStart {
		t.Errorf("boot.img goes on at sector %d, want %d", got, biosStart)
	}
	if got := binary.LittleEndian.Uint64(c[0x1f4:]); got != biosStart+1 {
		t.Errorf("core.img goes on at sector %d, want %d", got, biosStart+1)
	}
	if got, want := int(binary.LittleEndian.Uint16(c[0x1fc:])), (len(c)+511)/512-1; got != want {
		t.Errorf("core.img loads %d sectors more, want %d", got, want)
	}
}

func TestMenu(t *testing.T) {
	got := Menu("/cairn", 3, Entry{"Install", "cairn.mode=install quiet"}, Entry{"Start", "quiet"})
	for _, want := range []string{"set timeout=3", "linux /cairn/vmlinuz cairn.mode=install quiet $more", "initrd /cairn/initramfs", "menuentry 'Start'"} {
		if !strings.Contains(got, want) {
			t.Errorf("the menu has no %q:\n%s", want, got)
		}
	}
}
