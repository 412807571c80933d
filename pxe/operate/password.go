package operate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"golang.org/x/term"

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
	password, err := readPassword(os.Stdin, os.Stderr)
	if err != nil {
		return err
	}
	state, err := client.Power(ctx, c.Machine, fleet.PowerRequest{Action: fleet.PowerStatus, Password: password})
	if err != nil {
		return fmt.Errorf("password of %s: %w", c.Machine, err)
	}
	_, err = fmt.Printf("%s: its BMC takes the password; power %s\n", c.Machine, state)
	return err
}

// readPassword reads a line, which a terminal does not show, or what a pipe
// gives.
func readPassword(in *os.File, ask io.Writer) (string, error) {
	var raw []byte
	var err error
	if terminal(in) {
		fmt.Fprint(ask, "password: ")
		raw, err = term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(ask)
	} else {
		raw, err = io.ReadAll(io.LimitReader(in, maxPassword+1))
	}
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	password := strings.TrimRight(string(raw), "\r\n")
	if password == "" {
		return "", errors.New("the password is empty; allowed: one on standard input")
	}
	if len(password) > maxPassword {
		return "", fmt.Errorf("the password has more than %d bytes; allowed: at most so many", maxPassword)
	}
	return password, nil
}
