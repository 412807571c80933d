// Package rootfs makes the root of the system image: a Debian tree from a
// local repository, trimmed and stripped of everything that belongs to one
// machine, and from it one file of EROFS with its dm-verity tree.
//
// It needs root, mmdebstrap, mkfs.erofs and veritysetup, and imports the
// other packages of image-builder only.
package rootfs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-cloud/cairn/image-builder/archive"
	"github.com/cairn-cloud/cairn/image-builder/recipe"
	"github.com/cairn-cloud/cairn/image-builder/tool"
)

// Epoch is the time of every file in every artefact, in seconds since 1970:
// 2025-08-09, the day of the release of Debian 13.
const Epoch = 1754697600

// epochEnv tells it to the tools.
var epochEnv = []string{fmt.Sprintf("SOURCE_DATE_EPOCH=%d", Epoch)}

// Options of [Debian] and [Tree].
type Options struct {
	Recipe     recipe.Recipe
	Repository *archive.Repository
	Kernel     *Kernel
	Log        *slog.Logger
	LogFile    string // takes what mmdebstrap says
}

// Debian installs the recipe's packages to dir, which must not exist yet.
func Debian(ctx context.Context, dir string, o Options) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("user id is %d; allowed: 0 (the owners of the files in the image are set by chown)", os.Geteuid())
	}
	o.Log.Info("root: installing packages", "log", o.LogFile)
	// The repository may be where only root can read, below /root.
	args := append(bootstrapArgs(o), "--aptopt=APT::Sandbox::User \"root\"", o.Recipe.Suite, dir, o.Repository.AptLine())
	_, err := tool.Run(ctx, tool.Cmd{Name: "mmdebstrap", Args: args, Env: epochEnv, Log: o.LogFile})
	return err
}

// Tree makes the root of an image at dir, which must not exist yet, from what
// [Debian] left at debian.
func Tree(ctx context.Context, dir, debian string, o Options) error {
	if _, err := tool.Run(ctx, tool.Cmd{Name: "cp", Args: []string{"-a", "--reflink=auto", debian, dir}}); err != nil {
		return err
	}
	for _, step := range []func(context.Context, string, Options) error{
		database, modules, trimFirmware, units, profiles, inventory, trim, factory, complete,
	} {
		if err := step(ctx, dir, o); err != nil {
			return err
		}
	}
	return nil
}

// bootstrapArgs installs the essential packages and the wanted ones, from the
// repository on disk only.
func bootstrapArgs(o Options) []string {
	args := []string{
		"--mode=root", "--variant=essential", "--format=directory", "--architectures=amd64",
		"--aptopt=APT::Install-Recommends \"false\"",
		"--aptopt=Acquire::Languages \"none\"",
		"--dpkgopt=force-unsafe-io",
		"--include=" + strings.Join(o.Recipe.Names(), ","),
	}
	for _, p := range o.Recipe.Exclude {
		args = append(args, "--dpkgopt=path-exclude="+p)
	}
	for _, p := range o.Recipe.Include {
		args = append(args, "--dpkgopt=path-include="+p)
	}
	return args
}

// trim takes out what the recipe does not want.
func trim(_ context.Context, dir string, o Options) error {
	for _, r := range o.Recipe.Remove {
		if err := remove(dir, r.Path); err != nil {
			return err
		}
	}
	// Directories stay, with their owners: daemons expect them.
	for _, d := range []string{"var/log", "var/cache", "var/tmp", "var/backups"} {
		if err := removeFiles(filepath.Join(dir, d)); err != nil {
			return err
		}
	}
	for _, d := range []string{"proc", "sys", "dev", "run", "tmp", "boot", "mnt"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return fmt.Errorf("trim: %w", err)
		}
	}
	return os.Chmod(filepath.Join(dir, "tmp"), 0o777|os.ModeSticky)
}

// inventory keeps dpkg's list of what is installed, as data.
func inventory(_ context.Context, dir string, _ Options) error {
	raw, err := os.ReadFile(filepath.Join(dir, "var/lib/dpkg/status"))
	if err != nil {
		return fmt.Errorf("inventory: %w", err)
	}
	share := filepath.Join(dir, "usr/share/cairn")
	if err := os.MkdirAll(share, 0o755); err != nil {
		return fmt.Errorf("inventory: %w", err)
	}
	return os.WriteFile(filepath.Join(share, "dpkg-status"), raw, 0o644)
}

// remove removes what a pattern names, with everything below it.
func remove(dir, pattern string) error {
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return fmt.Errorf("trim %s: %w", pattern, err)
	}
	for _, name := range found {
		if err := os.RemoveAll(name); err != nil {
			return fmt.Errorf("trim %s: %w", pattern, err)
		}
	}
	return nil
}

// removeFiles removes everything below dir but directories.
func removeFiles(dir string) error {
	return filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Remove(name)
	})
}

// factory moves /var to where the installer copies it from. The image keeps
// an empty one as mount point.
//
// The marks in /etc and /var say that both belong to this /usr: without them
// systemd would build its hardware database and others anew at every boot.
func factory(_ context.Context, dir string, _ Options) error {
	for _, d := range []string{"etc", "var"} {
		if err := os.WriteFile(filepath.Join(dir, d, ".updated"), nil, 0o644); err != nil {
			return fmt.Errorf("factory: %w", err)
		}
	}
	share := filepath.Join(dir, "usr/share/factory")
	if err := os.MkdirAll(share, 0o755); err != nil {
		return fmt.Errorf("factory: %w", err)
	}
	if err := os.Rename(filepath.Join(dir, "var"), filepath.Join(share, "var")); err != nil {
		return fmt.Errorf("factory: %w", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "var"), 0o755); err != nil {
		return fmt.Errorf("factory: %w", err)
	}
	return nil
}

// complete sees that trimming took nothing that others need. A link counts as
// what it points to, inside the tree.
func complete(_ context.Context, dir string, o Options) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("complete: %w", err)
	}
	defer root.Close()
	var missing []error
	for _, n := range o.Recipe.Needs {
		if _, err := root.Stat(strings.TrimPrefix(n.Path, "/")); err != nil {
			missing = append(missing, fmt.Errorf("the image has no %s (%s): %w", n.Path, n.Why, err))
		}
	}
	return errors.Join(missing...)
}
