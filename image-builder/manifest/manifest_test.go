package manifest

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func signed(t *testing.T) (raw, sig []byte, pub ed25519.PublicKey) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	root, err := Describe(Root, bytes.NewReader(make([]byte, ChunkSize+5)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err = json.Marshal(Manifest{Format: 1, Version: "1", Files: []File{root},
		Verity: Verity{BlockSize: 4096, DataBlocks: 1, HashOffset: 4096}})
	if err != nil {
		t.Fatal(err)
	}
	return raw, Sign(raw, key), pub
}

func TestOpenTrustsOnlyTheSignedBytes(t *testing.T) {
	raw, sig, pub := signed(t)
	m, err := Open(raw, sig, []ed25519.PublicKey{pub})
	if err != nil {
		t.Fatal(err)
	}
	f, err := m.File(Root)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Chunks) != 2 || f.ChunkLen(1) != 5 {
		t.Errorf("got %d chunks, the last of %d bytes; want 2, 5", len(f.Chunks), f.ChunkLen(1))
	}
	if err := f.CheckChunk(1, make([]byte, 5)); err != nil {
		t.Errorf("right chunk refused: %v", err)
	}
	for name, data := range map[string][]byte{"short": make([]byte, 4), "changed": {0, 0, 1, 0, 0}} {
		if f.CheckChunk(1, data) == nil {
			t.Errorf("%s chunk accepted", name)
		}
	}

	changed := bytes.Replace(raw, []byte(`"version":"1"`), []byte(`"version":"2"`), 1)
	other, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		raw, sig []byte
		key      ed25519.PublicKey
	}{
		"changed bytes": {changed, sig, pub},
		"other key":     {raw, sig, other},
		"no signature":  {raw, nil, pub},
		"not base64":    {raw, []byte("%"), pub},
	} {
		if _, err := Open(c.raw, c.sig, []ed25519.PublicKey{c.key}); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: got %v, want ErrSignature", name, err)
		}
	}
}

func TestFooterRoundTrip(t *testing.T) {
	raw, sig, _ := signed(t)
	b, err := Footer(raw, sig)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) != FooterSize {
		t.Fatalf("footer has %d bytes, want %d", len(b), FooterSize)
	}
	gotRaw, gotSig, err := ReadFooter(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([][]byte{raw, sig}, [][]byte{gotRaw, gotSig}); d != "" {
		t.Error(d)
	}
	if _, _, err := ReadFooter(make([]byte, FooterSize)); err == nil {
		t.Error("an empty slot passed for a written one")
	}
	copy(b[20:], "9999999")
	if _, _, err := ReadFooter(b); err == nil {
		t.Error("a damaged footer passed")
	}
}
