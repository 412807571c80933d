package initramfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-cloud/cairn/image-builder/tool"
)

// copyFirmware copies what the modules say they may ask for, as far as the
// firmware packages have it. Names in modules may be patterns.
func copyFirmware(ctx context.Context, stage, from string, t *tree, modules []string) error {
	args := []string{"-F", "firmware"}
	for _, m := range modules {
		args = append(args, filepath.Join(t.dir, m))
	}
	out, err := tool.Run(ctx, tool.Cmd{Name: "modinfo", Args: args})
	if err != nil {
		return err
	}
	for want := range strings.Lines(string(out)) {
		found, err := filepath.Glob(filepath.Join(from, strings.TrimSpace(want)))
		if err != nil {
			return fmt.Errorf("firmware %s: %w", want, err)
		}
		for _, file := range found {
			if err := copyLinked(stage, from, file); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyLinked copies one file below from to lib/firmware of the stage; a link
// together with what it points to.
func copyLinked(stage, from, file string) error {
	rel, err := filepath.Rel(from, file)
	if err != nil {
		return fmt.Errorf("firmware %s: %w", file, err)
	}
	to := filepath.Join(stage, "lib/firmware", rel)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("firmware %s: %w", rel, err)
	}
	if link, err := os.Readlink(file); err == nil {
		if err := os.Symlink(link, to); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("firmware %s: %w", rel, err)
		}
		if filepath.IsAbs(link) {
			return fmt.Errorf("firmware %s links to %s; allowed: links inside the firmware", rel, link)
		}
		return copyLinked(stage, from, filepath.Join(filepath.Dir(file), link))
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("firmware %s: %w", rel, err)
	}
	return os.WriteFile(to, raw, 0o644)
}
