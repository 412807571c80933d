package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// Command is "cairn inventory": what this machine consists of, or one whose
// inventory was saved. As an ordinary user it knows less: what is on disks,
// how they are and who the switch is takes root.
type Command struct {
	File string        `arg:"" optional:"" type:"existingfile" help:"Inventory of another machine, as JSON; this one's by default."`
	JSON bool          `name:"json" help:"Print JSON."`
	LLDP time.Duration `help:"Listen that long for the switch of each card with link; switches speak every 30s." default:"0s"`
}

// Run prints the inventory.
func (c *Command) Run(_ context.Context, log *slog.Logger) error {
	inv, err := c.take(log)
	if err != nil {
		return err
	}
	return Write(os.Stdout, inv, c.JSON)
}

func (c *Command) take(log *slog.Logger) (plan.Inventory, error) {
	if c.File != "" {
		return read(c.File)
	}
	h := This()
	if c.LLDP > 0 {
		h, l := h.Listening(false, log) // an agent of this machine may be speaking already
		h.LLDPWait = c.LLDP
		inv := h.Collect("", "")
		return inv, l.Close()
	}
	return h.Collect("", ""), nil
}

// read reads an inventory that was saved.
func read(file string) (plan.Inventory, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return plan.Inventory{}, fmt.Errorf("inventory: %w", err)
	}
	var inv plan.Inventory
	if err := json.Unmarshal(b, &inv); err != nil {
		return plan.Inventory{}, fmt.Errorf("inventory %s: %w", file, err)
	}
	if inv.Machine == "" {
		return plan.Inventory{}, fmt.Errorf("inventory %s: %w", file, errNoInventory)
	}
	return inv, nil
}

var errNoInventory = errors.New("machine is empty; allowed: what cairn inventory --json prints")

// Write prints an inventory, for people or as JSON.
func Write(w io.Writer, inv plan.Inventory, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(inv)
	}
	_, err := io.WriteString(w, Show(inv))
	return err
}
