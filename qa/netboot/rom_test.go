package netboot

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// smallRelease is a release whose kernel is iPXE itself, in the form of a
// kernel: it is small, and nobody looks at what it does.
func smallRelease(t *testing.T) string {
	t.Helper()
	kernel, err := os.ReadFile("/usr/lib/ipxe/ipxe.lkrn")
	if os.IsNotExist(err) {
		t.Skip("the package ipxe is not installed")
	}
	must(t, err)
	root := make([]byte, 5000)
	_, err = rand.Read(root)
	must(t, err)
	dir, m := t.TempDir(), manifest.Manifest{Format: 1, Version: "test-1"}
	for name, data := range map[string][]byte{
		manifest.Kernel: kernel, manifest.Initramfs: []byte("initramfs"), manifest.Root: root, manifest.ESP: []byte("esp"),
	} {
		f, err := manifest.Describe(name, bytes.NewReader(data))
		must(t, err)
		m.Files = append(m.Files, f)
		must(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	raw, err := json.Marshal(m)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, manifest.Name), raw, 0o644))
	return dir
}

// TestAPlainROMLoadsIPXEAndThatTheKernel goes the way of a server whose NIC
// has a boot ROM that knows TFTP and no more: the ROM fetches undionly.kpxe,
// that asks again and is iPXE, and fetches script, kernel and initramfs by
// HTTP through the ROM's driver.
func TestAPlainROMLoadsIPXEAndThatTheKernel(t *testing.T) {
	if testing.Short() {
		t.Skip("emulates a machine")
	}
	if !inNamespace(t) {
		return
	}
	release := smallRelease(t)
	s := network(t)
	l := deploy(t, "--release", release)
	c := powered(t, s, setup{firmware: machine.BIOS, memoryMiB: 256, plainROM: true})
	for _, step := range [][]string{
		{"machine seen", "client=bios"},
		{"TFTP file sent", "file=undionly.kpxe"},
		{"DHCP address given", "client=ipxe"},
		{"machine boots", machineID, "firmware=bios", "told=install"},
		{"release file served", "file=vmlinuz"},
		{"release file served", "file=initramfs"},
	} {
		l.wait(t, quiet, c, step...)
	}
	if n := strings.Count(l.String(), "TFTP file sent"); n != 1 {
		t.Errorf("the machine fetched its loader %d times, want once:\n%s", n, l)
	}
}
