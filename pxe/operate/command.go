package operate

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cairn-cloud/cairn/pxe/fleet"
)

// Command is `cairn fleet`: the machines of a deployer.
type Command struct {
	Dir      string `help:"Directory with the operator's certificate." default:"${operator_dir}" placeholder:"DIR"`
	Deployer string `help:"Deployer, host:port; default: the one that the directory names." placeholder:"ADDRESS"`

	List      listCommand     `cmd:"" default:"withargs" help:"List the machines: state, speed, and why they wait."`
	Watch     watchCommand    `cmd:"" help:"Follow the machines, with bars."`
	Show      showCommand     `cmd:"" help:"Show a machine with its inventory, plan and history, as JSON."`
	Approve   tellCommand     `cmd:"" help:"Let a machine be installed, where rack.yaml says approve: manual, or try again."`
	Reinstall tellCommand     `cmd:"" help:"Install a machine again at its next boot from the network; what is on it is lost."`
	Refresh   tellCommand     `cmd:"" help:"Have a machine that waits send its inventory again, when something of it was changed."`
	Fabric    fabricCommand   `cmd:"" help:"Show what the last fabric check found, by switch port."`
	Lock      tellCommand     `cmd:"" help:"Withdraw the key of a machine's encrypted data, which a deployer keeps where there is no TPM."`
	Unlock    tellCommand     `cmd:"" help:"Give the key again."`
	Recovery  recoveryCommand `cmd:"" name:"recovery-key" help:"Show the key that opens a machine's encrypted data anywhere."`
	Password  passwordCommand `cmd:"" help:"Have the deployer keep the password of a machine's BMC, read from standard input."`
	Power     powerCommand    `cmd:"" help:"Switch a machine by its BMC: on, off, stop, reset, cycle, status."`
}

type listCommand struct {
	JSON bool `name:"json" help:"As JSON."`
}

// Run prints the table.
func (c *listCommand) Run(ctx context.Context, of *Command, _ *slog.Logger) error {
	client, err := Open(of.Dir, of.Deployer)
	if err != nil {
		return err
	}
	all, err := client.Machines(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(os.Stdout, all)
	}
	_, err = io.WriteString(os.Stdout, Table(all, time.Now(), width(os.Stdout)))
	return err
}

type watchCommand struct{}

// Run shows the table until it is interrupted.
func (c *watchCommand) Run(ctx context.Context, of *Command, _ *slog.Logger) error {
	client, err := Open(of.Dir, of.Deployer)
	if err != nil {
		return err
	}
	s := screen{out: os.Stdout, live: terminal(os.Stdout)}
	for ctx.Err() == nil {
		if all, err := client.Machines(ctx); err != nil {
			s.note(fmt.Sprintf("no answer: %v", err))
		} else {
			s.show(all, time.Now())
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	return nil
}

type showCommand struct {
	Machine string `arg:"" help:"Id, MAC address or host name."`
}

// Run prints the machine.
func (c *showCommand) Run(ctx context.Context, of *Command, _ *slog.Logger) error {
	client, err := Open(of.Dir, of.Deployer)
	if err != nil {
		return err
	}
	m, err := client.Machine(ctx, c.Machine)
	if err != nil {
		return err
	}
	return printJSON(os.Stdout, m)
}

// A tellCommand asks for one of the changes that the deployer's API has by
// name: the name of the command is that of the change.
type tellCommand struct {
	Machines []string `arg:"" name:"machine" help:"Ids, MAC addresses or host names."`
}

// told is what a machine does after each of them.
func told() map[string]string {
	return map[string]string{
		"approve":   "may be installed",
		"reinstall": "is installed again when it boots from the network next",
		"refresh":   "sends its inventory again",
		"lock":      "gets its key no more: what runs goes on, and after its next start it waits",
		"unlock":    "gets its key when it asks",
	}
}

// Run says it of one machine after the other.
func (c *tellCommand) Run(ctx context.Context, of *Command, k *kong.Context, _ *slog.Logger) error {
	client, err := Open(of.Dir, of.Deployer)
	if err != nil {
		return err
	}
	what := k.Selected().Name
	for _, id := range c.Machines {
		m, err := client.Tell(ctx, id, what)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stdout, "%s (%s) %s\n", title(&m), m.ID, told()[what])
	}
	return nil
}

type fabricCommand struct {
	JSON bool `name:"json" help:"As JSON."`
}

// Run prints the matrix.
func (c *fabricCommand) Run(ctx context.Context, of *Command, _ *slog.Logger) error {
	client, err := Open(of.Dir, of.Deployer)
	if err != nil {
		return err
	}
	m, err := client.Matrix(ctx)
	switch {
	case err != nil:
		return err
	case c.JSON:
		return printJSON(os.Stdout, m)
	case m == nil:
		_, err = fmt.Println("no round of the fabric check has ended yet")
	default:
		_, err = fmt.Print(m)
	}
	return err
}

type powerCommand struct {
	Action  string `arg:"" help:"on, off, stop, reset, cycle or status."`
	Machine string `arg:"" help:"Id, MAC address or host name."`
	Boot    string `help:"What it boots next, once: network, disk, cd or default."`
	ISO     string `name:"iso" help:"URL of an ISO that it sees as a CD before." placeholder:"URL"`
	Eject   bool   `help:"Take the CD out before."`
}

// Run has the deployer do it.
func (c *powerCommand) Run(ctx context.Context, of *Command, _ *slog.Logger) error {
	client, err := Open(of.Dir, of.Deployer)
	if err != nil {
		return err
	}
	state, err := client.Power(ctx, c.Machine, fleet.PowerRequest{Action: c.Action, Boot: c.Boot, ISO: c.ISO, Eject: c.Eject})
	if err != nil {
		return err
	}
	_, err = fmt.Printf("%s: power %s\n", c.Machine, state)
	return err
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
