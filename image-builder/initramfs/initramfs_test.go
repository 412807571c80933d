package initramfs

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/cairn-cloud/cairn/image-builder/recipe"
)

// modulesDir is a kernel with four modules and one that is built in.
func modulesDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"modules.dep": "kernel/net/virtio_net.ko.xz: kernel/net/net_failover.ko.xz kernel/net/failover.ko.xz\n" +
			"kernel/net/net_failover.ko.xz: kernel/net/failover.ko.xz\nkernel/net/failover.ko.xz:\n" +
			"kernel/fs/ext4.ko.xz:\nkernel/crypto/crc32c-intel.ko.xz:\n",
		"modules.builtin": "kernel/drivers/virtio_pci.ko\n",
		"modules.softdep": "# comment\nsoftdep ext4 pre: crc32c\nsoftdep ext4 pre: crc32c_intel post: nothing\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestClosureFollowsDependencies(t *testing.T) {
	tr, err := readTree(modulesDir(t))
	if err != nil {
		t.Fatal(err)
	}
	got, err := tr.closure([]recipe.Driver{{Module: "virtio-net"}, {Module: "ext4"}, {Module: "virtio_pci"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"kernel/crypto/crc32c-intel.ko.xz", "kernel/fs/ext4.ko.xz", "kernel/net/failover.ko.xz",
		"kernel/net/net_failover.ko.xz", "kernel/net/virtio_net.ko.xz"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	_, err = tr.closure([]recipe.Driver{{Module: "nvmee", Why: "a typing error"}})
	if err == nil || !strings.Contains(err.Error(), "driver nvmee (a typing error) is not in this kernel") {
		t.Errorf("got %v", err)
	}
}

func TestLoadOrderPutsDependenciesFirst(t *testing.T) {
	got, err := LoadOrder(modulesDir(t), []recipe.Driver{{Module: "virtio_net"}, {Module: "virtio_pci"}, {Module: "ext4"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"kernel/net/failover.ko.xz", "kernel/net/net_failover.ko.xz", "kernel/net/virtio_net.ko.xz", "kernel/fs/ext4.ko.xz"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestPackIsTheSameEveryTime(t *testing.T) {
	content := Tree{"b/c/file": {Data: []byte("x"), Mode: 0o755}, "a": {Link: "b/c/file"}, "empty": {Dir: true}}
	first, err := content.Pack()
	if err != nil {
		t.Fatal(err)
	}
	second, err := content.Pack()
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("two archives of one tree differ (%v)", err)
	}
	records, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(first)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range records {
		names = append(names, r.Name)
		if r.MTime != 0 || r.UID != 0 {
			t.Errorf("%s has time %d, owner %d; want 0, 0", r.Name, r.MTime, r.UID)
		}
	}
	if d := cmp.Diff([]string{"a", "b", "b/c", "b/c/file", "empty"}, names); d != "" {
		t.Error(d)
	}
}

func TestJoinedPartsStartAtFours(t *testing.T) {
	one, err := Compress([]byte("one"), zstd.SpeedFastest)
	if err != nil {
		t.Fatal(err)
	}
	all := Join(one, []byte("two"))
	if at := bytes.LastIndex(all, []byte("two")); at%4 != 0 {
		t.Errorf("second part starts at %d", at)
	}
	r, err := zstd.NewReader(bytes.NewReader(all[:len(one)]))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || string(got) != "one" {
		t.Errorf("got %q, %v", got, err)
	}
}
