package lab

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"go.yaml.in/yaml/v4"
	"golang.org/x/crypto/ssh"

	"github.com/cairn-cloud/cairn/qa/lab/machine"
	"github.com/cairn-cloud/cairn/qa/lab/shape"
)

func TestRackYAML(t *testing.T) {
	c := upCommand{Computes: 2, Firmware: []string{"bios", "uefi"}, Memory: 3584, Compute: 2048, Disk: 16}
	config, err := c.rack(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	alike := func(number int, name string, f machine.Firmware, memory int, nics ...shape.Network) Machine {
		return Machine{shape.Machine{Name: name, Firmware: f, CPUs: 2, MemoryMiB: memory, Disks: []shape.Disk{{GiB: 16}}, NICs: nics}, number}
	}
	if d := cmp.Diff([]Machine{
		alike(1, "controller", "bios", 3584, shape.Management, shape.Tenant, shape.External),
		alike(2, "compute1", "uefi", 2048, shape.Management, shape.Tenant),
		alike(3, "compute2", "bios", 2048, shape.Management, shape.Tenant),
	}, config.Machines); d != "" {
		t.Error(d)
	}
	text, err := config.rackYAML("ssh-ed25519 AAAA rack\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"nic: \"52:54:00:ca:01:01\"", "nic: \"52:54:00:ca:01:03\"", "  - ssh-ed25519 AAAA rack\n", "host: compute%d\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("rack.yaml lacks %q:\n%s", want, text)
		}
	}
}

func TestOddRack(t *testing.T) {
	c := upCommand{Rack: "odd"}
	config, err := c.rack(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := config.rackYAML("ssh-ed25519 AAAA rack\n")
	if err != nil {
		t.Fatal(err)
	}
	var rack struct {
		Name  string `yaml:"name"`
		Rules []struct {
			Name string         `yaml:"name"`
			NICs map[string]any `yaml:"nics"`
		} `yaml:"rules"`
		External struct {
			NIC string `yaml:"nic"`
		} `yaml:"external"`
	}
	if err := yaml.Load([]byte(text), &rack); err != nil {
		t.Fatal(err)
	}
	if rack.Name != "rack" || rack.External.NIC != "52:54:00:ca:01:02" || len(rack.Rules) != 4 || rack.Rules[2].NICs["bond"] != "active-backup" {
		t.Errorf("%+v of\n%s", rack, text)
	}
	var ports []string
	for i := range config.Machines {
		m := &config.Machines[i]
		for j, n := range m.NICs {
			if n == shape.External {
				continue
			}
			p := portConfig(m, j)
			ports = append(ports, fmt.Sprintf("%s access %d native %d trunk %d", p.Name, p.Access, p.Native, len(p.Trunk)))
		}
	}
	want := []string{
		"controller/management access 10 native 0 trunk 0",
		"narrow/trunk access 0 native 10 trunk 100",
		"wide/trunk1 access 0 native 10 trunk 100",
		"wide/trunk2 access 0 native 10 trunk 100",
		"small/management access 10 native 0 trunk 0", "small/tenant access 0 native 0 trunk 100",
		"used/management access 10 native 0 trunk 0", "used/tenant access 0 native 0 trunk 100",
		"twins/management access 10 native 0 trunk 0", "twins/tenant access 0 native 0 trunk 100",
	}
	if d := cmp.Diff(want, ports); d != "" {
		t.Error(d)
	}
}

func TestKeyIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	first, err := ensureKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ensureKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	if first != again {
		t.Error("the second key is another one")
	}
	raw, err := os.ReadFile(filepath.Join(dir, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePrivateKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	if string(ssh.MarshalAuthorizedKey(key.PublicKey())) != first {
		t.Error("private and public key do not belong together")
	}
}

func TestHostKeysAreKept(t *testing.T) {
	s := shell{dir: t.TempDir(), port: 8022}
	keys := make([]ssh.PublicKey, 2)
	for i := range keys {
		line, err := ensureKey(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if keys[i], _, _, _, err = ssh.ParseAuthorizedKey([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.known("h", nil, keys[0]); err != nil {
			t.Error(err)
		}
	}
	if err := s.known("h", nil, keys[1]); err == nil {
		t.Error("another key than before is taken")
	}
}

func TestBundle(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "controller"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"controller/serial.log": "hello", rackFile: "name: rack", keyFile: "secret", cloudsFile: "secret"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port, err := freePort(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	r := &rack{dir: dir, config: &Config{SSH: port}, client: newClient(dir), log: slog.New(slog.DiscardHandler), run: &Run{Steps: []Step{{Name: "prepare", Took: 1, DoneAt: 1}}}}
	file, err := r.bundle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var names []string
	for in := tar.NewReader(z); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	slices.Sort(names)
	if d := cmp.Diff([]string{"controller/journal-error.txt", "controller/serial.log", "rack.yaml", "times.txt"}, names); d != "" {
		t.Error(d)
	}
}

func TestCleanKeepsBundles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"support-1.tar.zst", "rack.json", "id_ed25519"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := clean(dir); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != 1 || filepath.Base(names[0]) != "support-1.tar.zst" {
		t.Errorf("left: %v", names)
	}
}
