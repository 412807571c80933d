package hardening

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// A File is a file, a directory or a link that a control renders.
type File struct {
	Path   string // absolute, on the machine
	Text   string
	Mode   fs.FileMode // permissions, with fs.ModeDir a directory; default 0644
	Owner  string      // account; default root
	Link   string      // target, for a symbolic link
	Gone   bool        // there must be nothing
	Secret bool        // findings do not show the content
}

// render makes an Apply of a list of files.
func render(files func(*Target) ([]File, error)) func(context.Context, *Target) error {
	return func(_ context.Context, t *Target) error {
		list, err := files(t)
		if err != nil {
			return err
		}
		return t.write(list...)
	}
}

// rendered makes a Check of the same list.
func rendered(files func(*Target) ([]File, error)) func(context.Context, *Target) []Finding {
	return func(_ context.Context, t *Target) []Finding {
		list, err := files(t)
		if err != nil {
			return []Finding{{Item: "files", Found: err.Error(), Wanted: "files to compare with"}}
		}
		var findings []Finding
		for _, f := range list {
			findings = append(findings, t.compare(f))
		}
		return findings
	}
}

// always is a list of files that cannot fail.
func always(files func(*Target) []File) func(*Target) ([]File, error) {
	return func(t *Target) ([]File, error) { return files(t), nil }
}

// inOrder makes an Apply of several steps.
func inOrder(steps ...func(context.Context, *Target) error) func(context.Context, *Target) error {
	return func(ctx context.Context, t *Target) error {
		for _, step := range steps {
			if err := step(ctx, t); err != nil {
				return err
			}
		}
		return nil
	}
}

// both makes a Check of several.
func both(checks ...func(context.Context, *Target) []Finding) func(context.Context, *Target) []Finding {
	return func(ctx context.Context, t *Target) []Finding {
		var all []Finding
		for _, check := range checks {
			all = append(all, check(ctx, t)...)
		}
		return all
	}
}

// within gives access to the machine's files. No link of the image leads out
// of its root.
func (t *Target) within(do func(*os.Root) error) error {
	if t.Root == "" {
		return errors.New(`target root is empty; allowed: a directory, "/" for this machine`)
	}
	root, err := os.OpenRoot(t.Root)
	if err != nil {
		return err
	}
	return errors.Join(do(root), root.Close())
}

// write puts the files in place, each whole or not at all.
func (t *Target) write(files ...File) error {
	return t.within(func(root *os.Root) error {
		for _, f := range files {
			if err := t.writeOne(root, f); err != nil {
				return fmt.Errorf("%s: %w", f.Path, err)
			}
		}
		return nil
	})
}

// writeOne leaves a file that is right alone: what is on the data partition is
// at no risk at a boot that changes nothing.
func (t *Target) writeOne(root *os.Root, f File) error {
	name := inRoot(f.Path)
	if f.Gone {
		return root.RemoveAll(name)
	}
	if t.differs(root, f) == "" {
		return nil
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	if f.Mode.IsDir() {
		if err := root.MkdirAll(name, f.Mode.Perm()); err != nil {
			return err
		}
		return t.protect(root, name, f)
	}
	part := name + ".part"
	if err := root.RemoveAll(part); err != nil {
		return err
	}
	if f.Link != "" {
		if err := root.Symlink(f.Link, part); err != nil {
			return err
		}
		return root.Rename(part, name)
	}
	if err := writeSynced(root, part, f.Text); err != nil {
		return err
	}
	if err := t.protect(root, part, f); err != nil {
		return err
	}
	return root.Rename(part, name)
}

// writeSynced makes a file whose content is on the disk before it gets its
// name. In /etc, which is in memory, that costs nothing.
func writeSynced(root *os.Root, name, text string) error {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// protect sets owner and permissions. An ordinary user, in a test, cannot
// give files away.
func (t *Target) protect(root *os.Root, name string, f File) error {
	if os.Geteuid() == 0 {
		who, err := t.account(orDefault(f.Owner, "root"))
		if err != nil {
			return err
		}
		if err := root.Lchown(name, who.uid, who.gid); err != nil {
			return err
		}
	}
	return root.Chmod(name, orDefault(f.Mode, 0o644).Perm())
}

// read is the content of a file of the machine.
func (t *Target) read(file string) ([]byte, error) {
	var data []byte
	err := t.within(func(root *os.Root) (err error) {
		data, err = root.ReadFile(inRoot(file))
		return err
	})
	return data, err
}

// compare says whether a file of the machine is as it should be.
func (t *Target) compare(f File) Finding {
	found := Finding{Item: f.Path, Wanted: "as rendered at boot"}
	if f.Gone {
		found.Wanted = "absent"
	}
	problem := t.difference(f)
	found.OK, found.Found = problem == "", orDefault(problem, found.Wanted)
	return found
}

// difference is in words what is wrong with a file; empty: nothing.
func (t *Target) difference(f File) string {
	var problem string
	err := t.within(func(root *os.Root) error {
		problem = t.differs(root, f)
		return nil
	})
	if err != nil {
		return err.Error()
	}
	return problem
}

func (t *Target) differs(root *os.Root, f File) string {
	name := inRoot(f.Path)
	info, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && f.Gone:
		return ""
	case err != nil:
		return err.Error()
	case f.Gone:
		return "present"
	case f.Link != "":
		return differentLink(root, name, f.Link)
	case info.IsDir() != f.Mode.IsDir():
		return fmt.Sprintf("is of another kind: %v", info.Mode())
	case info.Mode().Perm() != orDefault(f.Mode, 0o644).Perm():
		return fmt.Sprintf("mode %v, wanted %v", info.Mode().Perm(), orDefault(f.Mode, 0o644).Perm())
	}
	if problem := t.differentOwner(info, orDefault(f.Owner, "root")); problem != "" || info.IsDir() {
		return problem
	}
	data, err := root.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	if !bytes.Equal(data, []byte(f.Text)) {
		return differentText(string(data), f)
	}
	return ""
}

func differentLink(root *os.Root, name, wanted string) string {
	target, err := root.Readlink(name)
	if err != nil {
		return err.Error()
	}
	if target != wanted {
		return fmt.Sprintf("leads to %s, wanted %s", target, wanted)
	}
	return ""
}

// differentText names the first line that differs.
func differentText(found string, f File) string {
	if f.Secret {
		return "another content"
	}
	have, want := strings.Split(found, "\n"), strings.Split(f.Text, "\n")
	for i := range want {
		if i >= len(have) || have[i] != want[i] {
			line := "end of file"
			if i < len(have) {
				line = fmt.Sprintf("%q", have[i])
			}
			return fmt.Sprintf("line %d is %s, wanted %q", i+1, line, want[i])
		}
	}
	return fmt.Sprintf("%d lines more than wanted", len(have)-len(want))
}

// inRoot is the name of an absolute path below its root.
func inRoot(name string) string {
	return orDefault(strings.TrimPrefix(path.Clean(name), "/"), ".")
}

// orDefault is value, or fallback if value is its type's zero.
func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
