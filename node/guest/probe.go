package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/node/host"
)

// A Probe finds out whether QEMU runs guests with an accelerator: it boots a
// real kernel and has it run a program. To open /dev/kvm, or to run a few
// instructions, is not enough: a KVM without virtualisation in the processor
// emulates what it knows of a kernel and hangs where its knowledge ends.
type Probe struct {
	Accel  string // of QEMU: "kvm"
	CPU    string // QEMU's model of the processor: "host"
	Kernel string // file of a Linux kernel, like [RunningKernel]
	QEMU   string // the program
	// Silence is how long a kernel may take from one word to the next, Limit
	// how long in all. Under KVM the whole takes about a second.
	Silence, Limit time.Duration
}

// KVM probes for what QEMU's guests use: see qemuDomain.
func KVM(kernel string) Probe {
	return Probe{
		Accel: "kvm", CPU: "host", Kernel: kernel, QEMU: "qemu-system-x86_64",
		Silence: 20 * time.Second, Limit: 2 * time.Minute,
	}
}

// An Answer is what a probe has found.
type Answer struct {
	Works  bool   `json:"works"`
	Reason string `json:"reason"` // for people; never empty
}

func no(format string, args ...any) Answer { return Answer{Reason: fmt.Sprintf(format, args...)} }

// Run probes. QEMU is a process of its own and is killed as soon as the answer
// is known. An error means that there is no answer: ctx has ended.
func (p Probe) Run(ctx context.Context) (Answer, error) {
	if why := p.lacks(); why != "" {
		return no("%s", why), nil
	}
	initrd, err := writePayload()
	if err != nil {
		return no("the probe of %s could not be made: %v", p.name(), err), nil
	}
	answer, err := p.watch(ctx, initrd)
	return answer, errors.Join(err, os.Remove(initrd))
}

// lacks says what has to be there and is not.
func (p Probe) lacks() string {
	if _, err := os.Stat("/dev/kvm"); err != nil && p.Accel == "kvm" {
		return "this machine has no /dev/kvm"
	}
	if _, err := os.Stat(p.Kernel); err != nil {
		return fmt.Sprintf("there is no kernel to try %s with: %v", p.name(), err)
	}
	return ""
}

// name is the accelerator as people write it.
func (p Probe) name() string { return strings.ToUpper(p.Accel) }

// watch runs QEMU until the answer is known.
func (p Probe) watch(outer context.Context, initrd string) (Answer, error) {
	ctx, end := context.WithCancelCause(outer)
	defer end(nil)
	t := &transcript{probe: p, end: end}
	stop := t.start()
	defer stop()
	runtime.LockOSThread() // QEMU ends with us, that is with this thread
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, p.QEMU, p.arguments(initrd)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stdout, cmd.Stderr = t, (*complaints)(t)
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	var verdict *verdict
	switch {
	case errors.As(context.Cause(ctx), &verdict):
		return verdict.answer, nil
	case outer.Err() != nil:
		return Answer{}, context.Cause(outer)
	default:
		return no("QEMU ended before a kernel had started under %s: %v%s", p.name(), err, t.complaint()), nil
	}
}

// arguments are those of a guest, as far as it matters to a kernel, and a
// second processor: to start one is where some fail. The early console shows
// that a kernel works before it knows its devices.
func (p Probe) arguments(initrd string) []string {
	return []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-machine", "pc,usb=off,dump-guest-core=off", "-accel", p.Accel, "-cpu", p.CPU, "-smp", "2", "-m", "256",
		"-serial", "stdio", "-kernel", p.Kernel, "-initrd", initrd,
		"-append", "console=ttyS0 earlyprintk=serial,ttyS0,115200 panic=-1",
	}
}

func writePayload() (string, error) {
	content, err := payload()
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp("", "cairn-probe-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// RunningKernel is the file of the kernel that this machine runs, where the
// image (the first) or a Debian machine has it.
func RunningKernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	release := string(bytes.TrimRight(u.Release[:], "\x00"))
	files := []string{filepath.Join("/usr/lib/modules", release, "vmlinuz"), "/boot/vmlinuz-" + release}
	for _, f := range files {
		if _, err := os.Stat(f); err == nil {
			return f
		}
	}
	return files[0]
}

// A remembered answer holds for one start of the machine.
type remembered struct {
	Boot string `json:"boot"`
	Answer
}

// Once returns the answer of this start of the machine from file. If there is
// none, it asks, and keeps what it is told.
func Once(ctx context.Context, file, boot string, ask func(context.Context) (Answer, error)) (Answer, error) {
	var r remembered
	if err := host.ReadJSON(file, &r); err == nil && r.Boot == boot && r.Reason != "" {
		return r.Answer, nil
	}
	a, err := ask(ctx)
	if err != nil {
		return a, err
	}
	return a, host.WriteJSON(file, remembered{Boot: boot, Answer: a}, 0o644)
}
