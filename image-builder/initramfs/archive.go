package initramfs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/u-root/u-root/pkg/cpio"
)

// A Tree is the content of a cpio archive: path without leading slash to
// entry. Parent directories are made as needed.
type Tree map[string]Entry

// An Entry is a file, a link (Link is set) or a directory (Dir is set).
type Entry struct {
	Data []byte
	Mode uint64 // permission bits; 0: 0644 for files, 0755 for directories
	Link string
	Dir  bool
}

// AddDir adds everything below dir, under the path prefix.
func (t Tree) AddDir(dir, prefix string) error {
	return filepath.WalkDir(dir, func(file string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		to := strings.TrimPrefix(filepath.Join(prefix, rel), "/")
		switch {
		case d.IsDir():
			if to != "" && to != "." {
				t[to] = Entry{Dir: true}
			}
			return nil
		case d.Type()&os.ModeSymlink != 0:
			link, err := os.Readlink(file)
			t[to] = Entry{Link: link}
			return err
		}
		raw, err := os.ReadFile(file)
		t[to] = Entry{Data: raw}
		return err
	})
}

// Pack writes the tree as a newc archive. The same tree gives the same bytes:
// names are sorted, times are zero, inode numbers count.
func (t Tree) Pack() ([]byte, error) {
	all := Tree{}
	for name, e := range t {
		for dir := filepath.Dir(name); dir != "." && dir != "/"; dir = filepath.Dir(dir) {
			if _, ok := t[dir]; !ok {
				all[dir] = Entry{Dir: true}
			}
		}
		all[name] = e
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	var buf bytes.Buffer
	w := cpio.Newc.Writer(&buf)
	for i, name := range names {
		r := record(name, all[name])
		r.Ino = uint64(i + 1)
		if err := w.WriteRecord(r); err != nil {
			return nil, fmt.Errorf("archive %s: %w", name, err)
		}
	}
	if err := cpio.WriteTrailer(w); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return buf.Bytes(), nil
}

func record(name string, e Entry) cpio.Record {
	switch {
	case e.Dir:
		return cpio.Directory(name, orElse(e.Mode, 0o755))
	case e.Link != "":
		return cpio.Symlink(name, e.Link)
	}
	return cpio.StaticFile(name, string(e.Data), orElse(e.Mode, 0o644))
}

func orElse(mode, other uint64) uint64 {
	if mode == 0 {
		return other
	}
	return mode
}

// Compress makes one zstd frame, which the kernel unpacks, of an archive.
// One worker only: how work is shared must not decide about bytes.
func Compress(raw []byte, level zstd.EncoderLevel) ([]byte, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(8<<20))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return enc.EncodeAll(raw, nil), enc.Close()
}
