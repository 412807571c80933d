package installer

import (
	"context"
	"errors"
	"fmt"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/disk"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/source"
	"github.com/cairn-cloud/cairn/installer/swarm"
)

// A writer brings a release onto a disk, but for what makes it bootable.
type writer struct {
	plan    plan.Plan
	release *source.Release
	phases  *phases
	resume  bool
	from    disk.Chunks  // the release, or the disk that it was written to first
	target  *disk.Target // inside with
	swarm   *swarm.Swarm // others that install; nil: none
}

// with holds the disk while it does something. What the kernel has assembled
// of what was on it would hold it too.
func (w *writer) with(do func() error) (err error) {
	if err := disk.Release("/sys", w.plan.Disk.Path); err != nil {
		return err
	}
	if w.target, err = disk.Open(w.plan.Disk.Path); err != nil {
		return err
	}
	return errors.Join(do(), w.target.Close())
}

func (w *writer) partition() error {
	w.phases.begin(phasePartition, w.plan.Disk.Path)
	if _, err := w.target.Partition(w.plan.Partitions); err != nil {
		return err
	}
	return w.target.Reread()
}

// copies are the files that go to partitions as they are.
func (w *writer) copies() ([]disk.Copy, error) {
	var out []disk.Copy
	for _, p := range w.plan.Partitions {
		if p.File == "" || p.File == manifest.BIOSBoot {
			continue
		}
		f, err := w.release.Manifest.File(p.File)
		if err != nil {
			return nil, err
		}
		c := disk.Copy{File: f, At: p.Start, Room: p.Size, Resume: w.resume, Again: w.again}
		if p.Label == plan.LabelSlotA {
			c.Room -= manifest.FooterSize
		}
		w.shared(&c)
		out = append(out, c)
	}
	return out, nil
}

// again says that a chunk is not what it should be.
func (w *writer) again(why error) { w.phases.print("%v; fetching it again", why) }

func (w *writer) write(ctx context.Context) error {
	detail := "version " + w.release.Manifest.Version + " from " + w.release.Name()
	if w.swarm != nil {
		detail += " and from other machines"
	} else if w.from != disk.Chunks(w.release) {
		detail = "the same on " + w.plan.Disk.Path
	}
	if w.resume {
		detail += ", keeping what is right on the disk"
	}
	w.phases.begin(phaseWrite, detail)
	if err := w.each(ctx, func(ctx context.Context, c disk.Copy) error { return w.target.Write(ctx, w.from, c) }); err != nil {
		return err
	}
	w.fetched()
	if err := w.bootCode(ctx); err != nil {
		return err
	}
	return w.target.Sync()
}

func (w *writer) verify(ctx context.Context) error {
	w.phases.begin(phaseVerify, "reading back from "+w.plan.Disk.Path)
	return w.each(ctx, func(ctx context.Context, c disk.Copy) error { return w.target.Verify(ctx, w.from, c) })
}

// each does something with every copy, and shows progress over all of them.
func (w *writer) each(ctx context.Context, do func(context.Context, disk.Copy) error) error {
	all, err := w.copies()
	if err != nil {
		return err
	}
	var before, total int64
	for _, c := range all {
		total += c.File.Size
	}
	for _, c := range all {
		c.Progress = func(done int64) { w.phases.move(before+done, total) }
		if err := do(ctx, c); err != nil {
			return err
		}
		before += c.File.Size
	}
	return nil
}

// bootCode writes what a BIOS starts from.
func (w *writer) bootCode(ctx context.Context) error {
	boot, err := w.release.File(ctx, manifest.BootCode)
	if err != nil {
		return err
	}
	core, err := w.release.File(ctx, manifest.BIOSBoot)
	if err != nil {
		return err
	}
	p, ok := w.plan.Partition(plan.LabelBIOS)
	if !ok {
		return fmt.Errorf("the plan has no partition %s", plan.LabelBIOS)
	}
	return w.target.WriteBootCode(boot, core, p.Start, p.Size)
}

// finish makes the slot bootable.
func (w *writer) finish(stamp string) error {
	bios, _ := w.plan.Partition(plan.LabelBIOS)
	slotA, ok := w.plan.Partition(plan.LabelSlotA)
	if !ok {
		return fmt.Errorf("the plan has no partition %s", plan.LabelSlotA)
	}
	if stamp != "" {
		if err := w.target.WriteStamp(stamp, bios.Start, bios.Size); err != nil {
			return err
		}
	}
	footer, err := manifest.Footer(w.release.Raw, w.release.Signature)
	if err != nil {
		return err
	}
	return w.target.WriteFooter(footer, slotA.Start, slotA.Size)
}
