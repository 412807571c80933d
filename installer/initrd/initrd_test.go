package initrd

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParams(t *testing.T) {
	p := ParseParams("console=tty0 console=ttyS0,115200 quiet cairn.mode=install cairn.rack=\"http://x/a b\" empty=\n")
	for key, want := range map[string]string{"console": "ttyS0,115200", "quiet": "", "cairn.rack": "http://x/a b", "none": "", "empty": ""} {
		if got := p.Get(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if d := cmp.Diff([]string{"tty0", "ttyS0,115200"}, p.All("console")); d != "" {
		t.Error(d)
	}
}

// fakeModules is a directory of module indexes and the order of loading.
func fakeModules(t *testing.T, broken string) (*Modules, *[]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"modules.dep": "kernel/ext4.ko: kernel/jbd2.ko kernel/crc16.ko\nkernel/jbd2.ko:\nkernel/crc16.ko:\n" +
			"kernel/virtio_net.ko: kernel/net_failover.ko kernel/failover.ko\nkernel/net_failover.ko: kernel/failover.ko\nkernel/failover.ko:\n" +
			"kernel/crc32c-intel.ko:\nkernel/crc32c_generic.ko:\nkernel/round.ko: kernel/round2.ko\nkernel/round2.ko: kernel/round.ko\n",
		"modules.alias":   "# comment\nalias virtio:d00000001v* virtio_net\nalias crypto-crc32c crc32c_intel\nalias crypto-crc32c crc32c_generic\n",
		"modules.softdep": "softdep ext4 pre: crypto-crc32c post: late\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var order []string
	m, err := openModules(dir, func(file string) error {
		name := moduleName(file)
		if name == broken {
			return errors.New("no such device")
		}
		order = append(order, name)
		return nil
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return m, &order
}

func TestModulesComeInTheOrderOfTheirNeeds(t *testing.T) {
	m, order := fakeModules(t, "")
	if err := m.Load("ext4", "ext4", "virtio-net", "built-in-or-missing", "round"); err != nil {
		t.Fatal(err)
	}
	want := []string{"crc32c_intel", "crc32c_generic", "crc16", "jbd2", "ext4", "failover", "net_failover", "virtio_net", "round2", "round"}
	if d := cmp.Diff(want, *order); d != "" {
		t.Error(d)
	}
}

func TestAModuleOfAnAliasMayFail(t *testing.T) {
	m, _ := fakeModules(t, "crc32c_intel")
	if err := m.Load("ext4"); err != nil {
		t.Errorf("a cipher that the processor lacks kept ext4 out: %v", err)
	}
	m, _ = fakeModules(t, "jbd2")
	if err := m.Load("ext4"); err == nil || !strings.Contains(err.Error(), "load module jbd2: no such device") {
		t.Errorf("got %v", err)
	}
}

func TestColdplugLoadsWhatDevicesAskFor(t *testing.T) {
	m, order := fakeModules(t, "")
	sys := t.TempDir()
	dev := filepath.Join(sys, "devices/pci0000:00/virtio0")
	if err := os.MkdirAll(dev, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dev, "modalias"), []byte("virtio:d00000001v00001AF4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := m.Coldplug(sys); n != 1 {
		t.Errorf("saw %d devices, want 1", n)
	}
	if d := cmp.Diff([]string{"failover", "net_failover", "virtio_net"}, *order); d != "" {
		t.Error(d)
	}
}
