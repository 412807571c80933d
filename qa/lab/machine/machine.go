package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/qa/lab/fabric"
)

// A Machine can be switched on and off. All its methods may be called at any
// time, by anybody.
type Machine struct {
	spec     Spec
	launcher *Launcher
	log      *slog.Logger
	console  *console

	mu   sync.Mutex // guards what follows, and the discs in spec
	run  *run       // nil while off
	next Boot       // what is tried first at the next power-on
}

// A run is one life of a machine, from power-on to power-off.
type run struct {
	cmd     *exec.Cmd
	tpm     *tpm // nil: none
	control *control
	ended   chan struct{} // closed when the process is gone and everything is unplugged
	err     error         // why, valid after ended
	off     chan struct{} // closed when the machine can be powered on again
}

// Needs are what a machine needs of its surroundings.
type Needs struct {
	Launcher *Launcher
	Lines    func(string) // is called with every line of the serial console; may be nil
	Log      *slog.Logger
}

// New makes a machine that is off.
func New(spec Spec, n Needs) (*Machine, error) {
	if err := spec.check(); err != nil {
		return nil, err
	}
	spec.CDROMs = slices.Clone(spec.CDROMs)
	if err := os.MkdirAll(spec.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("machine %s: %w", spec.Name, err)
	}
	con, err := newConsole(spec.Dir, n.Lines)
	if err != nil {
		return nil, fmt.Errorf("machine %s: %w", spec.Name, err)
	}
	return &Machine{spec: spec, launcher: n.Launcher, log: n.Log.With("machine", spec.Name), console: con}, nil
}

// Name is the machine's name.
func (m *Machine) Name() string { return m.spec.Name }

// PowerOn starts the machine. It is no error when it is on already.
func (m *Machine) PowerOn(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.run != nil {
		return nil
	}
	r, err := m.start(ctx)
	if err != nil {
		return fmt.Errorf("machine %s: power on: %w", m.spec.Name, err)
	}
	m.run, m.next = r, BootSetup
	m.log.Info("powered on", "pid", r.cmd.Process.Pid)
	go func() { // ends with the machine
		<-r.ended
		m.mu.Lock()
		m.run = nil
		m.mu.Unlock()
		close(r.off)
		m.log.Info("powered off", "reason", r.err)
	}()
	return nil
}

// start runs QEMU and plugs everything in.
func (m *Machine) start(ctx context.Context) (*run, error) {
	code, err := prepareFirmware(&m.spec)
	if err != nil {
		return nil, err
	}
	if err := prepareDisks(&m.spec); err != nil {
		return nil, err
	}
	lines, err := wire(&m.spec)
	if err != nil {
		return nil, err
	}
	defer lines.closeTheirs()
	messages, err := os.OpenFile(filepath.Join(m.spec.Dir, "qemu.log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		lines.closeOurs()
		return nil, err
	}
	defer messages.Close()
	spec := m.spec.first(m.next)
	// Not CommandContext: the machine outlives the request that started it.
	cmd := exec.Command("qemu-system-x86_64", spec.arguments(code)...) //nolint:noctx // see above
	cmd.Dir, cmd.Stdout, cmd.Stderr = m.spec.Dir, messages, messages
	cmd.ExtraFiles = lines.theirs
	tpm, err := m.startTPM(lines, messages)
	if err != nil {
		lines.closeOurs()
		return nil, err
	}
	if err := m.launcher.start(cmd); err != nil {
		lines.closeOurs()
		lines.closeTheirs()
		return nil, errors.Join(err, tpm.end())
	}
	r := &run{cmd: cmd, tpm: tpm, ended: make(chan struct{}), off: make(chan struct{})}
	go m.attend(r, lines)
	lines.closeTheirs() // so that we see it when QEMU goes away
	if r.control, err = newControl(ctx, lines.ours[0]); err != nil {
		return nil, errors.Join(err, cmd.Process.Kill(), tail(messages))
	}
	if err := m.attachBMC(ctx); err != nil {
		return nil, errors.Join(err, cmd.Process.Kill())
	}
	if m.next != BootSetup {
		if err := r.restore(ctx, &m.spec); err != nil {
			return nil, errors.Join(err, cmd.Process.Kill())
		}
	}
	m.followLinks(ctx, r)
	return r, nil
}

// attend serves the machine's connections until it ends.
func (m *Machine) attend(r *run, w *wires) {
	var all sync.WaitGroup
	var errs [2]error
	m.console.connect(w.ours[1])
	all.Go(func() { errs[0] = m.console.read(w.ours[1]) })
	for i, p := range w.ports {
		all.Go(func() {
			if err := p.Attach(w.ours[2+i]); err != nil {
				m.log.Error("network", "err", err)
			}
		})
	}
	errs[1] = r.cmd.Wait()
	w.ours[0].Close()
	all.Wait()
	r.err = errors.Join(append(errs[:], r.tpm.end())...)
	close(r.ended)
}

// wires are a machine's connections: control, serial, then switch ports.
type wires struct {
	ours   []net.Conn
	theirs []*os.File
	ports  []*fabric.Port
}

func wire(s *Spec) (*wires, error) {
	w := &wires{}
	for _, n := range s.NICs {
		if n.Port != nil {
			w.ports = append(w.ports, n.Port)
		}
	}
	count := 2 + len(w.ports)
	if s.TPM {
		count++
	}
	for range count {
		ours, theirs, err := fabric.Pair()
		if err != nil {
			w.closeOurs()
			w.closeTheirs()
			return nil, err
		}
		w.ours, w.theirs = append(w.ours, ours), append(w.theirs, theirs)
	}
	return w, nil
}

func (w *wires) closeOurs() {
	for _, c := range w.ours {
		c.Close()
	}
}

func (w *wires) closeTheirs() {
	for _, f := range w.theirs {
		f.Close() // closing twice is harmless
	}
	w.theirs = nil
}

// tail returns the last lines of QEMU's messages as an error.
func tail(messages *os.File) error {
	info, err := messages.Stat()
	if err != nil {
		return err
	}
	text := make([]byte, min(info.Size(), 1000))
	if _, err := messages.ReadAt(text, info.Size()-int64(len(text))); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return fmt.Errorf("QEMU says: %s", strings.TrimSpace(string(text)))
}

// current returns the machine's run; nil when it is off.
func (m *Machine) current() *run {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.run
}

// errOff means that something was asked of a machine that is off.
var errOff = errors.New("it is off")

// On tells whether the machine is on.
func (m *Machine) On() bool { return m.current() != nil }

// PowerOff pulls the plug and waits until the machine is off. It is no error
// when it is off already.
func (m *Machine) PowerOff(ctx context.Context) error {
	r := m.current()
	if r == nil {
		return nil
	}
	if err := r.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("machine %s: power off: %w", m.spec.Name, err)
	}
	return r.wait(ctx)
}

// Press presses the power button: the machine's system shuts down, if it
// cares. Wait tells when it is off.
func (m *Machine) Press(ctx context.Context) error {
	return m.do(ctx, "system_powerdown", nil)
}

// Reset presses the reset button. Where something else than usual is to boot
// next, the machine is switched off and on.
func (m *Machine) Reset(ctx context.Context) error {
	m.mu.Lock()
	once := m.next != BootSetup && m.run != nil
	m.mu.Unlock()
	if once {
		if err := m.PowerOff(ctx); err != nil {
			return err
		}
		return m.PowerOn(ctx)
	}
	return m.do(ctx, "system_reset", nil)
}

// Forward adds a forward to the machine's user-mode network number i of its
// NICs.
func (m *Machine) Forward(ctx context.Context, i int, f Forward) error {
	r := m.current()
	if r == nil {
		return fmt.Errorf("machine %s: forward %s: %w", m.spec.Name, f, errOff)
	}
	text, err := r.control.human(ctx, fmt.Sprintf("hostfwd_add net%d %s", i, f))
	if err == nil && text != "" {
		err = errors.New(strings.TrimSpace(text))
	}
	if err != nil {
		return fmt.Errorf("machine %s: forward %s: %w", m.spec.Name, f, err)
	}
	return nil
}

func (m *Machine) do(ctx context.Context, command string, args map[string]any) error {
	r := m.current()
	if r == nil {
		return fmt.Errorf("machine %s: %s: %w", m.spec.Name, command, errOff)
	}
	if err := r.control.do(ctx, command, args, nil); err != nil {
		return fmt.Errorf("machine %s: %w", m.spec.Name, err)
	}
	return nil
}

// Wait waits until the machine is off.
func (m *Machine) Wait(ctx context.Context) error {
	r := m.current()
	if r == nil {
		return nil
	}
	return r.wait(ctx)
}

func (r *run) wait(ctx context.Context) error {
	select {
	case <-r.off:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Attach shows the serial console to a viewer and types what it sends, until
// it hangs up.
func (m *Machine) Attach(viewer io.ReadWriter) error { return m.console.attach(viewer) }

// Activity is how much a machine has done so far. What does not grow has
// stopped.
type Activity struct {
	On       bool          `json:"on"`
	PID      int           `json:"pid,omitempty"`
	CPU      time.Duration `json:"cpu"`      // of QEMU, in this life of the machine
	Resident int64         `json:"resident"` // memory of QEMU, bytes
	Serial   int64         `json:"serial"`   // bytes
	Disk     int64         `json:"disk"`     // bytes read and written, in this life
}

// Activity asks /proc and QEMU.
func (m *Machine) Activity(ctx context.Context) (Activity, error) {
	a := Activity{Serial: m.console.seen.Load()}
	r := m.current()
	if r == nil {
		return a, nil
	}
	a.On, a.PID = true, r.cmd.Process.Pid
	var err error
	if a.CPU, a.Resident, err = usage(a.PID); err != nil {
		return a, fmt.Errorf("machine %s: %w", m.spec.Name, err)
	}
	var stats []struct {
		Stats struct {
			Read  int64 `json:"rd_bytes"`
			Wrote int64 `json:"wr_bytes"`
		} `json:"stats"`
	}
	if err := r.control.do(ctx, "query-blockstats", nil, &stats); err != nil {
		return a, fmt.Errorf("machine %s: %w", m.spec.Name, err)
	}
	for _, s := range stats {
		a.Disk += s.Stats.Read + s.Stats.Wrote
	}
	return a, nil
}
