package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A rack is a virtual rack as its commands see it.
type rack struct {
	dir    string
	config *Config
	client *client
	view   *view
	log    *slog.Logger
	stall  time.Duration

	began time.Time
	run   *Run
}

// step does a part of the way and notes what it took.
func (r *rack) step(ctx context.Context, name string, do func() error) error {
	start, before := time.Now(), r.look(ctx)
	r.view.announce(name)
	err := do()
	after := r.look(ctx)
	if before == nil { // the step began the rack
		before = &Status{}
	}
	r.run.Steps = append(r.run.Steps, Step{name, seconds(time.Since(start)), seconds(time.Since(r.began)), burnt(before, after)})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return r.keep(ctx)
}

// look is the status of the rack, or nil when it does not answer. It looks even
// when the context has ended: what a step took that was cut off is wanted too.
func (r *rack) look(ctx context.Context) *Status {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	s, err := r.client.status(ctx)
	if err != nil {
		return nil
	}
	return s
}

// keep writes down the run so far.
func (r *rack) keep(ctx context.Context) error {
	if s := r.look(ctx); s != nil {
		r.run.measure(s)
	}
	return r.run.save(r.dir)
}

// startSupervisor runs this program again, in the background, to own the
// rack, and waits until it answers.
func (r *rack) startSupervisor(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(r.dir, logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	// What this command has inherited, a lock perhaps, is not for the rack to
	// keep.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("supervisor: %w", err)
	}
	// Not CommandContext: the rack outlives this command.
	cmd := exec.Command(self, "rack", "supervise", "--dir", r.dir) //nolint:noctx // see above
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("supervisor: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		if _, err := r.client.status(ctx); err == nil {
			return nil
		}
		select {
		case err := <-ended:
			return fmt.Errorf("supervisor ended: %w; %s says why", errors.Join(err, errDown), log.Name())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// stopSupervisor ends the rack and returns when its machines are off. A rack
// that is down already is no error.
func stopSupervisor(ctx context.Context, dir string) error {
	raw, err := os.ReadFile(filepath.Join(dir, pidFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return fmt.Errorf("%s: %w", pidFile, err)
	}
	if !supervises(pid) {
		return os.Remove(filepath.Join(dir, pidFile)) // left by a crash; its number may be anybody's
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("end the supervisor, process %d: %w", pid, err)
	}
	for supervises(pid) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// supervises tells whether a process is a supervisor of ours.
func supervises(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(raw), "\x00supervise\x00")
}
