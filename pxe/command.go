package pxe

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
)

// Command is `cairn deploy`: boot the machines of a rack from the network and
// install them. Flags overrule the file.
type Command struct {
	Config     string     `help:"deploy.json to read; flags overrule it." placeholder:"FILE"`
	Rack       string     `help:"rack.yaml; without one, a rack of defaults." placeholder:"FILE"`
	Release    string     `help:"Directory of the release (manifest.json, root.img, ...)." placeholder:"DIR"`
	State      string     `help:"Directory for machines, leases and keys." placeholder:"DIR"`
	Interface  string     `help:"Network interface to serve on; default: the one with the address." placeholder:"NAME"`
	Address    netip.Addr `help:"Our address there; default: management.controller of the rack." placeholder:"IP"`
	Controller string     `help:"Controller to register nodes with, like https://10.20.0.11:8444; none: they stay enrolled." placeholder:"URL"`
	Found      bool       `help:"Make the first machine that boots the first controller of a new rack, and end when its system starts."`
	Loaders    string     `help:"Directory of undionly.kpxe and ipxe.efi (default /usr/lib/ipxe)." placeholder:"DIR"`
	KernelArg  []string   `help:"Kernel arguments of the installer, instead of the two consoles." sep:"none" placeholder:"ARG"`
	Check      bool       `help:"Only check the configuration."`
}

// Run serves until the context ends.
func (c *Command) Run(ctx context.Context, log *slog.Logger) (err error) {
	conf, err := c.config()
	if err != nil {
		return err
	}
	d, err := newDeployer(conf, log)
	if err != nil || c.Check {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.openState(); err != nil {
		return err
	}
	return d.run(ctx)
}

// config joins file and flags.
func (c *Command) config() (Config, error) {
	var conf Config
	if c.Config != "" {
		var err error
		if conf, err = readConfig(c.Config); err != nil {
			return conf, err
		}
	}
	for _, o := range []struct {
		flag string
		to   *string
	}{
		{c.Rack, &conf.RackFile}, {c.Release, &conf.Release}, {c.State, &conf.StateDir},
		{c.Interface, &conf.Interface}, {c.Controller, &conf.Controller}, {c.Loaders, &conf.Loaders},
	} {
		if o.flag != "" {
			*o.to = o.flag
		}
	}
	conf.Found = conf.Found || c.Found
	if c.Address.IsValid() {
		conf.Address = c.Address
	}
	if len(c.KernelArg) > 0 {
		conf.KernelArgs = c.KernelArg
	}
	return conf, nil
}
