package installer

import (
	"github.com/cairn-cloud/cairn/installer/disk"
)

// writers are those of all disks that the system is written to: of one, or of
// two that each start the machine alone.
type writers struct {
	list []*writer
	twin *disk.Twin // nil: there is one disk
}

// writers prepares them. The second disk is written from the first.
func (j *job) writers() (writers, error) {
	var all writers
	for i, d := range j.plan.Disks() {
		w := &writer{plan: j.plan, release: j.release, phases: j.phases, resume: d.Unfinished, from: j.release}
		w.plan.Disk = d
		if i > 0 {
			copies, err := w.copies()
			if err != nil {
				return all, err
			}
			if all.twin, err = disk.OpenTwin(j.plan.Disk.Path, copies, j.release); err != nil {
				return all, err
			}
			w.from = all.twin
		}
		all.list = append(all.list, w)
	}
	return all, nil
}

// each does something with one disk after the other, held. It ends with the
// first that fails.
func (a writers) each(do func(*writer) error) error {
	for _, w := range a.list {
		if err := w.with(func() error { return do(w) }); err != nil {
			return err
		}
	}
	return nil
}

func (a writers) close() error {
	if a.twin == nil {
		return nil
	}
	return a.twin.Close()
}
