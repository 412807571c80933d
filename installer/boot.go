package installer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cairn-cloud/cairn/installer/disk"
	"github.com/cairn-cloud/cairn/installer/initrd"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/slot"
	"github.com/cairn-cloud/cairn/installer/vault"
	"github.com/cairn-cloud/cairn/node/spec"
)

// Where the first process puts things together.
const (
	sysroot = "/sysroot"
	scratch = "/run/cairn"
)

// devicePatience is how long no new device may appear before one that is
// missing counts as absent.
const devicePatience = 15 * time.Second

// boot finds the installation and hands over to its init. It returns only on
// failure.
func (m *machine) boot(ctx context.Context) error {
	return m.bootDisk(ctx, m.params.Get(plan.ParamDisk))
}

// bootDisk boots the disk that named says (a path or an id), or the only one
// with an installation where it is empty.
func (m *machine) bootDisk(ctx context.Context, named string) error {
	m.doing = "looking for an installed disk"
	keys, err := slot.ReadKeys(slot.KeysFile)
	if err != nil {
		return err
	}
	in, err := m.installation(ctx, named)
	if err != nil {
		return err
	}
	m.doing = "booting " + in.Disk
	slots, err := in.Choose(m.params.Get(plan.ParamSlot), keys)
	if err != nil {
		return m.noSlot(in, err)
	}
	root, err := m.openSlot(in, slots)
	if err != nil {
		return err
	}
	m.doing = "opening the data of " + in.Disk
	data, err := vault.Open(ctx, in.Data(), m.unlock)
	if err != nil {
		return err
	}
	for _, note := range data.Notes() {
		m.log.Warn("mirror", "note", note)
		m.console.Printf("cairn: %s", note)
	}
	if err := m.mountVar(ctx, root, data.Path); err != nil {
		return err
	}
	node, err := readNode(sysroot)
	if err != nil {
		return err
	}
	if err := m.mountFurther(ctx, root, data); err != nil {
		return err
	}
	if err := root.MountVolatile(filepath.Join(scratch, "etc")); err != nil {
		return err
	}
	m.doing = "configuring " + node.Name
	if m.hooks.Render != nil {
		// A machine that is not quite right can still be reached and audited.
		if err := m.hooks.Render(ctx, sysroot, node, m.log); err != nil {
			m.log.Error("configuration", "error", err)
			m.console.Printf("cairn: %s is not configured as it should be:\n%v", node.Name, err)
		}
	}
	m.doing = "starting the system of " + in.Disk
	return initrd.SwitchRoot(sysroot, []string{"/sbin/init"}, []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=linux"})
}

// noSlot says why nothing can be booted. A disk whose installation was cut off
// is not booted again: the firmware goes on to what can finish it.
func (m *machine) noSlot(in slot.Installation, why error) error {
	cut := false
	for _, d := range append([]slot.Installation{in}, in.Twins...) {
		err := disk.Disarm(d.Disk)
		if err != nil && !errors.Is(err, disk.ErrNotCutOff) {
			m.log.Error("disarm the disk", "disk", d.Disk, "error", err)
		}
		cut = cut || err == nil
	}
	if !cut {
		return why
	}
	return &plan.Refusal{Reason: fmt.Sprintf("the installation on %s was cut off before its end", in.Disk),
		Remedy: "Let the machine boot from the network or from the ISO, which takes the installation up again. It does not boot from this disk any more until then"}
}

// openSlot opens the best slot that can be read: one whose signature is right
// can still be damaged.
func (m *machine) openSlot(in slot.Installation, slots []slot.Slot) (*slot.Root, error) {
	var errs []error
	for _, s := range slots {
		m.log.Info("slot chosen", "disk", s.Disk, "slot", s.Label, "version", s.Manifest.Version)
		m.console.Printf("cairn: booting version %s from %s of %s", s.Manifest.Version, s.Label, s.Disk)
		root, err := slot.Open(sysroot, s.Device, s.Manifest.Verity)
		if err == nil {
			return root, nil
		}
		m.log.Error("slot", "slot", s.Label, "error", err)
		errs = append(errs, fmt.Errorf("%s of %s: %w", s.Label, s.Disk, err))
	}
	return nil, &plan.Refusal{Reason: fmt.Sprintf("no slot of %s can be read: %v", in.Disk, errors.Join(errs...)),
		Remedy: "The disk is damaged or was changed: install this machine again, on another disk if it fails again"}
}

// mountVar mounts the data partition, and repairs it first where the kernel
// does not take it as it is.
func (m *machine) mountVar(ctx context.Context, root *slot.Root, device string) error {
	err := root.MountVar(device)
	if err == nil {
		return nil
	}
	m.log.Warn("data partition", "error", err)
	m.console.Printf("cairn: %v; repairing it", err)
	if rerr := root.Repair(ctx, device); rerr != nil {
		return &plan.Refusal{Reason: fmt.Sprintf("the data partition cannot be used: %v; its repair failed: %v", err, rerr),
			Remedy: "Boot a rescue system and look at " + device + " before anything is written to it; it holds all state of this node"}
	}
	return root.MountVar(device)
}

// installation waits for the disk and picks it.
func (m *machine) installation(ctx context.Context, named string) (slot.Installation, error) {
	var found []slot.Installation
	var picked slot.Installation
	var err error
	waitErr := m.modules.WaitDevices(ctx, devicePatience, func() bool {
		if found, err = slot.Host().Find(); err != nil || len(found) == 0 {
			return false
		}
		picked, err = slot.Pick(found, named)
		if err != nil {
			return named == ""
		}
		return picked.Whole()
	}, func(d time.Duration) {
		what := "the installed disk"
		if picked.Disk != "" {
			what = "the other disk of the mirror with " + picked.Disk
		}
		m.console.Printf("cairn: waiting for %s, for %s so far", what, d.Round(time.Second))
	})
	switch {
	case err != nil:
		return picked, err
	case waitErr != nil && picked.Disk != "" && ctx.Err() == nil:
		return picked, nil // a mirror with one disk is good enough to start
	case waitErr != nil && len(found) == 0:
		return picked, fmt.Errorf("%w (%w)", slot.ErrNone, waitErr)
	default:
		return picked, waitErr
	}
}

// readNode reads the node manifest of the system under root.
func readNode(root string) (spec.Node, error) {
	var n spec.Node
	b, err := os.ReadFile(filepath.Join(root, spec.NodeFile))
	if errors.Is(err, fs.ErrNotExist) {
		return n, &plan.Refusal{Reason: "the disk has no node manifest (" + spec.NodeFile + "): its installation was not finished",
			Remedy: "Install this machine again"}
	}
	if err != nil {
		return n, fmt.Errorf("node manifest: %w", err)
	}
	if err := json.Unmarshal(b, &n); err != nil {
		return n, fmt.Errorf("node manifest: %w", err)
	}
	return n, n.Check()
}
