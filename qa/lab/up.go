package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/mattn/go-isatty"
)

type upCommand struct {
	place
	ISO      string        `help:"The ISO that the controller boots." default:"out/cairn.iso" type:"path"`
	Guest    string        `help:"Directory of the guest images." default:"out/guest" type:"path"`
	Computes int           `help:"How many compute nodes." default:"2"`
	Rack     string        `help:"A rack of machines that are not alike, instead of computes: odd." placeholder:"NAME"`
	Shapes   string        `help:"Such a rack from a file." type:"existingfile" placeholder:"FILE"`
	Firmware []string      `help:"Firmware of the machines, controller first, repeated as needed: bios or uefi." default:"bios,bios,uefi"`
	Memory   int           `help:"Memory of the controller, MiB." default:"3584"`
	Compute  int           `help:"Memory of each compute node, MiB." default:"2048"`
	Disk     int           `help:"Size of each disk, GiB; files are sparse." default:"16"`
	API      int           `help:"Port of 127.0.0.1 for the API; another one when it is taken." default:"8443"`
	SSH      int           `name:"ssh-port" help:"Port of 127.0.0.1 for the controller's SSH; another one when it is taken." default:"8022"`
	From     string        `help:"Go on with the rack that is up: from its computes or its servers." enum:"start,computes,servers" default:"start"`
	Until    string        `help:"Stop early: controller (its API answers), computes (all are ready), servers (all checks)." enum:"controller,computes,servers" default:"servers"`
	Accel    string        `help:"What runs the machines of a new rack: auto takes KVM where a kernel has been seen to run under it, else TCG." enum:"auto,kvm,tcg" default:"auto"`
	Guests   string        `help:"What the servers are: auto makes all of them QEMU guests where the computes have KVM, else one." enum:"auto,qemu" default:"auto"`
	Stall    time.Duration `help:"A machine that does nothing for so long is stuck." default:"10m"`
	BMC      bool          `name:"bmc" help:"Give every machine a BMC, which the deployer switches it by."`
	Capture  bool          `help:"Capture on every port from the start."`
	Keep     bool          `help:"Leave the rack up when it fails or is interrupted."`
}

// Run takes a rack from powered-off machines to running servers.
func (c *upCommand) Run(ctx context.Context, log *slog.Logger) error {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	run, err := c.resume()
	if err != nil {
		return err
	}
	r := &rack{
		dir: c.Dir, client: newClient(c.Dir), log: log, stall: c.Stall, began: time.Now().Add(-run.length()), run: run,
		view: newView(os.Stdout, isatty.IsTerminal(os.Stdout.Fd())),
	}
	err = c.way(ctx, r)
	if err == nil {
		return nil
	}
	r.fail(err)
	err = fmt.Errorf("the rack did not come up: %w", err) // again, below all that fail has shown
	if c.Keep {
		return err
	}
	down, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return errors.Join(err, stopSupervisor(down, c.Dir))
}

// fail tells why a rack did not come up and where more is to be found.
func (r *rack) fail(reason error) {
	r.view.say("FAILED: %v", reason)
	// The context may be the reason; a bundle is wanted all the same.
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := r.keep(ctx); err != nil {
		r.view.say("times: %v", err)
	}
	fmt.Fprint(r.view.out, r.run.timetable())
	if r.config == nil {
		return
	}
	file, err := r.bundle(ctx)
	if err != nil {
		r.view.say("support bundle: %v", err)
	}
	if file != "" {
		r.view.say("support bundle: %s", file)
	}
}

// Steps of the way that others refer to.
const (
	stepController = "controller: from the ISO to an API that answers"
	stepComputes   = "computes: from the network to ready"
)

// resume is the run so far, up to where this command goes on.
func (c *upCommand) resume() (*Run, error) {
	if c.From == "start" {
		return &Run{}, nil
	}
	run, err := loadRun(c.Dir)
	if err != nil {
		return nil, err
	}
	run.rewind(map[string]string{"computes": stepController, "servers": stepComputes}[c.From])
	return run, nil
}

// way is the whole way, step by step.
func (c *upCommand) way(ctx context.Context, r *rack) (err error) {
	if c.From == "start" {
		if err := r.step(ctx, "prepare", func() error { return c.prepare(ctx, r) }); err != nil {
			return err
		}
		if err := r.step(ctx, stepController, func() error { return r.bootController(ctx) }); err != nil {
			return err
		}
	} else if r.config, err = loadConfig(c.Dir); err != nil {
		return err
	}
	if c.Until == "controller" {
		return r.done(ctx)
	}
	if c.From != "servers" {
		boot := r.bootComputes
		if r.config.Shaped {
			boot = r.bootShapes
		}
		if err := r.step(ctx, stepComputes, func() error { return boot(ctx) }); err != nil {
			return err
		}
	}
	if c.Until == "computes" {
		return r.done(ctx)
	}
	if err := r.tryCloud(ctx, c.Guest, c.Guests); err != nil {
		return err
	}
	return r.done(ctx)
}

// bootController powers the controller on and waits for its API.
func (r *rack) bootController(ctx context.Context) error {
	if err := r.client.power(ctx, controllerName, "on"); err != nil {
		return err
	}
	err := r.wait(ctx, waiting{
		what: "the controller takes SSH", machines: []string{controllerName},
		done: func(ctx context.Context) (string, bool, error) { return r.tryCA(ctx) },
	})
	if err != nil {
		return err
	}
	return r.wait(ctx, waiting{
		what: "the API answers", machines: []string{controllerName},
		done: func(ctx context.Context) (string, bool, error) { return r.tryAPI(ctx) },
	})
}

// done prints how it went.
func (r *rack) done(ctx context.Context) error {
	r.run.Up = true
	if err := r.keep(ctx); err != nil {
		return err
	}
	fmt.Fprintln(r.view.out, r.run.timetable())
	r.view.say("The cloud is up: https://127.0.0.1:%d/", r.config.API)
	fmt.Fprintf(r.view.out, `
  export OS_CLIENT_CONFIG_FILE=%s OS_CLOUD=rack
  openstack server list                   # of project one; OS_CLOUD=rack-two: of project two
  openstack server list --all-projects
`, filepath.Join(r.dir, cloudsFile))
	return nil
}
