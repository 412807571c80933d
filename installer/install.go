package installer

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/cairn-cloud/cairn/installer/inventory"
	"github.com/cairn-cloud/cairn/installer/network"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/slot"
	"github.com/cairn-cloud/cairn/installer/source"
	"github.com/cairn-cloud/cairn/installer/vault"
)

// An origin is who decides about an installation: the person who wrote
// rack.yaml, on the first machine, or the deployer on every other one.
type origin interface {
	// Plan decides, or refuses with a [plan.Refusal]. again takes the inventory
	// anew, where what decides wants that.
	Plan(ctx context.Context, inv plan.Inventory, again func() plan.Inventory) (plan.Plan, error)
	// Progress passes a report on; a lost one does no harm.
	Progress(ctx context.Context, p plan.Progress)
	// Keeper hands keys of encrypted data to the deployer; nil: nobody keeps
	// them for this machine.
	Keeper(p plan.Plan) func(context.Context, vault.Keys) ([]byte, error)
	// Identity makes the machine a member of its cluster.
	Identity(ctx context.Context, p plan.Plan) (identity, error)
	// Share is how machines that install give each other chunks of the image;
	// nil: this one installs alone.
	Share() *sharer
	// Place is where the release is.
	Place() source.Place
	// Medium is the disk that we install from, or empty.
	Medium() string
	// Stamp names an unattended installation from a medium, or is empty.
	Stamp(r *source.Release) string
}

// linkPatience is how long network cards may take to find their link.
const linkPatience = 6 * time.Second

// install installs the machine and starts what it installed. It returns only
// on failure.
func (m *machine) install(ctx context.Context) error {
	m.doing = "preparing to install"
	keys, err := slot.ReadKeys(slot.KeysFile)
	if err != nil {
		return err
	}
	m.modules.Coldplug("/sys")
	if err := network.LinksUp(ctx, linkPatience); err != nil {
		m.log.Warn("links", "error", err)
	}
	host := m.look()
	inv := host.Collect("", m.bootMAC())
	from, err := m.origin(ctx, inv)
	if person := (*askError)(nil); errors.As(err, &person) {
		return m.ask(ctx, person, host, keys)
	}
	if err != nil {
		return err
	}
	host.LLDPWait = m.lldpWait(patienceFor(from))
	job := &job{from: from, host: host, keys: keys, log: m.log, print: m.console.Printf, doing: func(s string) { m.doing = s }}
	err = job.run(ctx, m.bootMAC())
	if stamped := (*installedError)(nil); errors.As(err, &stamped) {
		m.console.Printf("cairn: %v", err)
		return m.bootDisk(ctx, stamped.disk)
	}
	if err != nil {
		from.Progress(ctx, plan.Progress{Phase: phaseFailed, Detail: err.Error()})
		return err
	}
	return m.handover(job)
}

// bootMAC is the NIC that the machine booted from, or empty.
func (m *machine) bootMAC() string {
	word := m.params.Get(plan.ParamBootIf)
	if word == "" {
		return ""
	}
	mac, err := network.ParseBootIf(word)
	if err != nil {
		m.log.Warn("kernel line", "error", err)
		return ""
	}
	return mac
}

// A job is one installation, from the inventory to a slot that can boot. It
// uses the kernel, and nothing of the first process.
type job struct {
	from  origin
	host  inventory.Host
	keys  []ed25519.PublicKey
	log   *slog.Logger
	print func(format string, args ...any)
	doing func(what string)

	release *source.Release
	plan    plan.Plan
	phases  *phases
}

// An installedError says that the medium finds its own installation.
type installedError struct{ disk string }

func (e *installedError) Error() string {
	return fmt.Sprintf("%s was installed from this medium with this rack.yaml already: booting it. "+
		"To install it again, change rack.yaml (a comment will do) and allow to wipe it", e.disk)
}

func (j *job) run(ctx context.Context, bootMAC string) error {
	j.doing("reading the release")
	var err error
	if j.release, err = source.Open(ctx, j.from.Place(), j.keys, j.print, j.log); err != nil {
		return err
	}
	j.doing("deciding what to do")
	inv := j.host.Collect(j.from.Medium(), bootMAC)
	stamp := j.from.Stamp(j.release)
	if i := slices.IndexFunc(inv.Disks, func(d plan.Disk) bool { return stamp != "" && d.Stamp == stamp && !d.Unfinished }); i >= 0 {
		return &installedError{inv.Disks[i].Path}
	}
	again := func() plan.Inventory {
		inv = j.host.Collect(j.from.Medium(), bootMAC)
		return inv
	}
	if j.plan, err = j.from.Plan(ctx, inv, again); err != nil {
		return err
	}
	if j.plan.Version == "" {
		j.plan.Version = j.release.Manifest.Version
	}
	if j.plan.Version != j.release.Manifest.Version {
		return fmt.Errorf("the plan is for version %s, and the release at %s is %s", j.plan.Version, j.release.Name(), j.release.Manifest.Version)
	}
	if err := stillSame(inv, j.plan); err != nil {
		return err
	}
	j.print("\n%s", j.plan)
	j.phases = newPhases(j.print, func(p plan.Progress) { j.from.Progress(ctx, p) })
	return j.carryOut(ctx, stamp)
}

// stillSame checks that the plan speaks of disks that are here, of that size
// and serial number, each once: it may come from elsewhere.
func stillSame(inv plan.Inventory, p plan.Plan) error {
	all := p.Disks()
	for _, d := range p.Data {
		all = append(all, d.Disk)
	}
	for n, d := range all {
		i := slices.IndexFunc(inv.Disks, func(o plan.Disk) bool { return o.Path == d.Path })
		if i < 0 || inv.Disks[i].Size != d.Size || inv.Disks[i].Serial != d.Serial {
			return fmt.Errorf("the plan is for disk %s, which is not in this machine", d)
		}
		if inv.Disks[i].ReadOnly || inv.Disks[i].Medium {
			return fmt.Errorf("the plan is for disk %s, which cannot be written: it is %s", d, inv.Disks[i])
		}
		if slices.ContainsFunc(all[:n], func(o plan.Disk) bool { return o.Path == d.Path }) {
			return fmt.Errorf("the plan has disk %s twice", d)
		}
	}
	return nil
}

// carryOut does what the plan says. The footer comes last: before it nothing
// of this can be booted.
func (j *job) carryOut(ctx context.Context, stamp string) (err error) {
	j.doing("installing on " + j.plan.Disk.String())
	if err := vault.Check(j.plan, j.from.Keeper(j.plan) != nil); err != nil {
		return err
	}
	all, err := j.writers()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, all.close()) }()
	// Data of an installation that is no more come after its slots.
	if err := all.each((*writer).partition); err != nil {
		return err
	}
	if err := j.partitionData(); err != nil {
		return err
	}
	stop, err := j.share(ctx, all.list[0])
	if err != nil {
		return err
	}
	defer stop()
	if err := all.each(func(w *writer) error { return w.write(ctx) }); err != nil {
		return err
	}
	if err := all.each(func(w *writer) error { return w.verify(ctx) }); err != nil {
		return err
	}
	// The kernel does not open a partition of a disk that is held whole.
	if err := j.configure(ctx); err != nil {
		return err
	}
	if err := all.each(func(w *writer) error { return w.finish(stamp) }); err != nil {
		return err
	}
	return j.completeData()
}
