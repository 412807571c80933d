// Package manifest is the one artefact to trust: what a system image
// consists of, piece by piece, and the signature over it.
//
// A release is a directory with manifest.json, manifest.json.sig and the
// files that it names. Everything else about a release (ISO, deployer, seeds)
// only carries these bytes about. The package imports nothing of ours.
package manifest

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Names of the files of a release.
const (
	Name          = "manifest.json"
	SignatureName = "manifest.json.sig"
	Root          = "root.img"  // EROFS with its dm-verity tree appended: a slot's content
	ESP           = "esp.img"   // the used head of the prepared FAT32 EFI system partition
	BootCode      = "boot.img"  // GRUB's first sector, for the MBR
	BIOSBoot      = "core.img"  // GRUB's second stage, for the BIOS boot partition
	Kernel        = "vmlinuz"   // also on the ESP
	Initramfs     = "initramfs" // also on the ESP
)

// ChunkSize is the unit of transfer and of checking, in bytes.
const ChunkSize = 4 << 20

// FooterSize is the size in bytes of the end of a slot that holds the signed
// manifest of what is in that slot.
const FooterSize = 1 << 20

// A Manifest lists the content of one version of the system image.
type Manifest struct {
	Format   int       `json:"format"` // 1
	Version  string    `json:"version"`
	Kernel   string    `json:"kernel"` // release, like 6.12.48+deb13-amd64
	Packages []Package `json:"packages"`
	Files    []File    `json:"files"`
	Verity   Verity    `json:"verity"`
}

// A Package is one Debian package inside the image.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// A File is one file of the release. Chunks are SHA-256, in hex, of each
// ChunkSize bytes; the last one may be shorter.
type File struct {
	Name   string   `json:"name"`
	Size   int64    `json:"size"` // bytes
	SHA256 string   `json:"sha256"`
	Chunks []string `json:"chunks"`
}

// Verity is what dm-verity needs to open the root: data blocks at the start
// of root.img, the hash tree (with its superblock) at HashOffset.
type Verity struct {
	BlockSize  int64  `json:"block_size"`  // bytes, of data and hash blocks
	DataBlocks int64  `json:"data_blocks"` // of BlockSize
	HashOffset int64  `json:"hash_offset"` // bytes, of the superblock
	Salt       string `json:"salt"`        // hex
	RootHash   string `json:"root_hash"`   // hex, SHA-256
}

// File finds a file by name.
func (m *Manifest) File(name string) (File, error) {
	for _, f := range m.Files {
		if f.Name == name {
			return f, nil
		}
	}
	return File{}, fmt.Errorf("manifest of version %s has no file %q", m.Version, name)
}

// Describe reads r to its end and returns the entry for a file of that name.
func Describe(name string, r io.Reader) (File, error) {
	f := File{Name: name}
	whole := sha256.New()
	buf := make([]byte, ChunkSize)
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			sum := sha256.Sum256(buf[:n])
			f.Chunks = append(f.Chunks, hex.EncodeToString(sum[:]))
			f.Size += int64(n)
			whole.Write(buf[:n])
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			f.SHA256 = hex.EncodeToString(whole.Sum(nil))
			return f, nil
		}
		if err != nil {
			return File{}, fmt.Errorf("describe %s: %w", name, err)
		}
	}
}

// ChunkLen is the length in bytes of chunk i.
func (f *File) ChunkLen(i int) int64 {
	return min(ChunkSize, f.Size-int64(i)*ChunkSize)
}

// CheckChunk tells whether data is chunk i of the file.
func (f *File) CheckChunk(i int, data []byte) error {
	if i < 0 || i >= len(f.Chunks) {
		return fmt.Errorf("%s has no chunk %d; it has %d", f.Name, i, len(f.Chunks))
	}
	if got := int64(len(data)); got != f.ChunkLen(i) {
		return fmt.Errorf("%s chunk %d has %d bytes, the manifest says %d", f.Name, i, got, f.ChunkLen(i))
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != f.Chunks[i] {
		return fmt.Errorf("%s chunk %d has SHA-256 %s, the manifest says %s", f.Name, i, got, f.Chunks[i])
	}
	return nil
}

// ErrSignature means that no trusted key has signed the manifest.
var ErrSignature = errors.New("manifest is not signed by a trusted release key")

// Sign returns the content of the signature file over raw.
func Sign(raw []byte, key ed25519.PrivateKey) []byte {
	return []byte(base64.StdEncoding.EncodeToString(ed25519.Sign(key, raw)) + "\n")
}

// Open checks the signature over the raw bytes and only then parses them.
// Any of the keys will do, so that the next key can be carried along.
func Open(raw, sig []byte, keys []ed25519.PublicKey) (*Manifest, error) {
	s, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(sig)))
	if err != nil {
		return nil, fmt.Errorf("%w: the signature is not base64: %w", ErrSignature, err)
	}
	for _, k := range keys {
		if !ed25519.Verify(k, raw, s) {
			continue
		}
		var m Manifest
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, fmt.Errorf("manifest: %w", err)
		}
		return &m, m.check()
	}
	return nil, ErrSignature
}

// check refuses what no builder of ours writes, so that readers need not.
func (m *Manifest) check() error {
	if m.Format != 1 {
		return fmt.Errorf("manifest: format %d is unknown; allowed: 1", m.Format)
	}
	if v := m.Verity; v.BlockSize != 4096 || v.DataBlocks <= 0 || v.HashOffset < v.BlockSize*v.DataBlocks {
		return fmt.Errorf("manifest: verity %+v makes no sense; allowed: 4096-byte blocks with the tree behind the data", v)
	}
	for _, f := range m.Files {
		if want := (f.Size + ChunkSize - 1) / ChunkSize; f.Size < 0 || int64(len(f.Chunks)) != want {
			return fmt.Errorf("manifest: %s of %d bytes lists %d chunks; allowed: %d", f.Name, f.Size, len(f.Chunks), want)
		}
	}
	return nil
}

// footerMagic marks a slot's footer.
const footerMagic = "CAIRN-SLOT-1\n"

// Footer returns the FooterSize bytes for the end of a slot: the signed
// manifest of its content.
func Footer(raw, sig []byte) ([]byte, error) {
	body, err := json.Marshal(footer{Manifest: raw, Signature: sig})
	if err != nil {
		return nil, fmt.Errorf("slot footer: %w", err)
	}
	head := fmt.Sprintf("%s%010d\n", footerMagic, len(body))
	if len(head)+len(body) > FooterSize {
		return nil, fmt.Errorf("slot footer: manifest of %d bytes does not fit into %d", len(raw), FooterSize)
	}
	out := make([]byte, FooterSize)
	copy(out[copy(out, head):], body)
	return out, nil
}

type footer struct{ Manifest, Signature []byte }

// ReadFooter takes a slot's last FooterSize bytes apart again. The result is
// not trusted before [Open].
func ReadFooter(b []byte) (raw, sig []byte, err error) {
	head := len(footerMagic) + 11
	if len(b) < head || string(b[:len(footerMagic)]) != footerMagic {
		return nil, nil, errors.New("slot has no manifest: it was never completely written")
	}
	var n int
	if _, err := fmt.Sscanf(string(b[len(footerMagic):head]), "%d\n", &n); err != nil || n < 0 || n > len(b)-head {
		return nil, nil, errors.New("slot footer is damaged")
	}
	var f footer
	if err := json.Unmarshal(b[head:head+n], &f); err != nil {
		return nil, nil, fmt.Errorf("slot footer is damaged: %w", err)
	}
	return f.Manifest, f.Signature, nil
}
