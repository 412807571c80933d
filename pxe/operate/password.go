package operate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/cairn-cloud/cairn/pxe/fleet"
)

type passwordCommand struct {
	Machine string `arg:"" help:"Id, MAC address or host name."`
}

// maxPassword is more than BMCs take, in bytes.
const maxPassword = 1024

// Run reads the password, has it kept, and says whether the BMC takes it.
func (c *passwordCommand) Run(ctx context.Context, of *Command, _ *slog.Logger) error {
	client, err := Open(of.Dir, of.Deployer)
	if err != nil {
		return err
	}
	if terminal(os.Stdin) {
		fmt.Fprintln(os.Stderr, "the password, which is shown while you type; ctrl-D twice ends it")
	}
	raw, err := io.ReadAll(io.LimitReader(os.Stdin, maxPassword))
	if err != nil {
		return fmt.Errorf("password: %w", err)
	}
	password := strings.TrimRight(string(raw), "\r\n")
	if password == "" {
		return errors.New("the password is empty; allowed: one on standard input")
	}
	state, err := client.Power(ctx, c.Machine, fleet.PowerRequest{Action: fleet.PowerStatus, Password: password})
	if err != nil {
		return fmt.Errorf("the password is kept unless this says otherwise: %w", err)
	}
	_, err = fmt.Printf("%s: its BMC takes the password; power %s\n", c.Machine, state)
	return err
}
