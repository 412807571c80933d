package installer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/cairn-cloud/cairn/installer/initrd"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/node/spec"
)

// Hooks are what the first process needs of parts that it does not import.
type Hooks struct {
	// Render renders /etc of the node below root, before systemd starts.
	Render func(ctx context.Context, root string, node spec.Node, log *slog.Logger) error
}

// A machine is the one that this process is the first of.
type machine struct {
	hooks   Hooks
	console *initrd.Console
	log     *slog.Logger
	params  initrd.Params
	modules *initrd.Modules
	doing   string // for the failure block: what is under way
}

// modes are the values of cairn.mode.
const (
	modeBoot      = "boot"
	modeInstall   = "install"
	modeInventory = "inventory"
	modeIdle      = "idle"
)

// Init is PID 1 of the initramfs. It does not return: it ends in another
// program, another kernel, or a restart of the machine.
func Init(ctx context.Context, hooks Hooks) {
	m := &machine{hooks: hooks, doing: "starting"}
	err := m.guarded(ctx)
	m.fail(err)
}

// guarded turns a fault of the program into an error: a person at a console
// is not helped by a trace, the log keeps it.
func (m *machine) guarded(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("fault in the program: %v", r)
			if m.log != nil {
				m.log.Error("fault", "value", r, "stack", string(debug.Stack()))
			}
		}
	}()
	return m.run(ctx)
}

func (m *machine) run(ctx context.Context) error {
	if err := initrd.MountKernel(); err != nil {
		return err
	}
	m.console = initrd.OpenConsoles()
	m.log = m.console.Logger()
	var err error
	if m.params, err = initrd.ReadParams(); err != nil {
		return err
	}
	if m.modules, err = initrd.OpenModules(m.log); err != nil {
		return err
	}
	m.doing = "loading drivers"
	// The kernel would ask a modprobe for the ciphers; there is none here.
	if err := m.modules.Load("crypto-sha256", "crypto-crc32c", "crypto-xts", "dm-mod", "dm-verity", "dm-crypt", "raid1", "erofs", "overlay", "ext4"); err != nil {
		return err
	}
	n := m.modules.Coldplug("/sys")
	m.log.Info("drivers loaded", "devices", n)
	switch mode := m.params.Get(plan.ParamMode); mode {
	case "", modeBoot:
		return m.boot(ctx)
	case modeInstall:
		return m.install(ctx)
	case modeInventory:
		return m.inventory(ctx)
	case modeIdle:
		m.console.Printf("cairn: idle, as %s says", plan.ParamMode)
		<-ctx.Done()
		return ctx.Err()
	default:
		return fmt.Errorf("%s is %q; allowed: %s, %s, %s, %s", plan.ParamMode, mode, modeBoot, modeInstall, modeInventory, modeIdle)
	}
}

// errPower is what is left when the machine cannot even be restarted.
var errPower = errors.New("the machine does not restart")

// idle keeps the first process alive: the kernel panics when it ends.
func idle() {
	for {
		time.Sleep(time.Hour)
	}
}
