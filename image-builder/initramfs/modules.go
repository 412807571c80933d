package initramfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ulikunitz/xz"

	"github.com/cairn-cloud/cairn/image-builder/recipe"
	"github.com/cairn-cloud/cairn/image-builder/tool"
)

// A tree is a directory of kernel modules, as depmod described it.
type tree struct {
	dir     string              // DIR/usr/lib/modules/RELEASE
	deps    map[string][]string // path below dir to the paths that it depends on
	byName  map[string]string
	soft    map[string][]string // name to names
	builtin map[string]bool
}

// name is a module's name as the kernel says it.
func name(file string) string {
	base, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(base, "-", "_")
}

// readTree reads what depmod wrote.
func readTree(dir string) (*tree, error) {
	t := &tree{dir: dir, deps: map[string][]string{}, byName: map[string]string{}, soft: map[string][]string{}, builtin: map[string]bool{}}
	dep, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return nil, fmt.Errorf("modules: %w", err)
	}
	for line := range strings.Lines(string(dep)) {
		file, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		t.deps[file] = strings.Fields(rest)
		t.byName[name(file)] = file
	}
	builtin, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if err != nil {
		return nil, fmt.Errorf("modules: %w", err)
	}
	for line := range strings.Lines(string(builtin)) {
		t.builtin[name(strings.TrimSpace(line))] = true
	}
	soft, err := os.ReadFile(filepath.Join(dir, "modules.softdep"))
	if err != nil {
		return nil, fmt.Errorf("modules: %w", err)
	}
	for line := range strings.Lines(string(soft)) {
		// softdep NAME pre: A B post: C
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "softdep" {
			continue
		}
		for _, s := range f[2:] {
			if !strings.HasSuffix(s, ":") {
				t.soft[f[1]] = append(t.soft[f[1]], s)
			}
		}
	}
	return t, nil
}

// closure lists the files of the wanted modules and of all that they depend
// on, sorted. A wanted module that is built in needs no file; one that the
// kernel does not know is an error of the recipe.
func (t *tree) closure(want []recipe.Driver) ([]string, error) {
	files := map[string]bool{}
	var errs []error
	var add func(module string)
	add = func(module string) {
		file, ok := t.byName[name(module)]
		if !ok || files[file] {
			return
		}
		files[file] = true
		for _, d := range t.deps[file] {
			add(d)
		}
		for _, s := range t.soft[name(module)] {
			add(s)
		}
	}
	for _, w := range want {
		if _, ok := t.byName[name(w.Module)]; !ok && !t.builtin[name(w.Module)] {
			errs = append(errs, fmt.Errorf("driver %s (%s) is not in this kernel", w.Module, w.Why))
		}
		add(w.Module)
	}
	return slices.Sorted(maps.Keys(files)), errors.Join(errs...)
}

// LoadOrder lists the files, below the directory of a kernel's modules, of the
// wanted modules and of what they depend on, each behind what it needs.
func LoadOrder(modules string, want []recipe.Driver) ([]string, error) {
	t, err := readTree(modules)
	if err != nil {
		return nil, err
	}
	var order []string
	for _, w := range want {
		file, ok := t.byName[name(w.Module)]
		if !ok && !t.builtin[name(w.Module)] {
			return nil, fmt.Errorf("driver %s (%s) is not in this kernel", w.Module, w.Why)
		}
		if !ok {
			continue
		}
		// modules.dep names what has to be there first last.
		for _, f := range slices.Backward(append([]string{file}, t.deps[file]...)) {
			if !slices.Contains(order, f) {
				order = append(order, f)
			}
		}
	}
	return order, nil
}

// copyModules copies the wanted modules to dir/lib/modules/release,
// uncompressed, and has depmod index them there.
func copyModules(ctx context.Context, dir, release string, t *tree, want []recipe.Driver) error {
	files, err := t.closure(want)
	if err != nil {
		return err
	}
	to := filepath.Join(dir, "lib/modules", release)
	for _, f := range files {
		raw, err := ReadModule(filepath.Join(t.dir, f))
		if err != nil {
			return fmt.Errorf("module %s: %w", f, err)
		}
		out := filepath.Join(to, strings.TrimSuffix(f, ".xz"))
		if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
			return fmt.Errorf("module %s: %w", f, err)
		}
		if err := os.WriteFile(out, raw, 0o644); err != nil {
			return fmt.Errorf("module %s: %w", f, err)
		}
	}
	for _, f := range []string{"modules.builtin", "modules.builtin.modinfo", "modules.order"} {
		raw, err := os.ReadFile(filepath.Join(t.dir, f))
		if err != nil {
			return fmt.Errorf("modules: %w", err)
		}
		if err := os.WriteFile(filepath.Join(to, f), raw, 0o644); err != nil {
			return fmt.Errorf("modules: %w", err)
		}
	}
	if _, err := tool.Run(ctx, tool.Cmd{Name: "depmod", Args: []string{"-b", dir, release}}); err != nil {
		return err
	}
	// Our init reads the text; the rest only serves depmod and libkmod.
	for _, f := range []string{"modules.builtin.modinfo", "modules.order", "modules.builtin.bin", "modules.builtin.alias.bin",
		"modules.alias.bin", "modules.dep.bin", "modules.symbols", "modules.symbols.bin", "modules.devname"} {
		if err := os.RemoveAll(filepath.Join(to, f)); err != nil {
			return fmt.Errorf("modules: %w", err)
		}
	}
	return nil
}

// ReadModule reads a module; Debian compresses them with xz. The signature is
// part of what is inside.
func ReadModule(file string) ([]byte, error) {
	raw, err := os.ReadFile(file)
	if err != nil || !strings.HasSuffix(file, ".xz") {
		return raw, err
	}
	r, err := xz.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
