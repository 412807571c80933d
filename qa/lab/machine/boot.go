package machine

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Boot is a kind of device that a machine may boot.
type Boot string

// What a machine may boot. BootSetup is the order that its Spec says.
const (
	BootSetup   Boot = ""
	BootNetwork Boot = "network"
	BootDisk    Boot = "disk"
	BootCD      Boot = "cd"
)

// BootNext says what the machine tries first at its next power-on or reset by
// us, and then no more: restarts of its own go by its setup.
func (m *Machine) BootNext(b Boot) error {
	if b != BootSetup && !slices.ContainsFunc(m.spec.bootable(), func(d device) bool { return d.kind == b }) {
		return fmt.Errorf("machine %s: boot %s next: it has no such device that it boots from", m.spec.Name, b)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next = b
	return nil
}

// A device is one that the machine may boot.
type device struct {
	id    string // QEMU's
	kind  Boot
	index int // boot index, from 1
}

// bootable are the devices that the machine tries.
func (s *Spec) bootable() []device {
	var all []device
	for i, n := range s.NICs {
		all = append(all, device{nicID(i), BootNetwork, n.BootIndex})
	}
	for i, d := range s.Disks {
		all = append(all, device{diskID(i), BootDisk, d.BootIndex})
	}
	for i, c := range s.CDROMs {
		all = append(all, device{cdID(i), BootCD, c.BootIndex})
	}
	return slices.DeleteFunc(all, func(d device) bool { return d.index == 0 })
}

func nicID(i int) string  { return fmt.Sprintf("nic%d", i) }
func diskID(i int) string { return fmt.Sprintf("hd%d", i) }
func cdID(i int) string   { return fmt.Sprintf("cdrom%d", i) }

// later is what a boot index grows by when a device of another kind goes
// first.
const later = 100

// first is the Spec with devices of one kind before all others.
func (s Spec) first(b Boot) Spec {
	if b == BootSetup {
		return s
	}
	put := func(kind Boot, index *int) {
		if kind != b && *index != 0 {
			*index += later
		}
	}
	s.NICs, s.Disks, s.CDROMs = slices.Clone(s.NICs), slices.Clone(s.Disks), slices.Clone(s.CDROMs)
	for i := range s.NICs {
		put(BootNetwork, &s.NICs[i].BootIndex)
	}
	for i := range s.Disks {
		put(BootDisk, &s.Disks[i].BootIndex)
	}
	for i := range s.CDROMs {
		put(BootCD, &s.CDROMs[i].BootIndex)
	}
	return s
}

// restore puts the order of the setup back: firmware reads it at the next
// reset. No two devices may have one index at any time.
func (r *run) restore(ctx context.Context, s *Spec) error {
	for _, index := range []func(device) int{func(device) int { return -1 }, func(d device) int { return d.index }} {
		for _, d := range s.bootable() {
			args := map[string]any{"path": "/machine/peripheral/" + d.id, "property": "bootindex", "value": index(d)}
			if err := r.control.do(ctx, "qom-set", args, nil); err != nil {
				return fmt.Errorf("boot order of %s: %w", d.id, err)
			}
		}
	}
	return nil
}

// Insert puts the image of a disc into a CD-ROM, counted from 0; empty takes
// out what is in it.
func (m *Machine) Insert(ctx context.Context, drive int, file string) error {
	if drive < 0 || drive >= len(m.spec.CDROMs) {
		return fmt.Errorf("machine %s: CD-ROM %d; it has %d", m.spec.Name, drive, len(m.spec.CDROMs))
	}
	m.mu.Lock()
	m.spec.CDROMs[drive].File = file
	m.mu.Unlock()
	command, args := "blockdev-change-medium", map[string]any{"id": cdID(drive), "filename": file, "format": "raw"}
	if file == "" {
		command, args = "eject", map[string]any{"id": cdID(drive), "force": true}
	}
	if err := m.do(ctx, command, args); err != nil && !errors.Is(err, errOff) {
		return err
	}
	return nil
}
