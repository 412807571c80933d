package lab

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/crypto/ssh"
)

func TestRackYAML(t *testing.T) {
	c := upCommand{Computes: 2, Firmware: []string{"bios", "uefi"}, Memory: 3584, Compute: 2048, Disk: 16}
	config, err := c.rack(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Machine{
		{Name: "controller", Firmware: "bios", CPUs: 2, MemoryMiB: 3584, DiskGiB: 16, Number: 1},
		{Name: "compute1", Firmware: "uefi", CPUs: 2, MemoryMiB: 2048, DiskGiB: 16, Number: 2},
		{Name: "compute2", Firmware: "bios", CPUs: 2, MemoryMiB: 2048, DiskGiB: 16, Number: 3},
	}, config.Machines); d != "" {
		t.Error(d)
	}
	text := config.rackYAML("ssh-ed25519 AAAA rack\n")
	for _, want := range []string{"nic: \"52:54:00:ca:01:01\"", "nic: \"52:54:00:ca:01:03\"", "  - ssh-ed25519 AAAA rack\n", "host: compute%d\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("rack.yaml lacks %q:\n%s", want, text)
		}
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
