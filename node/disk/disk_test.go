package disk

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/cairn-cloud/cairn/node/guest"
	"github.com/cairn-cloud/cairn/node/imagecache"
	"github.com/cairn-cloud/cairn/node/spec"
)

// files is a cache that has what is in a directory.
type files struct{ dir string }

func (f files) Fetch(_ context.Context, i spec.Image) (string, error) {
	return filepath.Join(f.dir, i.ID), nil
}

func (f files) Prune(map[string]bool, time.Time) (int64, error) { return 0, nil }

func newStore(t *testing.T, images map[string][]byte) *Store {
	t.Helper()
	dir := t.TempDir()
	for name, body := range images {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	s, err := New(filepath.Join(t.TempDir(), "guests"), files{dir})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func archive(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, h := range entries {
		body := h.PAXRecords["CAIRN.body"]
		h.PAXRecords = nil
		h.Size = int64(len(body))
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func regular(name, body string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, PAXRecords: map[string]string{"CAIRN.body": body}}
}

func TestPrepareDisk(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("qemu-img is not installed; on Debian: apt-get install qemu-utils")
	}
	s := newStore(t, map[string][]byte{"k": []byte("kernel"), "r": []byte("ramdisk"), "i": make([]byte, 1<<20+100)})
	g := spec.Guest{
		Driver: spec.DriverQEMU, DiskGiB: 1, Image: spec.Image{ID: "i", Format: "ami"},
		Kernel: &spec.Image{ID: "k", Format: "aki"}, Ramdisk: &spec.Image{ID: "r", Format: "ari"},
	}
	for range 2 { // the second finds all made
		out := guest.Spec{ID: "s1"}
		if err := s.Prepare(t.Context(), g, &out, func(string) {}); err != nil {
			t.Fatal(err)
		}
		want := guest.Spec{
			ID: "s1", Kernel: s.path("s1", "kernel"), Ramdisk: s.path("s1", "ramdisk"),
			Disk: &guest.Disk{Path: s.path("s1", "disk.qcow2"), Format: "qcow2", Backing: filepath.Join(s.images.(files).dir, "i"), BackingFormat: "raw"},
		}
		if diff := cmp.Diff(want, out); diff != "" {
			t.Error(diff)
		}
	}
	text, err := exec.Command("qemu-img", "info", "--output=json", s.path("s1", "disk.qcow2")).Output()
	if err != nil {
		t.Fatal(err)
	}
	var info struct {
		Size   int64  `json:"virtual-size"`
		Format string `json:"backing-filename-format"`
	}
	if err := json.Unmarshal(text, &info); err != nil || info.Size != gib || info.Format != "raw" {
		t.Errorf("got %+v, %v", info, err)
	}
	if err := s.Remove(t.Context(), "s1"); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(s.dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestPrepareRefuses(t *testing.T) {
	s := newStore(t, map[string][]byte{"i": []byte("text")})
	for _, g := range []spec.Guest{
		{Driver: spec.DriverQEMU, Image: spec.Image{ID: "i", Format: "vmdk"}},
		{Driver: spec.DriverQEMU, Image: spec.Image{ID: "i", Format: "qcow2"}},
		{Driver: spec.DriverLXC, Image: spec.Image{ID: "i", Format: "qcow2"}},
		{Driver: spec.DriverLXC, Image: spec.Image{ID: "i", Format: "root-tar"}},
	} {
		if err := s.Prepare(t.Context(), g, &guest.Spec{ID: "s1"}, func(string) {}); !errors.Is(err, imagecache.ErrImage) {
			t.Errorf("%+v: got %v, want %v", g.Image, err, imagecache.ErrImage)
		}
	}
}

func TestPrepareRoot(t *testing.T) {
	s := newStore(t, map[string][]byte{"i": archive(t,
		regular("./init", "#!"),
		tar.Header{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o500},
		regular("etc/hosts", "here"),
		tar.Header{Name: "bin", Typeflag: tar.TypeSymlink, Linkname: "usr/bin"},
		tar.Header{Name: "start", Typeflag: tar.TypeLink, Linkname: "init"},
		tar.Header{Name: "dev/null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3},
	)})
	g := spec.Guest{Driver: spec.DriverLXC, Image: spec.Image{ID: "i", Format: "root-tar"}}
	out := guest.Spec{ID: "s1"}
	if os.Getuid() == 0 {
		out.IDBase = 2_000_000
	}
	if err := s.Prepare(t.Context(), g, &out, func(string) {}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(out.Root, "etc/hosts")); err != nil || string(got) != "here" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, name := range []string{"dev", "proc", "sys", "start", "bin"} {
		if _, err := os.Lstat(filepath.Join(out.Root, name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(filepath.Join(out.Root, "dev/null")); err == nil {
		t.Error("a device came out of the archive")
	}
}

// An archive must not reach what is beside its tree.
func TestUnpackStaysInside(t *testing.T) {
	for name, entries := range map[string][]tar.Header{
		"dots":      {regular("../../victim", "x")},
		"absolute":  {regular("/../victim", "x")},
		"link":      {{Name: "out", Typeflag: tar.TypeSymlink, Linkname: "../.."}, regular("out/victim", "x")},
		"abs link":  {{Name: "out", Typeflag: tar.TypeSymlink, Linkname: "/tmp"}, regular("out/victim-of-cairn", "x")},
		"hard link": {{Name: "out", Typeflag: tar.TypeLink, Linkname: "../../secret"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range []string{"secret", "a.tar"} {
				body := []byte("secret")
				if f == "a.tar" {
					body = archive(t, entries...)
				}
				if err := os.WriteFile(filepath.Join(dir, f), body, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Mkdir(filepath.Join(dir, "g"), 0o755); err != nil {
				t.Fatal(err)
			}
			err := unpack(t.Context(), filepath.Join(dir, "a.tar"), filepath.Join(dir, "g/root"), 0, gib)
			for _, victim := range []string{filepath.Join(dir, "victim"), filepath.Join(dir, "g/victim"), "/tmp/victim-of-cairn"} {
				if _, err := os.Lstat(victim); err == nil {
					t.Errorf("wrote %s", victim)
				}
			}
			if got, rerr := os.ReadFile(filepath.Join(dir, "g/root/out")); rerr == nil && string(got) == "secret" {
				t.Errorf("read what is outside: %v", err)
			}
		})
	}
}

func TestUnpackIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.tar")
	if err := os.WriteFile(path, archive(t, regular("big", string(make([]byte, 1<<20)))), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unpack(t.Context(), path, path+".root", 0, 1<<19); !errors.Is(err, imagecache.ErrImage) {
		t.Errorf("got %v, want %v", err, imagecache.ErrImage)
	}
}
