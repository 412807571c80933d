package installer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/tui"
	"github.com/cairn-cloud/cairn/installer/tui/demo"
)

// errOnlyFirst keeps a running machine from being installed.
var errOnlyFirst = errors.New("a running machine is not installed: boot it from the medium for that; allowed here: --ui --demo, which writes nothing")

// demonstrate shows the installer's conversation on this terminal and prints
// the rack.yaml that comes of it.
func (c *Command) demonstrate(ctx context.Context) error {
	if !c.Demo {
		return errOnlyFirst
	}
	var inv plan.Inventory
	if c.Inventory != "" {
		var err error
		if inv, err = inventoryOf(c.Inventory); err != nil {
			return err
		}
	}
	term, err := tui.OpenTerminal("tty", os.Getenv("TERM"))
	if err != nil {
		return err
	}
	rack, err := demo.Run(ctx, demo.Options{Inventory: inv, Terminal: term, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	_, err = fmt.Print(string(rack))
	return err
}
