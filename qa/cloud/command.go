package cloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Command is `cloud`, to be put into a program's commands.
type Command struct {
	Up     UpCommand     `cmd:"" help:"Start the cloud; returns when it answers."`
	Down   DownCommand   `cmd:"" help:"End the cloud; its data stays."`
	Status StatusCommand `cmd:"" help:"Say whether the cloud answers, and how to reach it."`
	Run    RunCommand    `cmd:"" hidden:"" help:"The supervisor: runs the cloud until it is told to stop."`
}

// Place is where a cloud is and what it is run with.
type Place struct {
	Dir    string `help:"Directory of the cloud." default:"out/cloud" type:"path"`
	Binary string `help:"The program with the roles controller and simnode; default: cairn beside this program." type:"path"`
	Nodes  int    `help:"How many simulated nodes." default:"3"`

	Settings string `help:"A JSON file whose members are laid over the controller's configuration." type:"path"`
}

// UpCommand is `cloud up`.
type UpCommand struct{ Place }

// DownCommand is `cloud down`.
type DownCommand struct{ Place }

// StatusCommand is `cloud status`.
type StatusCommand struct{ Place }

// startPatience is how long a start may take on a very busy machine. The wait
// ends early when the supervisor does.
const startPatience = 5 * time.Minute

// Run starts the supervisor, unless there is one, and waits for the first
// token.
func (c *UpCommand) Run(ctx context.Context, log *slog.Logger) error {
	began := time.Now()
	l := newLayout(c.Dir)
	if err := os.MkdirAll(l.dir, 0o711); err != nil {
		return err
	}
	if pid, err := l.supervisor(); err == nil {
		fmt.Printf("The cloud is up already (process %d).\n", pid)
		return l.print(os.Stdout)
	}
	done, err := c.start(ctx, l)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		select {
		case err := <-done:
			return fmt.Errorf("the cloud ended while it started: %w; the end of %s:\n%s", err, l.log(), tail(l.log(), 15))
		case <-ctx.Done():
			return fmt.Errorf("the cloud does not answer: %w; see %s", ctx.Err(), l.log())
		case <-time.After(50 * time.Millisecond):
		}
		if _, err := os.Stat(l.ready()); err == nil {
			break
		}
	}
	fmt.Printf("The cloud is up after %.1f s.\n", time.Since(began).Seconds())
	return l.print(os.Stdout)
}

// start runs the supervisor in the background, in a session of its own.
func (c *UpCommand) start(ctx context.Context, l layout) (<-chan error, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(l.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if err := os.Remove(l.ready()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	args := []string{"cloud", "run", "--dir", l.dir, "--nodes", strconv.Itoa(c.Nodes)}
	if c.Binary != "" {
		args = append(args, "--binary", c.Binary)
	}
	if c.Settings != "" {
		args = append(args, "--settings", c.Settings)
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), self, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		if err == nil {
			err = errors.New("it stopped")
		}
		done <- err
	}()
	return done, nil
}

// Run tells the supervisor to stop and waits until it has.
func (c *DownCommand) Run(ctx context.Context, log *slog.Logger) error {
	l := newLayout(c.Dir)
	pid, err := l.supervisor()
	if errors.Is(err, os.ErrNotExist) {
		fmt.Println("The cloud is down.")
		return nil
	}
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	for {
		if _, err := l.supervisor(); errors.Is(err, os.ErrNotExist) {
			fmt.Println("The cloud is down; its data stays in", l.dir)
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Run says how the cloud is.
func (c *StatusCommand) Run(ctx context.Context, log *slog.Logger) error {
	l := newLayout(c.Dir)
	pid, err := l.supervisor()
	if errors.Is(err, os.ErrNotExist) {
		return errors.New("the cloud is down")
	}
	if err != nil {
		return err
	}
	api, err := l.client()
	if err != nil {
		return err
	}
	if err := api.token(ctx); err != nil {
		return fmt.Errorf("process %d runs, but the cloud gives no token: %w", pid, err)
	}
	fmt.Printf("The cloud is up (process %d).\n", pid)
	return l.print(os.Stdout)
}

// print says how to reach the cloud.
func (l layout) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "  OS_CLIENT_CONFIG_FILE=%s OS_CLOUD=cloud openstack server list\n", l.clouds())
	return err
}

// tail is the last lines of a file.
func tail(path string, lines int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// absolute is a path that does not depend on the working directory.
func absolute(path string) string {
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}
