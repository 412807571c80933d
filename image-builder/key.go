package imagebuilder

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A releaseKey signs manifests.
type releaseKey struct{ private ed25519.PrivateKey }

// keys reads the release key, or makes it on the first build. The file holds
// the seed in base64, for its owner's eyes only.
func (b *build) keys(context.Context) error {
	name := filepath.Join(b.Out, "keys", "release.key")
	raw, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		b.log.Info("release key: made a new one", "file", name)
		raw, err = makeKey(name)
	}
	if err != nil {
		return fmt.Errorf("release key: %w", err)
	}
	seed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(raw)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return fmt.Errorf("release key: %s has %d bytes; allowed: base64 of %d", name, len(seed), ed25519.SeedSize)
	}
	b.key = releaseKey{ed25519.NewKeyFromSeed(seed)}
	return os.WriteFile(filepath.Join(b.Out, "keys", "release.pub"), b.key.publicLines(), 0o644)
}

func makeKey(name string) ([]byte, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	raw := []byte(base64.StdEncoding.EncodeToString(key.Seed()) + "\n")
	return raw, os.WriteFile(name, raw, 0o600)
}

// publicLines is the file of keys that an init trusts.
func (k releaseKey) publicLines() []byte {
	pub, ok := k.private.Public().(ed25519.PublicKey)
	if !ok {
		return nil
	}
	return []byte(base64.StdEncoding.EncodeToString(pub) + "\n")
}
