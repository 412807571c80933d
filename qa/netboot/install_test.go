package netboot

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// release is the directory of a built release, or skips the test.
func release(t *testing.T) string {
	t.Helper()
	if os.Getenv("CAIRN_LONG") == "" {
		t.Skip("installs a machine in emulation, which takes minutes; CAIRN_LONG=1 runs it")
	}
	out := os.Getenv("CAIRN_OUT")
	if out == "" {
		out = "../../out"
	}
	dir, err := filepath.Abs(filepath.Join(out, "release"))
	must(t, err)
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err != nil {
		t.Skipf("%v; `make image` makes it, CAIRN_OUT says where", err)
	}
	return dir
}

// consoleArgs are what the kernels of the lab are told beside the default.
func consoleArgs() []string {
	return []string{"--kernel-arg", "console=ttyS0,115200", "--kernel-arg", "mitigations=off"}
}

// rackYAML writes a rack.yaml.
func rackYAML(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rack.yaml")
	must(t, os.WriteFile(file, []byte("name: rack\nssh_keys: [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1UG2rD0mK0e7sD2cB9mC1hKj1u8k2Qw3YkO0mXr1aB operator\"]\n"+text), 0o600))
	return file
}

// TestALaptopInstallsANode takes a compute node from power-on to its own
// system.
func TestALaptopInstallsANode(t *testing.T) {
	dir := release(t)
	if !inNamespace(t) {
		return
	}
	s := network(t)
	l := deploy(t, append(consoleArgs(), "--release", dir, "--rack", rackYAML(t, ""))...)
	c := powered(t, s, setup{firmware: machine.BIOS, memoryMiB: 1024, plainROM: true, disk: true})
	for _, step := range []string{"machine boots", "machine inventoried", "machine matched", "machine may be installed", "installation", "machine enrolled"} {
		l.wait(t, quiet, c, step, machineID)
	}
	l.wait(t, quiet, c, "installation", "phase=handover")
	c.console.wait(t, quiet, c, "log in: ssh")
}
