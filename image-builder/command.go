package imagebuilder

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/cairn-cloud/cairn/image-builder/archive"
	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/image-builder/recipe"
	"github.com/cairn-cloud/cairn/image-builder/rootfs"
	"github.com/cairn-cloud/cairn/image-builder/tool"
)

// Command is cairn-build image.
type Command struct {
	Out      string `default:"out" type:"path" help:"directory for everything that is built; the release is in release/"`
	Source   string `default:"." type:"path" help:"root of Cairn's source"`
	Programs string `type:"path" help:"take static cairn and cairn-init from this directory instead of building them"`
	Mirror   string `help:"URI of a Debian archive (default: that of the host's own apt)"`
	Security string `help:"URI of its security archive (default: that of the host's own apt)"`
	Refresh  bool   `help:"ask the archive for newer packages"`
	Firmware bool   `help:"add non-free firmware of NICs and HBAs"`
	Release  string `default:"0.1.0" help:"version; a piece of the root hash is added to it"`
}

// programs are what the build host must have: program to Debian package.
var programs = map[string]string{
	"apt-get": "apt", "mmdebstrap": "mmdebstrap", "dpkg-deb": "dpkg", "depmod": "kmod", "mkfs.erofs": "erofs-utils",
	"veritysetup": "cryptsetup-bin", "grub-mkimage": "grub-common", "mkfs.fat": "dosfstools", "mcopy": "mtools",
	"zstd": "zstd", "unshare": "util-linux", "go": "golang",
}

// files likewise.
var files = map[string]string{
	rootfs.FakeTime:                       "libfaketime",
	archive.DebianKeyring:                 "debian-archive-keyring",
	"/usr/lib/grub/i386-pc/boot.img":      "grub-pc-bin",
	"/usr/lib/grub/x86_64-efi/moddep.lst": "grub-efi-amd64-bin",
}

// Run builds a release.
func (c *Command) Run(ctx context.Context, log *slog.Logger) error {
	if err := tool.Need(programs); err != nil {
		return err
	}
	for file, pkg := range files {
		if !tool.Exists(file) {
			return fmt.Errorf("missing on this host: %s (package %s); remedy: make deps", file, pkg)
		}
	}
	b := newBuild(c, log)
	release, err := tool.Lock(b.cache)
	if err != nil {
		return err
	}
	defer release() //nolint:errcheck // the lock ends with the process at the latest
	for _, step := range []func(context.Context) error{
		b.keys, b.packages, b.programs, b.root, b.initramfs, b.bootFiles, b.publish,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// A build is one run. Its steps are methods; each leaves a file in artefacts
// (name in the release to path) or a value for the next.
type build struct {
	*Command
	log    *slog.Logger
	cache  string
	recipe recipe.Recipe

	key        releaseKey
	repo       *archive.Repository
	kernel     *rootfs.Kernel
	cairn      string // program of the system
	init       string // program of the initramfs
	verity     manifest.Verity
	artefacts  map[string]string
	components []component
}

func newBuild(c *Command, log *slog.Logger) *build {
	return &build{Command: c, log: log, cache: filepath.Join(c.Out, "cache"), recipe: recipe.System(recipe.Options{Firmware: c.Firmware})}
}

// file is the path of a file of the release while it is in the making.
func (b *build) file(name string) string {
	if b.artefacts == nil {
		b.artefacts = map[string]string{}
	}
	b.artefacts[name] = filepath.Join(b.cache, "release", name)
	return b.artefacts[name]
}

// packages fetches the packages and unpacks the kernel.
func (b *build) packages(ctx context.Context) error {
	source := archive.Source{Mirror: b.Mirror, Security: b.Security, Keyring: archive.DebianKeyring}
	if b.Mirror == "" {
		var err error
		if source, err = archive.HostSource("/etc"); err != nil {
			return err
		}
	}
	dir, err := filepath.Abs(filepath.Join(b.cache, "packages"))
	if err != nil {
		return err
	}
	b.repo, err = archive.Fetch(ctx, archive.Options{
		Dir: dir, Source: source, Suite: b.recipe.Suite, Components: b.recipe.Components,
		Want: b.recipe.Names(), Alone: []string{b.recipe.Kernel}, Refresh: b.Refresh, Log: b.log,
	})
	if err != nil {
		return err
	}
	b.kernel, err = rootfs.UnpackKernel(ctx, b.repo, filepath.Join(dir, "../kernel"))
	if err != nil {
		return err
	}
	b.log.Info("packages: ready", "packages", len(b.repo.Packages()), "kernel", b.kernel.Release)
	return nil
}

// programs builds cairn, and cairn-init for the initramfs, static and without
// anything of this host in them.
func (b *build) programs(ctx context.Context) error {
	dir := b.Programs
	if dir == "" {
		dir = b.cache
	}
	b.cairn, b.init = filepath.Join(dir, "cairn"), filepath.Join(dir, "cairn-init")
	if b.Programs != "" {
		return nil
	}
	if err := BuildProgram(ctx, b.Source, "./cmd/cairn", b.cairn); err != nil {
		return err
	}
	return BuildProgram(ctx, b.Source, "./cmd/cairn-init", b.init)
}

// BuildProgram builds a main package of source, static and the same on every
// host with the same Go.
func BuildProgram(ctx context.Context, source, pkg, out string) error {
	abs, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(abs), 0o755); err != nil {
		return err
	}
	_, err = tool.Run(ctx, tool.Cmd{
		Name: "go", Dir: source, Env: []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=", "GOAMD64=v1"},
		Args: []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", abs, pkg},
	})
	if err != nil {
		return fmt.Errorf("program %s: %w", pkg, err)
	}
	return nil
}
