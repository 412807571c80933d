package installer

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"

	"github.com/cairn-cloud/cairn/installer/inventory"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// Command is "cairn install": what an installation of this machine, or of one
// whose inventory was saved, would do. It changes nothing: installing is for
// the first process of a machine that was booted for it.
type Command struct {
	Rack      string `arg:"" type:"existingfile" help:"rack.yaml."`
	Inventory string `type:"existingfile" help:"Inventory of another machine, as JSON; this one's by default."`
	Network   bool   `help:"As a machine that boots from the network; the first one, from the medium, by default."`
	Disk      string `help:"Disk to install on: a path or a serial number."`
	JSON      bool   `name:"json" help:"Print the plan as JSON."`
}

// Run prints the plan, or fails with the refusal.
func (c *Command) Run(_ context.Context, _ *slog.Logger) error {
	rack, err := readRackFile(c.Rack)
	if err != nil {
		return err
	}
	inv := inventory.This().Collect("", "")
	if c.Inventory != "" {
		b, err := os.ReadFile(c.Inventory)
		if err != nil {
			return fmt.Errorf("inventory: %w", err)
		}
		inv = plan.Inventory{}
		if err := json.Unmarshal(b, &inv); err != nil {
			return fmt.Errorf("inventory %s: %w", c.Inventory, err)
		}
	}
	p, err := plan.Make(inv, rack, plan.Options{Local: !c.Network, Number: 1, Disk: c.Disk})
	if err != nil {
		return err
	}
	return c.print(p)
}

func (c *Command) print(p plan.Plan) error {
	if !c.JSON {
		_, err := fmt.Print(p)
		return err
	}
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(p)
}

// RackCommand is "cairn rack-check": it reads a rack.yaml, names everything
// that is wrong with it, or prints it with its defaults filled in.
type RackCommand struct {
	Rack string `arg:"" type:"existingfile" help:"rack.yaml."`
}

// Run prints the rack as it is understood.
func (c *RackCommand) Run(_ context.Context, _ *slog.Logger) error {
	rack, err := readRackFile(c.Rack)
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(rack, "", "  ")
	if err != nil {
		return fmt.Errorf("rack: %w", err)
	}
	_, err = fmt.Println(string(b))
	return err
}

func readRackFile(file string) (*plan.Rack, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("rack: %w", err)
	}
	return plan.ParseRack(raw)
}
