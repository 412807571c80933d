package httpboot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
)

// A Release is the directory of a system image, whose root may be somewhere
// else: on an installed machine it is the slot that the machine runs from.
type Release struct {
	Manifest manifest.Manifest
	dir      string
	root     string
	sizes    map[string]int64 // of the files that may be served; -1: as it is on disk
}

// OpenRelease reads the manifest in dir. Its signature is the business of
// those who install it. root, a path, replaces the directory's root.img.
func OpenRelease(dir, root string) (*Release, error) {
	raw, err := os.ReadFile(filepath.Join(dir, manifest.Name))
	if err != nil {
		return nil, fmt.Errorf("release: %w", err)
	}
	r := &Release{dir: dir, root: root, sizes: map[string]int64{manifest.Name: -1, manifest.SignatureName: -1}}
	if err := json.Unmarshal(raw, &r.Manifest); err != nil {
		return nil, fmt.Errorf("release %s: %s: %w", dir, manifest.Name, err)
	}
	for _, f := range r.Manifest.Files {
		if filepath.Base(f.Name) != f.Name {
			return nil, fmt.Errorf("release %s: file name %q; allowed: a name without a directory", dir, f.Name)
		}
		r.sizes[f.Name] = f.Size
	}
	for _, need := range []string{manifest.Kernel, manifest.Initramfs, manifest.Root} {
		f, _, err := r.open(need)
		if err != nil {
			return nil, fmt.Errorf("release %s, version %s: %w", dir, r.Manifest.Version, err)
		}
		f.Close()
	}
	return r, nil
}

// open opens a file of the release. The size is the manifest's: a slot is
// larger than what was written to it.
func (r *Release) open(name string) (*os.File, int64, error) {
	size, ok := r.sizes[name]
	if !ok {
		return nil, 0, os.ErrNotExist
	}
	path := filepath.Join(r.dir, name)
	if name == manifest.Root && r.root != "" {
		path = r.root
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	if size < 0 {
		size = end
	}
	if end < size {
		f.Close()
		return nil, 0, fmt.Errorf("%s has %d bytes, the manifest says %d", path, end, size)
	}
	return f, size, nil
}

// head is the first size bytes of a file. It keeps the file's descriptor
// visible, so that the kernel copies (sendfile).
type head struct {
	*os.File
	size int64
}

// Seek counts from the end of the head.
func (h head) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		return h.File.Seek(h.size+offset, io.SeekStart)
	}
	return h.File.Seek(offset, whence)
}

// patience is how long a client may take for n bytes: 64 KiB a second is what
// the slowest machine reads.
func patience(n int64) time.Duration {
	return time.Minute + time.Duration(n/(64<<10))*time.Second
}

// serve writes a file of the release, or the part of it that was asked for.
func (r *Release) serve(w http.ResponseWriter, req *http.Request, name string) error {
	f, size, err := r.open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	err = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience(size)))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("serve %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"`+r.Manifest.Version+"-"+name+`"`)
	http.ServeContent(w, req, "", time.Time{}, head{f, size})
	return nil
}
