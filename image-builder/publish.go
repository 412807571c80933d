package imagebuilder

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
)

// A component is a part of the release, for the table of sizes.
type component struct {
	name  string
	bytes int64
}

// publish writes the signed manifest and puts the release where everybody
// looks for it, all at once.
func (b *build) publish(_ context.Context) error {
	m := manifest.Manifest{
		Format: 1, Version: b.Release + "+" + b.verity.RootHash[:8], Kernel: b.kernel.Release,
		Packages: b.repo.Packages(), Verity: b.verity,
	}
	dir := filepath.Join(b.Out, "release")
	tmp := dir + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	for _, name := range []string{manifest.Root, manifest.ESP, manifest.BootCode, manifest.BIOSBoot, manifest.Kernel, manifest.Initramfs} {
		f, err := describe(name, b.artefacts[name])
		if err != nil {
			return err
		}
		m.Files = append(m.Files, f)
		if err := place(b.artefacts[name], filepath.Join(tmp, name)); err != nil {
			return fmt.Errorf("release: %w", err)
		}
		b.components = append(b.components, component{name, f.Size})
	}
	raw, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if err := os.WriteFile(filepath.Join(tmp, manifest.Name), raw, 0o644); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if err := os.WriteFile(filepath.Join(tmp, manifest.SignatureName), manifest.Sign(raw, b.key.private), 0o644); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if err := os.Rename(tmp, dir); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	b.log.Info("release: ready", "version", m.Version, "directory", dir)
	return b.table(os.Stdout)
}

func describe(name, path string) (manifest.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return manifest.File{}, fmt.Errorf("release: %w", err)
	}
	defer f.Close()
	return manifest.Describe(name, f)
}

// place links a file, so that a release costs no second copy; or copies it.
func place(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	return copyFile(from, to)
}

// bootPayload is what a machine loads before anything runs, in bytes.
func (b *build) bootPayload() int64 {
	var sum int64
	for _, c := range b.components {
		if c.name == manifest.Kernel || c.name == manifest.Initramfs {
			sum += c.bytes
		}
	}
	return sum
}

// table prints what the release consists of and where its bytes are.
func (b *build) table(w io.Writer) error {
	all := append(slices.Clone(b.components), component{"boot payload (kernel and initramfs)", b.bootPayload()})
	parts, err := treeSizes(filepath.Join(b.cache, "tree"))
	if err != nil {
		return err
	}
	for _, c := range append(all, parts...) {
		if _, err := fmt.Fprintf(w, "%9.1f MB  %s\n", float64(c.bytes)/1e6, c.name); err != nil {
			return err
		}
	}
	return nil
}

// treeSizes sums the tree up, before compression, by what people ask for.
func treeSizes(tree string) ([]component, error) {
	sums := map[string]int64{}
	groups := []struct{ dir, name string }{
		{"usr/lib/modules", "kernel modules"},
		{"usr/lib/firmware", "firmware"},
		{"usr/lib/erlang", "Erlang"},
		{"usr/lib/rabbitmq", "RabbitMQ"},
		{"usr/share/factory/var/lib/mysql", "empty database"},
		{"usr/share/qemu", "QEMU's firmware"},
		{"usr/lib/ipxe", "iPXE"},
		{"usr/bin", "programs"},
		{"usr/sbin", "daemons"},
		{"usr/lib", "libraries"},
		{"", "everything else"},
	}
	err := filepath.WalkDir(tree, func(name string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		for _, g := range groups {
			rel, err := filepath.Rel(filepath.Join(tree, g.dir), name)
			if err == nil && filepath.IsLocal(rel) {
				sums["tree: "+g.name] += info.Size()
				return nil
			}
		}
		return nil
	})
	var all []component
	for name, n := range sums {
		all = append(all, component{name, n})
	}
	slices.SortFunc(all, func(x, y component) int {
		return cmp.Or(cmp.Compare(y.bytes, x.bytes), cmp.Compare(x.name, y.name))
	})
	return all, err
}
