package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/qa/lab/fabric"
)

// Command is `cairn rack`.
type Command struct {
	Up        upCommand        `cmd:"" help:"Boot a virtual rack from the ISO to a cloud with running servers, and leave it up."`
	Down      downCommand      `cmd:"" help:"End the rack."`
	Status    statusCommand    `cmd:"" help:"Show the machines and the switch."`
	Console   consoleCommand   `cmd:"" help:"Open a machine's serial console; ctrl-] leaves it."`
	SSH       sshCommand       `cmd:"" name:"ssh" help:"Log in on a machine, or run a command there."`
	Power     powerCommand     `cmd:"" help:"Switch a machine on or off, press its power or its reset button."`
	Fault     faultCommand     `cmd:"" help:"Make a port of the switch misbehave, or heal it."`
	Capture   captureCommand   `cmd:"" help:"Capture what passes a port of the switch from now on."`
	Supervise superviseCommand `cmd:"" hidden:""`
	BMC       bmcCommand       `cmd:"" name:"bmc" hidden:""`
}

// A place is where a rack is kept.
type place struct {
	Dir string `help:"Directory of the rack." default:"out/rack" type:"path"`
}

type superviseCommand struct{ place }

// Run owns a rack until it is told to end.
func (c *superviseCommand) Run(ctx context.Context, log *slog.Logger) error {
	return supervise(ctx, c.Dir, log)
}

type downCommand struct{ place }

// Run ends the rack.
func (c *downCommand) Run(ctx context.Context, _ *slog.Logger) error {
	return stopSupervisor(ctx, c.Dir)
}

type statusCommand struct{ place }

// Run prints a table of the steps to here, one of machines and one of switch
// ports.
func (c *statusCommand) Run(ctx context.Context, _ *slog.Logger) error {
	run, err := loadRun(c.Dir)
	if err != nil {
		return err
	}
	if len(run.Steps) > 0 {
		fmt.Println(strings.TrimPrefix(run.steptable(), "\n"))
	}
	s, err := newClient(c.Dir).status(ctx)
	if err != nil {
		return err
	}
	printStatus(os.Stdout, s)
	return nil
}

func printStatus(w io.Writer, s *Status) {
	fmt.Fprintf(w, "%s\n\n%-12s %-5s %-18s %8s %9s  %s\n", s.Accel, "machine", "power", "phase", "CPU", "MiB", "last line")
	for _, m := range s.Machines {
		power := "off"
		if m.On {
			power = "on"
		}
		fmt.Fprintf(w, "%-12s %-5s %-18s %8s %9d  %s\n", m.Name, power, m.current(), clock(m.CPU), m.Resident>>20, m.last())
	}
	fmt.Fprintf(w, "\n%-24s %10s %10s %10s %10s %8s %8s %8s %8s  %s\n", "port", "in", "in MB", "out", "out MB", "bad tag", "faulty", "filtered", "full", "fault")
	for _, p := range s.Ports {
		fmt.Fprintf(w, "%-24s %10d %10.1f %10d %10.1f %8d %8d %8d %8d  %s\n", p.Name, p.InFrames, float64(p.InBytes)/1e6,
			p.OutFrames, float64(p.OutBytes)/1e6, p.BadVLAN, p.Faulty, p.Filtered, p.Full, describeFault(p.Fault))
	}
}

func describeFault(f fabric.Fault) string {
	switch {
	case f.Down:
		return "down"
	case f.Loss > 0 || len(f.Missing) > 0:
		return fmt.Sprintf("loss %g, VLANs missing: %v", f.Loss, f.Missing)
	default:
		return "-"
	}
}

type powerCommand struct {
	place
	Machine string `arg:"" help:"Name of the machine."`
	Action  string `arg:"" enum:"on,off,press,reset" help:"on, off, press or reset."`
}

// Run switches the machine.
func (c *powerCommand) Run(ctx context.Context, _ *slog.Logger) error {
	return newClient(c.Dir).power(ctx, c.Machine, c.Action)
}

type faultCommand struct {
	place
	Port    string  `arg:"" help:"Name of the port, like compute1/tenant."`
	Down    bool    `help:"Nothing goes in or out."`
	Loss    float64 `help:"Share of frames lost on the way in, 0 to 1."`
	Missing []int   `help:"VLANs that are not configured there."`
}

// Run sets the port's fault; without flags it heals the port.
func (c *faultCommand) Run(ctx context.Context, _ *slog.Logger) error {
	return newClient(c.Dir).do(ctx, http.MethodPut, "/fault",
		portRequest{Port: c.Port, Fault: fabric.Fault{Down: c.Down, Loss: c.Loss, Missing: c.Missing}}, nil)
}

type captureCommand struct {
	place
	Port string `arg:"" help:"Name of the port, like compute1/tenant."`
}

// Run starts the capture and says where it is.
func (c *captureCommand) Run(ctx context.Context, _ *slog.Logger) error {
	if err := newClient(c.Dir).do(ctx, http.MethodPut, "/capture", portRequest{Port: c.Port}, nil); err != nil {
		return err
	}
	fmt.Println(filepath.Join(c.Dir, "captures", fileName(c.Port)+".pcap"))
	return nil
}

type sshCommand struct {
	place
	Machine string   `arg:"" help:"Name of the machine."`
	Command []string `arg:"" optional:"" passthrough:"" help:"What to run there; a shell when absent."`
}

// Run runs ssh with the rack's key.
func (c *sshCommand) Run(ctx context.Context, _ *slog.Logger) error {
	config, err := loadConfig(c.Dir)
	if err != nil {
		return err
	}
	r := &rack{dir: c.Dir, config: config, client: newClient(c.Dir)}
	port, err := r.sshPort(ctx, c.Machine)
	if err != nil {
		return err
	}
	args := []string{"-i", filepath.Join(c.Dir, keyFile), "-p", fmt.Sprint(port), "-o", "IdentitiesOnly=yes",
		"-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=" + filepath.Join(c.Dir, knownFile), operator + "@127.0.0.1"}
	cmd := exec.CommandContext(ctx, "ssh", append(args, c.Command...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("ssh ended with %d", exit.ExitCode())
	}
	return err
}
