package lab

import (
	"context"
	"io"
	"log/slog"
	"os"
)

// A bmcCommand is what the gateway starts for a connection to a BMC.
type bmcCommand struct {
	place
	Machine string `arg:"" help:"Name of the machine."`
}

// Run joins standard input, which is the connection, to the machine's BMC.
func (c *bmcCommand) Run(ctx context.Context, _ *slog.Logger) error {
	line, err := newClient(c.Dir).line(ctx, c.Machine, "bmc")
	if err != nil {
		return err
	}
	defer line.Close()
	done := make(chan error, 2)
	go func() { // both end with the connection, or with the program
		_, err := io.Copy(os.Stdout, line)
		done <- err
	}()
	go func() {
		_, err := io.Copy(line, os.Stdin)
		done <- err
	}()
	return <-done
}
