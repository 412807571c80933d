package installer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// ExplainCommand is "cairn rack explain": what becomes of machines by a
// rack.yaml, and why. Machines are taken in their order, so that counts and
// names run on.
type ExplainCommand struct {
	Rack     string   `arg:"" type:"existingfile" help:"rack.yaml."`
	Machines []string `arg:"" optional:"" name:"machine" help:"Inventories of machines, as JSON (cairn inventory --json), or ids, MACs or host names that a deployer knows. This machine by default."`
	Local    bool     `help:"The first machine boots the medium; by default all boot from the network."`
	Disk     string   `help:"Disk to install on: a path or a serial number."`
	JSON     bool     `name:"json" help:"Print JSON, an object for each machine."`

	Deployer string `help:"Ask this deployer for machines and for what others have, host:port; default: the one that the directory names, where a machine is no file." placeholder:"ADDRESS"`
	Dir      string `type:"path" help:"Directory with the operator's certificate." default:"/var/lib/cairn/deploy-operator" placeholder:"DIR"`
}

// Run prints an explanation for each machine. A refusal is an answer, no
// failure.
func (c *ExplainCommand) Run(ctx context.Context, _ *slog.Logger) error {
	rack, err := readRackFile(c.Rack)
	if err != nil {
		return err
	}
	var fleet []known
	if c.asks() {
		if fleet, err = c.ask(ctx, rack); err != nil {
			return err
		}
	}
	subjects, err := c.subjects(fleet)
	if err != nil {
		return err
	}
	return c.explain(os.Stdout, rack, subjects, fleet)
}

// asks tells whether a deployer is needed.
func (c *ExplainCommand) asks() bool {
	return c.Deployer != "" || slices.ContainsFunc(c.Machines, func(name string) bool {
		_, err := os.Stat(name)
		return errors.Is(err, os.ErrNotExist)
	})
}

// A known machine is one of the deployer's, as far as it matters here.
type known struct {
	ID        string          `json:"id"`
	MACs      []string        `json:"macs"`
	Name      string          `json:"name"`
	Rule      string          `json:"rule"`
	Inventory *plan.Inventory `json:"inventory"`
}

func (k known) is(name string) bool {
	name = strings.ToLower(name)
	for _, own := range append([]string{k.ID, k.Name}, k.MACs...) {
		if own == name {
			return true
		}
	}
	return false
}

// subjects are the machines to explain.
func (c *ExplainCommand) subjects(fleet []known) ([]known, error) {
	if len(c.Machines) == 0 && c.Deployer == "" {
		inv, err := inventoryOf("")
		return []known{{ID: inv.Machine, Inventory: &inv}}, err
	}
	if len(c.Machines) == 0 {
		return slices.DeleteFunc(slices.Clone(fleet), func(k known) bool { return k.Inventory == nil }), nil
	}
	var list []known
	for _, name := range c.Machines {
		k, err := c.subject(name, fleet)
		if err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	return list, nil
}

func (c *ExplainCommand) subject(name string, fleet []known) (known, error) {
	for _, k := range fleet {
		if k.is(name) {
			return k, nil
		}
	}
	inv, err := inventoryOf(name)
	if errors.Is(err, os.ErrNotExist) {
		return known{}, fmt.Errorf("machine %q is neither a file nor known to the deployer; allowed: an inventory as JSON, an id, a MAC address or a host name", name)
	}
	if err != nil {
		return known{}, err
	}
	return known{ID: inv.Machine, Inventory: &inv}, nil
}

// explain prints what becomes of each machine, as if they came in this order
// to the others that there are.
func (c *ExplainCommand) explain(w io.Writer, rack *plan.Rack, subjects, fleet []known) error {
	for i, k := range subjects {
		if k.Inventory == nil {
			fmt.Fprintf(w, "machine %s: has sent no inventory yet\n\n", k.ID)
			continue
		}
		o := plan.Options{Local: c.Local && i == 0, Disk: c.Disk, Rule: k.Rule, Name: k.Name}
		o.Taken, o.Names = others(k, fleet)
		x := plan.Explain(*k.Inventory, rack, o)
		if x.Plan != nil {
			k.Rule, k.Name = x.Plan.Rule, x.Plan.HostName
			fleet = with(fleet, k)
		}
		if c.JSON {
			if err := writeJSON(w, x); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s\n", x)
	}
	return nil
}

// others counts the rules and collects the names of all machines but one.
func others(k known, fleet []known) (taken map[string]int, names map[string]bool) {
	taken, names = map[string]int{}, map[string]bool{}
	for _, o := range fleet {
		if o.ID == k.ID {
			continue
		}
		if o.Rule != "" {
			taken[o.Rule]++
		}
		if o.Name != "" {
			names[o.Name] = true
		}
	}
	return taken, names
}

// with is the fleet with the machine as it is now.
func with(fleet []known, k known) []known {
	var out []known
	for _, o := range fleet {
		if o.ID != k.ID {
			out = append(out, o)
		}
	}
	return append(out, k)
}
