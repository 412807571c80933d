package installer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/slot"
	"github.com/cairn-cloud/cairn/installer/vault"
	"github.com/cairn-cloud/cairn/node/spec"
)

// factoryVar is what the image has for /var of a new machine.
const factoryVar = "usr/share/factory/var"

// database is the empty database below it, by far the largest part, which is
// for controllers alone.
const database = "lib/mysql"

// configure opens the slot that was written, makes the data partition with
// the image's own tools, and gives the machine its identity.
func (j *job) configure(ctx context.Context) (err error) {
	j.phases.begin(phaseConfigure, "data partition")
	disks, err := j.partitions(ctx)
	if err != nil {
		return err
	}
	root, err := slot.Open(sysroot, disks[0].Parts[plan.LabelSlotA], j.release.Manifest.Verity)
	if err != nil {
		return err
	}
	var data *vault.Volume
	defer func() { err = errors.Join(err, root.Close(), data.Close()) }()
	n := vault.New{Encrypt: j.plan.Encrypt, Keep: j.from.Keeper(j.plan)}
	for _, d := range disks {
		n.Parts = append(n.Parts, d.Parts[plan.LabelData])
	}
	if data, err = vault.Make(ctx, n); err != nil {
		return err
	}
	began := time.Now()
	if err := root.Run(ctx, "/usr/sbin/mkfs.ext4", "-q", "-F", "-L", plan.LabelData, "-E", lazily, data.Path); err != nil {
		return err
	}
	j.log.Info("data file system made", "after", time.Since(began))
	if err := root.MountVar(data.Path); err != nil {
		return err
	}
	controller := slices.Contains(j.plan.Roles, spec.RoleController)
	var skip []string
	if !controller {
		skip = append(skip, database)
	}
	if err := copyTree(filepath.Join(root.Dir, factoryVar), filepath.Join(root.Dir, "var"), skip...); err != nil {
		return err
	}
	if err := j.makeFurther(ctx, root, data); err != nil {
		return err
	}
	j.phases.begin(phaseEnrol, j.plan.HostName)
	id, err := j.from.Identity(ctx, j.plan)
	if err != nil {
		return err
	}
	if err := id.write(root.Dir); err != nil {
		return err
	}
	if controller {
		return j.keepRelease(ctx, filepath.Join(root.Dir, spec.StateDir, "release"))
	}
	return nil
}

// lazily leaves what mkfs need not write now to the kernel.
const lazily = "lazy_itable_init=1,lazy_journal_init=1"

// partitionPatience is how long the kernel may take to show new partitions.
const partitionPatience = 20 * time.Second

// partitions waits until the kernel shows the new partitions, and lists them
// by the disks of the plan.
func (j *job) partitions(ctx context.Context) ([]slot.Installation, error) {
	for end := time.Now().Add(partitionPatience); ; {
		found, err := slot.Host().Find()
		if err != nil {
			return nil, err
		}
		var out []slot.Installation
		for _, d := range j.plan.Disks() {
			in, err := slot.Pick(found, d.Path)
			if err != nil {
				break
			}
			out = append(out, in)
		}
		if len(out) == len(j.plan.Disks()) {
			return out, nil
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("the new partitions of %s do not appear", j.plan.Disks()[len(out)].Path)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// keepRelease keeps what a controller serves to other machines, but for the
// root, which it reads from its own slot.
func (j *job) keepRelease(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keep the release: %w", err)
	}
	keep := func(name string, b []byte) error {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			return fmt.Errorf("keep the release: %w", err)
		}
		return nil
	}
	for _, name := range []string{manifest.ESP, manifest.BootCode, manifest.BIOSBoot, manifest.Kernel, manifest.Initramfs} {
		b, err := j.release.File(ctx, name)
		if err != nil {
			return err
		}
		if err := keep(name, b); err != nil {
			return err
		}
	}
	if err := keep(manifest.Name, j.release.Raw); err != nil {
		return err
	}
	return keep(manifest.SignatureName, j.release.Signature)
}
