package installer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/cairn-cloud/cairn/installer/inventory"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// Command is "cairn install": what an installation of this machine, or of one
// whose inventory was saved, would do. It changes nothing: installing is for
// the first process of a machine that was booted for it.
type Command struct {
	Rack      string `arg:"" optional:"" type:"existingfile" help:"rack.yaml."`
	UI        bool   `name:"ui" help:"Show the installer's conversation with a person."`
	Demo      bool   `help:"With --ui: on a made-up machine, or that of --inventory. Writes nothing but the rack.yaml, to standard output."`
	Inventory string `type:"existingfile" help:"Inventory of another machine, as JSON; this one's by default."`
	Network   bool   `help:"As a machine that boots from the network; the first one, from the medium, by default."`
	Disk      string `help:"Disk to install on: a path or a serial number."`
	JSON      bool   `name:"json" help:"Print the plan as JSON."`
}

// Run prints the plan, or fails with the refusal.
func (c *Command) Run(ctx context.Context, _ *slog.Logger) error {
	if c.UI {
		return c.demonstrate(ctx)
	}
	if c.Rack == "" {
		return errors.New("rack.yaml is not named; allowed: a file, or --ui --demo")
	}
	rack, err := readRackFile(c.Rack)
	if err != nil {
		return err
	}
	inv, err := inventoryOf(c.Inventory)
	if err != nil {
		return err
	}
	p, err := plan.Make(inv, rack, plan.Options{Local: !c.Network, Number: 1, Disk: c.Disk})
	if err != nil {
		return err
	}
	return c.print(p)
}

func (c *Command) print(p plan.Plan) error {
	if c.JSON {
		return writeJSON(os.Stdout, p)
	}
	_, err := fmt.Print(p)
	return err
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// RackCommand is "cairn rack check": it names everything that is wrong with a
// rack.yaml, and what a person should know of one that works.
type RackCommand struct {
	Rack  string `arg:"" type:"existingfile" help:"rack.yaml."`
	JSON  bool   `name:"json" help:"Print faults and warnings as JSON."`
	Print bool   `help:"Print the rack with all its defaults, as a rack.yaml."`
}

// Run prints what there is to say, and fails if the rack cannot be used.
func (c *RackCommand) Run(_ context.Context, _ *slog.Logger) error {
	raw, err := os.ReadFile(c.Rack)
	if err != nil {
		return fmt.Errorf("rack: %w", err)
	}
	return c.check(os.Stdout, raw)
}

func (c *RackCommand) check(w io.Writer, raw []byte) error {
	rack, warnings, err := plan.CheckRack(raw)
	faults := plan.Faults(err)
	switch {
	case c.JSON:
		if werr := writeJSON(w, checked{len(faults) == 0, append([]*plan.RackError{}, faults...), append([]plan.Warning{}, warnings...)}); werr != nil {
			return werr
		}
	case c.Print && rack != nil:
		text, err := rack.YAML()
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	default:
		for _, f := range faults {
			fmt.Fprintln(w, f)
		}
		for _, f := range warnings {
			fmt.Fprintf(w, "warning: %s\n", f)
		}
	}
	switch {
	case len(faults) > 0:
		return fmt.Errorf("%s cannot be used: %s", c.Rack, numberOf(len(faults), "fault"))
	case !c.JSON:
		fmt.Fprintf(w, "%s can be used: %s, %s\n", c.Rack, numberOf(len(rack.Rules), "rule"), numberOf(len(warnings), "warning"))
	}
	return nil
}

// checked is what "cairn rack check --json" prints.
type checked struct {
	OK       bool              `json:"ok"`
	Faults   []*plan.RackError `json:"faults"`
	Warnings []plan.Warning    `json:"warnings"`
}

func numberOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// SchemaCommand is "cairn rack schema": the JSON Schema of rack.yaml, for
// editors.
type SchemaCommand struct{}

// Run prints the schema.
func (c *SchemaCommand) Run(_ context.Context, _ *slog.Logger) error {
	text, err := plan.Schema()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

func readRackFile(file string) (*plan.Rack, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("rack: %w", err)
	}
	return plan.ParseRack(raw)
}

// inventoryOf reads an inventory that was saved, or takes this machine's where
// no file is named.
func inventoryOf(file string) (plan.Inventory, error) {
	if file == "" {
		return inventory.This().Collect("", ""), nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return plan.Inventory{}, fmt.Errorf("inventory: %w", err)
	}
	var inv plan.Inventory
	if err := json.Unmarshal(b, &inv); err != nil {
		return plan.Inventory{}, fmt.Errorf("inventory %s: %w", file, err)
	}
	if inv.Machine == "" {
		return plan.Inventory{}, fmt.Errorf("inventory %s: machine is empty; allowed: what `cairn inventory --json` prints", file)
	}
	return inv, nil
}
