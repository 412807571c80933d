package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cairn-cloud/cairn/qa/lab/machine"
	"github.com/cairn-cloud/cairn/qa/lab/shape"
)

// prepare ends the rack that was there and makes a new one with blank disks.
func (c *upCommand) prepare(ctx context.Context, r *rack) error {
	if err := stopSupervisor(ctx, c.Dir); err != nil {
		return err
	}
	if err := clean(c.Dir); err != nil {
		return err
	}
	if _, err := os.Stat(c.ISO); err != nil {
		return fmt.Errorf("%w; `make iso` makes it", err)
	}
	config, err := c.rack(ctx)
	if err != nil {
		return err
	}
	if config.Accel, err = chooseAccel(ctx, c.Accel, probeKVM(c.Guest)); err != nil {
		return err
	}
	r.run.Accel = config.Accel
	r.view.say("%s", config.Accel)
	if err := config.make(ctx, c.Dir); err != nil {
		return err
	}
	r.config = config
	return r.startSupervisor(ctx)
}

// make makes what the machines of a rack need to start.
func (c *Config) make(ctx context.Context, dir string) error {
	key, err := ensureKey(dir)
	if err != nil {
		return err
	}
	if c.BMC {
		if err := c.makeBMCs(dir); err != nil {
			return err
		}
	}
	text, err := c.rackYAML(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, rackFile), []byte(text), 0o644); err != nil {
		return err
	}
	if c.Shaped {
		c.ISO, err = sealISO(ctx, dir, c.ISO)
	} else {
		c.Conf, err = makeConf(ctx, dir)
	}
	if err != nil {
		return err
	}
	if err := fillDisks(ctx, dir, c.Machines); err != nil {
		return err
	}
	return c.save(dir)
}

// rack is the configuration that the flags ask for.
func (c *upCommand) rack(ctx context.Context) (*Config, error) {
	api, err := freePort(ctx, c.API)
	if err != nil {
		return nil, err
	}
	ssh, err := freePort(ctx, c.SSH)
	if err != nil {
		return nil, err
	}
	config := &Config{ISO: c.ISO, API: api, SSH: ssh, Capture: c.Capture, BMC: c.BMC}
	var machines []shape.Machine
	if c.Rack == "" && c.Shapes == "" {
		machines = c.alike()
	} else {
		odd, err := c.shapes()
		if err != nil {
			return nil, err
		}
		machines, config.Fields, config.Shaped = odd.Machines, odd.Fields, true
	}
	for i, m := range machines {
		config.Machines = append(config.Machines, Machine{m, i + 1})
	}
	return config, nil
}

// shapes is the rack of machines that are not alike.
func (c *upCommand) shapes() (*shape.Rack, error) {
	switch {
	case c.Rack != "" && c.Shapes != "":
		return nil, errors.New("--rack together with --shapes; allowed: one of them")
	case c.Rack != "":
		return shape.Built(c.Rack)
	}
	return shape.Load(c.Shapes)
}

// alike are a controller and computes.
func (c *upCommand) alike() []shape.Machine {
	var list []shape.Machine
	for i := range 1 + c.Computes {
		m := shape.Machine{Name: controllerName, CPUs: 2, MemoryMiB: c.Memory, NICs: []shape.Network{shape.Management, shape.Tenant, shape.External}}
		if i > 0 {
			m.Name, m.MemoryMiB, m.NICs = fmt.Sprintf("compute%d", i), c.Compute, m.NICs[:2]
		}
		m.Firmware, m.Disks = machine.Firmware(c.Firmware[i%len(c.Firmware)]), []shape.Disk{{GiB: c.Disk}}
		list = append(list, m)
	}
	return list
}

// clean removes what an earlier rack left, except its support bundles.
func clean(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if ok, err := filepath.Match("support-*", filepath.Base(name)); ok || err != nil {
			continue
		}
		if err := os.RemoveAll(name); err != nil {
			return err
		}
	}
	return nil
}
