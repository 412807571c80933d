package slot

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
)

// KeysFile holds the public release keys inside the initramfs: base64, one
// on each line, # comments.
const KeysFile = "/etc/cairn/release.pub"

// ReadKeys reads the public release keys of a file.
func ReadKeys(file string) ([]ed25519.PublicKey, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("release keys: %w", err)
	}
	var keys []ed25519.PublicKey
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		k, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(k) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("release keys: %s: %q is no key; allowed: base64 of %d bytes", file, line, ed25519.PublicKeySize)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("release keys: %s has none", file)
	}
	return keys, nil
}

// A Slot is one system slot with the manifest of what is in it.
type Slot struct {
	Label     string // plan.LabelSlotA or plan.LabelSlotB
	Device    string
	Disk      string // that it is on
	Manifest  *manifest.Manifest
	Raw       []byte // the manifest as signed
	Signature []byte
}

// Read reads a slot's footer and checks its signature. What it returns has
// been checked; what is in the slot is checked block by block by dm-verity.
func Read(label, device string, keys []ed25519.PublicKey) (Slot, error) {
	s := Slot{Label: label, Device: device}
	f, err := os.Open(device)
	if err != nil {
		return s, fmt.Errorf("slot %s: %w", label, err)
	}
	defer f.Close()
	if s.Raw, s.Signature, err = footerOf(f); err != nil {
		return s, fmt.Errorf("slot %s: %w", label, err)
	}
	if s.Manifest, err = manifest.Open(s.Raw, s.Signature, keys); err != nil {
		return s, fmt.Errorf("slot %s: %w", label, err)
	}
	return s, nil
}

func footerOf(f *os.File) (raw, sig []byte, err error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, nil, err
	}
	if size < manifest.FooterSize {
		return nil, nil, errors.New("the partition is smaller than a footer")
	}
	b := make([]byte, manifest.FooterSize)
	if _, err := f.ReadAt(b, size-manifest.FooterSize); err != nil {
		return nil, nil, err
	}
	return manifest.ReadFooter(b)
}

// HasFooter tells whether a slot was ever written to its end, whoever signed
// it.
func HasFooter(device string) bool {
	f, err := os.Open(device)
	if err != nil {
		return false
	}
	defer f.Close()
	_, _, err = footerOf(f)
	return err == nil
}
