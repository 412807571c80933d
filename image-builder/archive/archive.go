// Package archive keeps the Debian packages of an image on the build host.
//
// The host's apt resolves the wanted packages against a signed archive and
// fetches what is missing; the result is a small repository on disk, with an
// index that names exactly those packages. An image is built from that
// repository only, so a second build asks the archive for nothing and gets
// the same versions. The package needs apt, and imports image-builder/tool
// and image-builder/manifest only.
package archive

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/image-builder/tool"
)

// Options of [Fetch].
type Options struct {
	Dir        string // cache directory, absolute
	Source     Source
	Suite      string
	Components []string
	Want       []string // packages, with what they depend on; apt patterns allowed
	Alone      []string // packages without what they depend on
	Refresh    bool     // ask the archive for newer versions
	Log        *slog.Logger
}

// A Repository is a directory that apt can install from: DIR/INDEX/Packages
// names files below DIR.
type Repository struct {
	Dir    string
	Index  string // name of the index directory, ends in no slash
	Digest string // of the index: same digest, same packages
	debs   map[string]deb
}

// A deb is one package file.
type deb struct {
	name, version, file, sum string
	text                     stanza
}

// Fetch makes the repository for the wanted packages, from the cache if the
// same packages were fetched before.
func Fetch(ctx context.Context, o Options) (*Repository, error) {
	key, err := tool.Key(o.Suite, o.Components, o.Want, o.Alone)
	if err != nil {
		return nil, err
	}
	r := &Repository{Dir: o.Dir, Index: "index-" + key}
	if !o.Refresh && r.read() == nil {
		return r, nil
	}
	a := &apt{dir: filepath.Join(o.Dir, "apt"), o: o}
	if err := a.prepare(ctx); err != nil {
		return nil, fmt.Errorf("packages: %w", err)
	}
	// An index of some days ago may name versions that are gone by now: then
	// a new one is fetched, once.
	fresh, err := a.update(ctx, o.Refresh)
	if err == nil {
		err = r.fill(ctx, a)
	}
	if err != nil && !fresh {
		o.Log.Info("packages: refreshing the index", "because", err)
		if _, err = a.update(ctx, true); err == nil {
			err = r.fill(ctx, a)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("packages: %w", err)
	}
	return r, r.read()
}

// fill fetches what is missing and writes the index.
func (r *Repository) fill(ctx context.Context, a *apt) error {
	debs, err := a.resolve(ctx)
	if err != nil {
		return err
	}
	if err := a.download(ctx, debs); err != nil {
		return err
	}
	var index strings.Builder
	for _, d := range debs {
		for line := range strings.Lines(string(d.text)) {
			if strings.HasPrefix(line, "Filename:") {
				line = "Filename: debs/" + d.file + "\n"
			}
			index.WriteString(line)
		}
		index.WriteString("\n")
	}
	dir := filepath.Join(r.Dir, r.Index)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text := index.String()
	if err := os.WriteFile(filepath.Join(dir, "Release"), []byte(release(a.o.Suite, text)), 0o644); err != nil {
		return err
	}
	tmp := filepath.Join(dir, "Packages.new")
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, "Packages"))
}

// release names the suite: mmdebstrap takes essential packages from the
// archive of the suite only.
func release(suite, packages string) string {
	return fmt.Sprintf("Suite: %[1]s\nCodename: %[1]s\nArchitectures: amd64\nSHA256:\n %[2]x %[3]d Packages\n",
		suite, sha256.Sum256([]byte(packages)), len(packages))
}

// read takes the index in and sees that each file of it is there.
func (r *Repository) read() error {
	name := filepath.Join(r.Dir, r.Index, "Packages")
	raw, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if r.Digest, err = tool.FileSum(name); err != nil {
		return err
	}
	r.debs = map[string]deb{}
	for _, st := range stanzas(string(raw)) {
		d := parse(st)
		if _, err := os.Stat(r.path(d)); err != nil {
			return fmt.Errorf("packages: %w", err)
		}
		r.debs[d.name] = d
	}
	return nil
}

func (r *Repository) path(d deb) string { return filepath.Join(r.Dir, "debs", d.file) }

// File is the path of a package's file.
func (r *Repository) File(name string) (string, error) {
	d, ok := r.debs[name]
	if !ok {
		return "", fmt.Errorf("packages: the repository has no %q", name)
	}
	return r.path(d), nil
}

// Packages lists name and version of each package, by name.
func (r *Repository) Packages() []manifest.Package {
	var all []manifest.Package
	for _, d := range r.debs {
		all = append(all, manifest.Package{Name: d.name, Version: d.version})
	}
	slices.SortFunc(all, func(a, b manifest.Package) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// AptLine is the line for sources.list. The index carries no signature of its
// own: apt checked the archive's when the files were fetched.
func (r *Repository) AptLine() string {
	return fmt.Sprintf("deb [trusted=yes] copy:%s %s/", r.Dir, r.Index)
}

// parse takes what we need from an index entry. The file keeps the name that
// it has in the archive, which has no epoch in it.
func parse(st stanza) deb {
	return deb{
		name:    st.field("Package"),
		version: st.field("Version"),
		file:    filepath.Base(st.field("Filename")),
		sum:     st.field("SHA256"),
		text:    st,
	}
}
