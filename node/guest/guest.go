// Package guest runs guests: QEMU machines and LXC containers, both through
// libvirt, behind one small interface.
//
// A driver knows nothing of images, networks or generations: it gets a
// [Spec] that names files and NICs which are already there, and makes the
// hypervisor match it. [Memory] is a driver without hypervisor, for tests and
// for simulated nodes. All drivers pass one conformance suite.
package guest

import (
	"context"
	"errors"

	"github.com/cairn-cloud/cairn/node/spec"
)

// ErrAbsent is in the chain of an error about a guest that does not exist.
var ErrAbsent = errors.New("guest: no such guest")

// A Driver makes guests be what they have to be. Every method may be called
// again after it failed, or was cut off, at any point.
type Driver interface {
	// Start makes the guest run as s says. A guest that runs already is left
	// alone, whatever it was started with.
	Start(ctx context.Context, s Spec) error
	// Stop asks the guest to shut down and takes its power when it does not,
	// or at once when hard is set. It returns when the guest is off. A guest
	// that is off or absent is a success.
	Stop(ctx context.Context, id string, hard bool) error
	// Delete takes the guest's power and forgets it. Files stay. A guest
	// that is absent is a success.
	Delete(ctx context.Context, id string) error
	// State tells what the guest is: ErrAbsent when the driver does not know
	// it.
	State(ctx context.Context, id string) (State, error)
	// List returns the ids of all guests that the driver knows.
	List(ctx context.Context) ([]string, error)
	// About says what the driver is, or why it does not work.
	About(ctx context.Context) (spec.Hypervisor, error)
}

// A State is what a guest is right now.
type State struct {
	Running bool
	// Run tells one run of a guest from the next: it changes with every
	// start. Zero while the guest is off.
	Run int64
	// Console is the terminal where the guest's console comes out, for
	// drivers that do not write Spec.Console themselves.
	Console string
}

// A Spec says what one guest runs on. All paths are absolute.
type Spec struct {
	ID        string // UUID
	Name      string // for people
	VCPUs     int
	MemoryMiB int
	Disk      *Disk  // nil: none
	Kernel    string // direct kernel boot; empty: from Disk
	Ramdisk   string
	Args      string // of the kernel
	Root      string // directory of the container's root
	IDBase    int    // first host user and group id of the container
	NICs      []NIC
	Console   string // file that takes the console's output
}

// A Disk is the one disk of a guest. Its backing file is named here, so that
// no hypervisor has to look for one in the disk itself.
type Disk struct {
	Path          string
	Format        string // qcow2 or raw
	Backing       string // empty: none
	BackingFormat string
}

// A NIC is one network interface of a guest.
type NIC struct {
	Device string // name of the host's end
	Bridge string // that the host's end belongs to
	MAC    string
	MTU    int // 0: the driver's default
}
