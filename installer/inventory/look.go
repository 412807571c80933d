package inventory

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/cairn-cloud/cairn/installer/disk"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// look says what is on the disk. One that cannot be read, or not in time,
// counts as full: a disk is wiped only when it is known what is lost.
func (h Host) look(d *plan.Disk) {
	size := d.Size
	c, ok := within(h.patience(), func() disk.Contents {
		f, err := os.Open(filepath.Join(h.Dev, filepath.Base(d.Path)))
		if err != nil {
			return disk.Contents{Words: []string{"unknown, it cannot be opened: " + err.Error()}}
		}
		defer f.Close()
		return disk.Look(f, size)
	})
	if !ok {
		c.Words = []string{fmt.Sprintf("unknown, it cannot be read: there was no answer for %s", h.patience())}
	}
	d.Contents, d.Installed, d.Unfinished, d.Stamp = c.Words, c.Installed, c.Unfinished, c.Stamp
	d.ForData = c.ForData
}

// health asks the disk how it is. One that does not say, or not in time, has
// none.
func (h Host) health(d *plan.Disk) {
	if h.Health == nil {
		return
	}
	path, bus := filepath.Join(h.Dev, filepath.Base(d.Path)), d.Bus
	d.Health, _ = within(h.patience(), func() *plan.Health {
		health, err := h.Health(path, bus)
		if err != nil {
			return nil
		}
		return health
	})
}
