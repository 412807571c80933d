package rootfs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-cloud/cairn/image-builder/recipe"
	"github.com/cairn-cloud/cairn/image-builder/tool"
)

const (
	profilesDir = "etc/apparmor.d"
	// earlyPolicy is where systemd looks for compiled AppArmor profiles
	// before it starts anything, in a directory named after what the kernel
	// can enforce.
	earlyPolicy = "etc/apparmor/earlypolicy"
)

// profiles leaves the AppArmor profiles that the recipe wants, compiled for
// the kernel of the image: on an emulated processor that takes seconds, which
// every boot would have to wait for.
func profiles(ctx context.Context, dir string, o Options) error {
	if err := keepProfiles(filepath.Join(dir, profilesDir), o.Recipe.Profiles); err != nil {
		return err
	}
	features, err := kernelFeatures(o.Kernel.Release)
	if err != nil {
		return err
	}
	work := filepath.Join(dir, "tmp/features")
	if err := os.WriteFile(work, features, 0o644); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	defer os.Remove(work)
	if err := os.MkdirAll(filepath.Join(dir, earlyPolicy), 0o755); err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	args := []string{
		"--mount", "--pid", "--fork", "--kill-child", "--mount-proc=" + filepath.Join(dir, "proc"),
		"chroot", dir, "apparmor_parser", "--skip-kernel-load", "--kernel-features=/tmp/features",
		"--write-cache", "--skip-read-cache", "--cache-loc=/" + earlyPolicy,
	}
	for _, p := range o.Recipe.Profiles {
		args = append(args, p.Path)
	}
	if _, err := tool.Run(ctx, tool.Cmd{Name: "unshare", Args: args}); err != nil {
		return err
	}
	return compiled(filepath.Join(dir, earlyPolicy), o.Recipe.Profiles)
}

// kernelFeatures is what AppArmor of a kernel can enforce, as the parser
// writes it to .features of its cache. Kernels of one series have the same.
func kernelFeatures(release string) ([]byte, error) {
	series := strings.SplitN(release, ".", 3)
	if len(series) < 3 {
		return nil, fmt.Errorf("profiles: kernel release is %q; allowed: like 6.12.48+deb13-amd64", release)
	}
	name := "kernel-" + series[0] + "." + series[1] + ".features"
	features, err := sources.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("profiles: what AppArmor of kernel %s can enforce is not known; remedy: boot it, run apparmor_parser --write-cache there, and keep .features of the cache as %s", release, name)
	}
	return features, nil
}

// keepProfiles removes every profile that is not wanted. What profiles include
// is in directories, and stays.
func keepProfiles(dir string, wanted []recipe.Path) error {
	keep := map[string]bool{}
	for _, p := range wanted {
		keep[filepath.Base(p.Path)] = true
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() || keep[e.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("profiles: %w", err)
		}
	}
	return nil
}

// compiled sees that there is one directory with each profile in it: the
// parser takes a cache that it cannot write for a warning.
func compiled(dir string, wanted []recipe.Path) error {
	caches, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("profiles: %w", err)
	}
	if len(caches) != 1 {
		return fmt.Errorf("profiles: the parser made %d caches in %s, want 1", len(caches), dir)
	}
	for _, p := range wanted {
		st, err := os.Stat(filepath.Join(dir, caches[0].Name(), filepath.Base(p.Path)))
		if err != nil {
			return fmt.Errorf("profiles: %s (%s) was not compiled: %w", p.Path, p.Why, err)
		}
		if st.Size() == 0 {
			return fmt.Errorf("profiles: %s (%s) was compiled to nothing", p.Path, p.Why)
		}
	}
	return nil
}
