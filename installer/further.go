package installer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/installer/disk"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/slot"
	"github.com/cairn-cloud/cairn/installer/vault"
	"github.com/cairn-cloud/cairn/node/spec"
)

// Where an installed system has its further disks: a list, and the directory
// that they are mounted in by their names.
const (
	furtherFile = spec.StateDir + "/disks.json"
	furtherDir  = spec.StateDir + "/disks"
)

// A furtherDisk is one for data of a role, as the node knows it.
type furtherDisk struct {
	Name string `json:"name"` // its use and a number: volumes-1
	Use  string `json:"use"`
	GUID string `json:"guid"` // of its partition table
}

// partitionData makes the tables of the disks for data.
func (j *job) partitionData() error {
	for _, d := range j.plan.Data {
		w := &writer{plan: plan.Plan{Disk: d.Disk, Partitions: plan.DataLayout(d.Disk.Size)}, phases: j.phases}
		if err := w.with(w.partition); err != nil {
			return err
		}
	}
	return nil
}

// completeData is for when the system is complete: from then on the disks for
// data hold something.
func (j *job) completeData() error {
	for _, d := range j.plan.Data {
		if err := disk.Complete(d.Disk.Path); err != nil {
			return err
		}
	}
	return nil
}

// makeFurther makes the file systems of the disks for data, and the list of
// them.
func (j *job) makeFurther(ctx context.Context, root *slot.Root, data *vault.Volume) error {
	if len(j.plan.Data) == 0 {
		return nil
	}
	var list []furtherDisk
	count := map[string]int{}
	for _, d := range j.plan.Data {
		count[d.Use]++
		f := furtherDisk{Name: fmt.Sprintf("%s-%d", d.Use, count[d.Use]), Use: d.Use}
		var err error
		if f.GUID, err = slot.DiskGUID(d.Disk.Path); err != nil {
			return err
		}
		if err := j.makeFileSystem(ctx, root, data, f); err != nil {
			return fmt.Errorf("disk %s for %s: %w", d.Disk.Path, d.Use, err)
		}
		list = append(list, f)
	}
	b, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return fmt.Errorf("list of disks: %w", err)
	}
	file := filepath.Join(root.Dir, furtherFile)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("list of disks: %w", err)
	}
	return writeSynced(file, append(b, '\n'), 0o644)
}

func (j *job) makeFileSystem(ctx context.Context, root *slot.Root, data *vault.Volume, d furtherDisk) (err error) {
	parts, err := waitFurther(ctx, []furtherDisk{d})
	if err != nil {
		return err
	}
	m, err := data.MakeFurther("cairn-"+d.Name, parts[d.GUID].Part)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	began := time.Now()
	if err := root.Run(ctx, "/usr/sbin/mkfs.ext4", "-q", "-F", "-m", "0", "-L", "cairn-"+d.Name, "-E", lazily, m.Path); err != nil {
		return err
	}
	j.log.Info("file system of a further disk made", "name", d.Name, "after", time.Since(began))
	return syncFile(m.Path)
}

// syncFile waits until what was written to a device is on it.
func syncFile(path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Sync()
}

// waitFurther waits until the kernel shows the partitions of new disks.
func waitFurther(ctx context.Context, list []furtherDisk) (map[string]slot.FurtherDisk, error) {
	for end := time.Now().Add(partitionPatience); ; {
		parts, err := slot.Host().Further()
		if err != nil || allThere(parts, list) {
			return parts, err
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("its new partition does not appear")
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func allThere(parts map[string]slot.FurtherDisk, list []furtherDisk) bool {
	for _, d := range list {
		if parts[d.GUID].Part == "" {
			return false
		}
	}
	return true
}

// mountFurther mounts the disks for data below the root. A node starts without
// one that is gone or damaged: what needs it says so, and the rest goes on.
func (m *machine) mountFurther(ctx context.Context, root *slot.Root, data *vault.Volume) error {
	b, err := os.ReadFile(filepath.Join(root.Dir, furtherFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var list []furtherDisk
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		return fmt.Errorf("list of disks: %w", err)
	}
	var parts map[string]slot.FurtherDisk
	err = m.modules.WaitDevices(ctx, devicePatience, func() bool {
		var err error
		parts, err = slot.Host().Further()
		return err == nil && allThere(parts, list)
	}, func(d time.Duration) {
		m.console.Printf("cairn: waiting for the disks for data, for %s so far", d.Round(time.Second))
	})
	if err != nil {
		m.log.Warn("disks for data", "error", err)
	}
	var there []string
	for _, d := range list {
		if err := m.mountOne(ctx, root, data, d, parts[d.GUID]); err != nil {
			m.log.Error("disk for data", "name", d.Name, "guid", d.GUID, "error", err)
			m.console.Printf("cairn: the disk for %s (%s) is not there: %v", d.Use, d.Name, err)
			if err := root.Bar(filepath.Join(furtherDir, d.Name)); err != nil {
				return err
			}
			continue
		}
		there = append(there, d.Name)
	}
	if len(there) > 0 {
		m.console.Printf("cairn: disks for data: %s", strings.Join(there, ", "))
	}
	return nil
}

func (m *machine) mountOne(ctx context.Context, root *slot.Root, data *vault.Volume, d furtherDisk, on slot.FurtherDisk) error {
	if on.Part == "" {
		return fmt.Errorf("no disk has the id %s; plug it in and restart the machine", d.GUID)
	}
	if err := disk.Complete(on.Disk); err != nil { // its installation was cut off behind its end
		return err
	}
	opened, err := data.OpenFurther("cairn-"+d.Name, on.Part)
	if err != nil {
		return err
	}
	at := filepath.Join(furtherDir, d.Name)
	if err := root.MountFurther(opened.Path, at); err != nil {
		m.log.Warn("disk for data", "name", d.Name, "error", err)
		m.console.Printf("cairn: %v; repairing it", err)
		if rerr := root.Repair(ctx, opened.Path); rerr != nil {
			return errors.Join(err, rerr, opened.Close())
		}
		if err := root.MountFurther(opened.Path, at); err != nil {
			return errors.Join(err, opened.Close())
		}
	}
	m.log.Info("disk for data", "name", d.Name, "device", on.Part)
	return nil
}
