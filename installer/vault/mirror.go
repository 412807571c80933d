package vault

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/raid"
)

// arrayNumber is that of the mirror: /dev/md0. A node has no other one.
const arrayNumber = 0

// mirror makes a new mirror of the partitions and starts it.
func (v *Volume) mirror(parts []string) error {
	if err := formatMirror(parts); err != nil {
		return err
	}
	return v.assemble(parts)
}

func formatMirror(parts []string) (err error) {
	o := raid.Options{Name: plan.LabelData, Now: time.Now()}
	var files []*os.File
	var to []io.WriterAt
	defer func() {
		for _, f := range files {
			err = errors.Join(err, f.Close())
		}
	}()
	for _, p := range parts {
		f, err := os.OpenFile(p, os.O_RDWR|unix.O_EXCL, 0)
		if err != nil {
			return fmt.Errorf("mirror: %w", err)
		}
		files, to = append(files, f), append(to, f)
		size, err := f.Seek(0, io.SeekEnd)
		if err != nil {
			return fmt.Errorf("mirror: %s: %w", p, err)
		}
		if o.Size == 0 || size < o.Size {
			o.Size = size
		}
	}
	if _, err := raid.Format(to, o); err != nil {
		return err
	}
	for _, f := range files {
		if err := f.Sync(); err != nil {
			return fmt.Errorf("mirror: %s: sync: %w", f.Name(), err)
		}
	}
	return nil
}

// assemble starts the mirror of the partitions, if they are one.
func (v *Volume) assemble(parts []string) error {
	if _, err := raid.ReadFile(parts[0]); len(parts) == 1 && errors.Is(err, raid.ErrNone) {
		return nil
	}
	h, err := raid.Look(parts)
	if err == nil {
		v.array, err = raid.Assemble(arrayNumber, h)
	}
	if err != nil {
		return &plan.Refusal{Reason: fmt.Sprintf("the mirror with the data cannot be started: %v", err),
			Remedy: "Look whether both disks are plugged in and answer; the machine starts with one of them too, if you pull the one that is damaged"}
	}
	v.Path, v.Halves = v.array, &h
	return nil
}

// Notes say what a person should know of the mirror, or nothing.
func (v *Volume) Notes() []string {
	h := v.Halves
	if h == nil {
		return nil
	}
	var out []string
	if n := h.Missing(); n > 0 {
		out = append(out, "the mirror lacks a disk: the data are on "+h.Current[0]+" alone. Put the disk back, or install this machine again on two")
	}
	for _, p := range h.Stale {
		out = append(out, "the mirror's part on "+p+" was away and is brought up to date now; until it is, the data are on "+h.Current[0]+" alone (/proc/mdstat says how far it is)")
	}
	for _, p := range h.Apart {
		out = append(out, "the mirror's part on "+p+" has data of its own, since the machine was started from each disk alone. What is on "+h.Current[0]+
			" counts; pull that disk and start again to see the other's, and clear the one that you do not want")
	}
	return out
}
