package agent

import (
	"context"
	"log/slog"
	"time"

	"github.com/cairn-cloud/cairn/node/bus"
	"github.com/cairn-cloud/cairn/node/guest"
	"github.com/cairn-cloud/cairn/node/spec"
	"github.com/cairn-cloud/cairn/node/vswitch"
)

// Needs is what an agent works with.
type Needs struct {
	Bus     bus.Node
	Drivers map[spec.Driver]guest.Driver
	Network Network
	Store   Store
	Self    Self
	Log     *slog.Logger
}

// A Network joins guests to project networks. All methods are idempotent.
type Network interface {
	// Restore makes the wirings given, of guests that may be running, all
	// that there are.
	Restore(ctx context.Context, all []Wiring) error
	// Connect is called before a guest starts and whenever its ports may have
	// changed. When it returns, the ports' rules are in force, and NICs that
	// exist are in their networks.
	Connect(ctx context.Context, w Wiring) error
	// Disconnect leaves nothing of a guest's ports.
	Disconnect(ctx context.Context, guest string) error
	// Checks says whether the network side of the host is in order.
	Checks(ctx context.Context) []spec.Check
}

// A Wiring is how one guest is joined to networks.
type Wiring = vswitch.Wiring

// A Store keeps what guests run from. All methods are idempotent.
type Store interface {
	// Prepare fetches and makes what the guest boots from, and fills in the
	// files of s. It calls step with a word for what is under way.
	Prepare(ctx context.Context, g spec.Guest, s *guest.Spec, step func(string)) error
	// Console is the file that takes the console's output of a guest.
	Console(id string) string
	// Remove leaves nothing of a guest's files.
	Remove(ctx context.Context, id string) error
	// Forget removes images that are not in keep and that no guest was made
	// from since before. It returns how many bytes that has freed.
	Forget(ctx context.Context, keep []spec.Image, before time.Time) (int64, error)
}

// A Self tells what the node says of itself in heartbeats: name, version,
// capacity, load and checks of its own.
type Self interface {
	Describe(ctx context.Context) spec.Heartbeat
}

// Options are what can be chosen about an agent.
type Options struct {
	StateDir string // records are kept there; made if absent
	// Boot tells one start of the machine from the next.
	Boot   string
	Bridge string // for the NICs of guests
	// Poll is how often a guest is looked at without a reason, Beat how often
	// the node says that it lives. Zero: ten seconds.
	Poll, Beat time.Duration
	// Sweep is how often images are looked for that no guest needs. Zero: an
	// hour. Unused is how long one is kept then, for the next guest of it.
	// Zero: a day.
	Sweep, Unused time.Duration
	// Failpoint is called between steps; an error ends the step there. For
	// tests: nil otherwise.
	Failpoint func(name string) error
}

// defaultPeriod is that of Poll and Beat.
const defaultPeriod = 10 * time.Second

func (o *Options) setDefaults() {
	if o.Poll == 0 {
		o.Poll = defaultPeriod
	}
	if o.Beat == 0 {
		o.Beat = defaultPeriod
	}
	if o.Sweep == 0 {
		o.Sweep = time.Hour
	}
	if o.Unused == 0 {
		o.Unused = 24 * time.Hour
	}
	if o.Failpoint == nil {
		o.Failpoint = func(string) error { return nil }
	}
}
