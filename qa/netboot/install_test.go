package netboot

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/qa/built"
	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// release is the directory of a built release, or skips the test.
func release(t *testing.T) string {
	t.Helper()
	built.Long(t)
	return filepath.Join(built.Out(t, "release/manifest.json"), "release")
}

// consoleArgs are what the kernels of the lab are told beside the default.
func consoleArgs() []string {
	return []string{"--kernel-arg", "console=ttyS0,115200", "--kernel-arg", "mitigations=off"}
}

// somebody is an operator's key that nobody has.
const somebody = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1UG2rD0mK0e7sD2cB9mC1hKj1u8k2Qw3YkO0mXr1aB operator"

// rackYAML writes a rack.yaml.
func rackYAML(t *testing.T, text string) string { return rackWith(t, somebody, text) }

// rackWith writes a rack.yaml with an operator's key.
func rackWith(t *testing.T, key, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rack.yaml")
	must(t, os.WriteFile(file, []byte("name: rack\nssh_keys: [\""+strings.TrimSpace(key)+"\"]\n"+text), 0o600))
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

// TestALaptopFoundsARack takes a first controller from power-on to the
// deployer of its rack, without the ISO.
func TestALaptopFoundsARack(t *testing.T) {
	dir := release(t)
	if !inNamespace(t) {
		return
	}
	s := network(t)
	l := deploy(t, append(consoleArgs(), "--release", dir, "--rack", rackYAML(t, ""), "--found")...)
	c := powered(t, s, setup{firmware: machine.BIOS, memoryMiB: 1024, disk: true})
	for _, step := range []string{"machine boots", "first controller chosen", "machine may be installed", "machine enrolled", "phase=handover"} {
		l.wait(t, quiet, c, step, machineID)
	}
	l.wait(t, quiet, c, "this deployer ends")
	c.console.wait(t, quiet, c, "log in: ssh")
	<-l.ended
	want, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	must(t, err)
	for {
		got, err := get("http://10.20.0.11:8080/image/manifest.json")
		if err == nil && bytes.Equal(got, want) {
			break
		}
		if !c.works(t) {
			t.Fatalf("the controller does not deploy its rack: it serves %d bytes of a manifest, %v", len(got), err)
		}
		time.Sleep(time.Second)
	}
}

// get fetches a page, unless that takes long.
func get(url string) ([]byte, error) {
	client := &http.Client{Timeout: time.Minute}
	defer client.CloseIdleConnections()
	resp, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}
