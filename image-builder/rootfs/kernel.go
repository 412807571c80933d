package rootfs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairn-cloud/cairn/image-builder/archive"
	"github.com/cairn-cloud/cairn/image-builder/tool"
)

// A Kernel is an unpacked kernel package. It is not installed: its scripts
// would want an initramfs generator and a boot loader in the image.
type Kernel struct {
	Dir     string // holds boot/ and usr/lib/modules/
	Release string // like 6.12.48+deb13-amd64
	Package string // file name of the package
}

// Image is the path of the boot image.
func (k *Kernel) Image() string { return filepath.Join(k.Dir, "boot/vmlinuz-"+k.Release) }

// Modules is the directory of the modules.
func (k *Kernel) Modules() string { return filepath.Join(k.Dir, "usr/lib/modules", k.Release) }

// UnpackKernel unpacks the kernel of the repository to dir, once, and indexes
// its modules.
func UnpackKernel(ctx context.Context, repo *archive.Repository, dir string) (*Kernel, error) {
	var name string
	for _, p := range repo.Packages() {
		if rest, ok := strings.CutPrefix(p.Name, "linux-image-"); ok && rest[0] >= '0' && rest[0] <= '9' {
			name = p.Name
		}
	}
	if name == "" {
		return nil, fmt.Errorf("kernel: the repository has no linux-image-<release>")
	}
	deb, err := repo.File(name)
	if err != nil {
		return nil, err
	}
	k := &Kernel{Dir: dir, Release: strings.TrimPrefix(name, "linux-image-"), Package: filepath.Base(deb)}
	_, err = tool.Step(dir, k.Package+" indexed", func(tmp string) error {
		if _, err := tool.Run(ctx, tool.Cmd{Name: "dpkg-deb", Args: []string{"-x", deb, tmp}}); err != nil {
			return err
		}
		// Kernel packages come without an index of the modules. depmod looks
		// for them below lib, the package has usr/lib.
		if err := os.Symlink("usr/lib", filepath.Join(tmp, "lib")); err != nil {
			return err
		}
		_, err := tool.Run(ctx, tool.Cmd{Name: "depmod", Args: []string{"-b", tmp, k.Release}})
		return err
	})
	return k, err
}

// modules copies the kernel's modules, without those that no server needs,
// and indexes them. The kernel itself is beside them: a compute node boots it
// to find out whether its KVM works.
func modules(ctx context.Context, dir string, o Options) error {
	to := filepath.Join(dir, "usr/lib/modules", o.Kernel.Release)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("modules: %w", err)
	}
	for _, copied := range [][]string{{o.Kernel.Modules(), to}, {o.Kernel.Image(), filepath.Join(to, "vmlinuz")}} {
		if _, err := tool.Run(ctx, tool.Cmd{Name: "cp", Args: append([]string{"-a"}, copied...)}); err != nil {
			return err
		}
	}
	for _, p := range o.Recipe.NoModules {
		if err := remove(to, filepath.Join("kernel", p.Path)); err != nil {
			return err
		}
	}
	_, err := tool.Run(ctx, tool.Cmd{Name: "depmod", Args: []string{"-b", dir, o.Kernel.Release}})
	return err
}
