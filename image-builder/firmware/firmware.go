// Package firmware picks from Debian's firmware packages what kernel modules
// ask for. The packages are made for every machine that there is; a server
// wants one file in ten of them.
//
// It needs modinfo, and imports image-builder/tool only.
package firmware

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/image-builder/tool"
)

// Dir is where the kernel looks for firmware, below the root.
const Dir = "usr/lib/firmware"

// Wanted lists what the modules say they may ask for, sorted: names below
// [Dir], or patterns of path.Match. A module that finds its firmware in the
// device itself says nothing.
func Wanted(ctx context.Context, modules []string) ([]string, error) {
	if len(modules) == 0 {
		return nil, nil
	}
	out, err := tool.Run(ctx, tool.Cmd{Name: "modinfo", Args: append([]string{"-F", "firmware"}, modules...)})
	if err != nil {
		return nil, err
	}
	wanted := strings.Fields(string(out))
	slices.Sort(wanted)
	return slices.Compact(wanted), nil
}

// Copy copies what is wanted, as far as the directory from has it, to the
// directory to.
func Copy(to, from string, wanted []string) error {
	for _, pattern := range wanted {
		found, err := filepath.Glob(filepath.Join(from, pattern))
		if err != nil {
			return fmt.Errorf("firmware %s: %w", pattern, err)
		}
		for _, file := range found {
			if err := copyLinked(to, from, file); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyLinked copies one file; a link together with what it points to.
func copyLinked(to, from, file string) error {
	rel, err := filepath.Rel(from, file)
	if err != nil || !filepath.IsLocal(rel) {
		return fmt.Errorf("firmware %s is not below %s", file, from)
	}
	out := filepath.Join(to, rel)
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return fmt.Errorf("firmware %s: %w", rel, err)
	}
	if link, err := os.Readlink(file); err == nil {
		if filepath.IsAbs(link) {
			return fmt.Errorf("firmware %s links to %s; allowed: links inside the firmware", rel, link)
		}
		if err := os.Symlink(link, out); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("firmware %s: %w", rel, err)
		}
		return copyLinked(to, from, filepath.Join(filepath.Dir(file), link))
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("firmware %s: %w", rel, err)
	}
	return os.WriteFile(out, raw, 0o644)
}
