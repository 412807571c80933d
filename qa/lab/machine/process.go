package machine

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Launcher starts processes that end with this one, even when it is killed.
// The kernel ties a child's life to the thread that made it, so all of them
// are made by one thread, which lives as long as the program.
type Launcher struct{ work chan func() }

// NewLauncher starts the thread. There is no way to end it but to exit.
func NewLauncher() *Launcher {
	l := &Launcher{work: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for do := range l.work {
			do()
		}
	}()
	return l
}

// start starts a command whose end comes with ours.
func (l *Launcher) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	result := make(chan error)
	l.work <- func() { result <- cmd.Start() }
	return <-result
}

// usage is what a process has used so far, from /proc/PID.
func usage(pid int) (cpu time.Duration, resident int64, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("usage of process %d: %w", pid, err)
	}
	// The second field is the command in parentheses and may hold anything.
	_, after, ok := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	if !ok || len(fields) < 22 {
		return 0, 0, fmt.Errorf("usage of process %d: stat is %q", pid, stat)
	}
	var n [3]int64
	for i, field := range []int{11, 12, 21} { // utime, stime, rss: man 5 proc
		if n[i], err = strconv.ParseInt(fields[field], 10, 64); err != nil {
			return 0, 0, fmt.Errorf("usage of process %d: %w", pid, err)
		}
	}
	const tick = time.Second / 100 // USER_HZ, the same on all of Linux
	return time.Duration(n[0]+n[1]) * tick, n[2] * int64(os.Getpagesize()), nil
}
