package private

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopPatience is how long a server may take to stop before it is killed.
const stopPatience = 60 * time.Second

// A process is a program that we started and that ends with us.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the program has ended
}

// start runs the command in a process group of its own, and has the kernel
// send it SIGTERM when this process ends in whatever way. That signal hangs on
// the thread that started the program, so one goroutine keeps its thread until
// the program has ended.
func start(cmd *exec.Cmd) (*process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // how it ended is in ProcessState
		close(p.done)
	}()
	return p, <-started
}

// ended tells whether the program has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop asks the program to end, and makes it end when it does not. What it
// left in its process group goes too.
func (p *process) stop() error {
	group := -p.cmd.Process.Pid
	defer func() {
		_ = syscall.Kill(group, syscall.SIGKILL) // an error: there was nothing left
	}()
	if p.ended() {
		return nil
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(stopPatience):
		return fmt.Errorf("%s did not stop within %v and was killed", filepath.Base(p.cmd.Path), stopPatience)
	}
}

// kill ends the program as a crash does.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.done
	return nil
}

// waitFor calls ready until it succeeds. It gives up when the program ends or
// the context does.
func (p *process) waitFor(ctx context.Context, ready func(context.Context) error) error {
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last: %w", ctx.Err(), err)
		case <-p.done:
			return fmt.Errorf("it ended (%s); last: %w", p.cmd.ProcessState, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// An owner is the account that a server runs as.
type owner struct {
	name string
	cred *syscall.Credential // nil: the caller's own
}

// ownerOf is who runs a server below the directory: the named account when we
// are root and the account can get there, else the caller.
func ownerOf(name, dir string) (owner, error) {
	if os.Geteuid() != 0 || !othersReach(dir) {
		u, err := user.Current()
		if err != nil {
			return owner{}, err
		}
		return owner{name: u.Username}, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return owner{}, fmt.Errorf("account %s, which the package of the server makes: %w", name, err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return owner{}, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return owner{}, err
	}
	return owner{name: name, cred: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

// command prepares a program that runs as the owner.
func (o owner) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	if o.cred != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: o.cred}
	}
	return cmd
}

// own gives a file or a whole directory to the owner.
func (o owner) own(path string) error {
	if o.cred == nil {
		return nil
	}
	return filepath.WalkDir(path, func(p string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(p, int(o.cred.Uid), int(o.cred.Gid))
	})
}

// othersReach tells whether every account may pass through the directories
// above dir.
func othersReach(dir string) bool {
	for dir != "/" {
		dir = filepath.Dir(dir)
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
	}
	return true
}

// freePort is a TCP port on 127.0.0.1 that nobody listens on at the moment.
func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// onFreePort starts a server, and again on another port when somebody else was
// faster to take the first. That is what its log says then.
func onFreePort(ctx context.Context, start func() error, log string) error {
	const tries = 4
	for try := 1; ; try++ {
		err := start()
		if err == nil || try == tries || ctx.Err() != nil || !portTaken(tail(log)) {
			return err
		}
	}
}

// portTaken tells whether the log of MariaDB or RabbitMQ says so.
func portTaken(log string) bool {
	for _, words := range []string{"Address already in use", "eaddrinuse", "dist_port_already_used"} {
		if strings.Contains(log, words) {
			return true
		}
	}
	return false
}

// tail is the end of a log file, for error messages.
func tail(path string) string {
	const most = 2000
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-most):])
}
