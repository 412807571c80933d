package iso

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/image-builder/tool"
)

// Command is cairn-build iso.
type Command struct {
	Out  string `default:"out" type:"path" help:"directory with release/ and keys/"`
	Rack string `type:"existingfile" help:"rack.yaml to seal into the medium, for an unattended installation"`
	File string `type:"path" help:"the ISO (default: cairn.iso in the directory)"`
}

// Run checks the release's signature and builds the ISO from it.
func (c *Command) Run(ctx context.Context, log *slog.Logger) error {
	if err := tool.Need(map[string]string{"xorriso": "xorriso", "grub-mkimage": "grub-common", "mkfs.fat": "dosfstools", "mcopy": "mtools"}); err != nil {
		return err
	}
	release := filepath.Join(c.Out, "release")
	if err := check(release, filepath.Join(c.Out, "keys", "release.pub")); err != nil {
		return err
	}
	if c.File == "" {
		c.File = filepath.Join(c.Out, "cairn.iso")
	}
	return Build(ctx, Options{Release: release, Rack: c.Rack, Out: c.File, Log: log})
}

// check opens the manifest and compares the files that it lists by size: a
// release is made at once, so a wrong one is another release's.
func check(dir, keyFile string) error {
	pub, err := os.ReadFile(keyFile)
	if err != nil {
		return fmt.Errorf("release key: %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(pub)))
	if err != nil || len(key) != ed25519.PublicKeySize {
		return fmt.Errorf("release key: %s is not base64 of %d bytes", keyFile, ed25519.PublicKeySize)
	}
	raw, err := os.ReadFile(filepath.Join(dir, manifest.Name))
	if err != nil {
		return fmt.Errorf("release: %w; remedy: cairn-build image", err)
	}
	sig, err := os.ReadFile(filepath.Join(dir, manifest.SignatureName))
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	m, err := manifest.Open(raw, sig, []ed25519.PublicKey{key})
	if err != nil {
		return err
	}
	for _, f := range m.Files {
		st, err := os.Stat(filepath.Join(dir, f.Name))
		if err != nil {
			return fmt.Errorf("release: %w", err)
		}
		if st.Size() != f.Size {
			return fmt.Errorf("release: %s has %d bytes, the manifest says %d", f.Name, st.Size(), f.Size)
		}
	}
	return nil
}
