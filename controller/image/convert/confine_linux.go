package convert

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A fence is what a program may touch besides its own program files.
type fence struct {
	read  []string // files
	write string   // a directory
}

// killsAll makes a cancelled context kill a command with all that it started.
func killsAll(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
}

// runConfined runs a command to its end on a thread that has given its rights
// up. The thread ends with it: the goroutine never lets it go.
func runConfined(cmd *exec.Cmd, f fence) error {
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := f.confine()
		if err == nil {
			err = cmd.Run()
		}
		if cmd.Process != nil {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it has started and left, if anything
		}
		ended <- err
	}()
	return <-ended
}

// minLandlock is the version that knows of truncation.
const minLandlock = 3

// everything is all that Landlock can take away of files, by its version.
func everything(version int) uint64 {
	rights := uint64(unix.LANDLOCK_ACCESS_FS_TRUNCATE<<1 - 1)
	if version >= 5 {
		rights |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	return rights
}

const (
	mayRead  = unix.LANDLOCK_ACCESS_FS_READ_FILE
	mayUse   = mayRead | unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_EXECUTE
	mayWrite = mayRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_READ_DIR
)

// programs are where a program's own files are.
func programs() []string { return []string{"/usr", "/lib", "/lib64", "/bin"} }

// settings are files that the loader of programs reads.
func settings() []string { return []string{"/etc/ld.so.cache", "/dev/null", "/dev/zero"} }

func landlockVersion() (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, fmt.Errorf("landlock: %w", errno)
	}
	return int(n), nil
}

// confinable tells why programs cannot be confined here.
func confinable() error {
	if _, ok := machines()[runtime.GOARCH]; !ok {
		return fmt.Errorf("no filter of system calls for %s", runtime.GOARCH)
	}
	version, err := landlockVersion()
	if err == nil && version < minLandlock {
		err = fmt.Errorf("landlock has version %d; wanted: %d", version, minLandlock)
	}
	return err
}

// confine takes the rights of this thread, and of what it starts, for good.
func (f fence) confine() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if err := f.landlock(); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	if err := filterCalls(); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	return nil
}

func (f fence) landlock() (err error) {
	version, err := landlockVersion()
	if err != nil {
		return err
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: everything(version)}
	size := unsafe.Sizeof(attr.Handled_access_fs)
	if version >= 4 {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
		size += unsafe.Sizeof(attr.Handled_access_net)
	}
	if version >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
		size += unsafe.Sizeof(attr.Scoped)
	}
	rules, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0) //nolint:gosec // the kernel's interface
	if errno != 0 {
		return errno
	}
	defer func() { err = errors.Join(err, unix.Close(int(rules))) }()
	for rights, paths := range map[uint64][]string{mayUse: programs(), mayRead: append(settings(), f.read...), mayWrite: {f.write}} {
		for _, p := range paths {
			if err := allow(int(rules), p, rights); err != nil && (!errors.Is(err, os.ErrNotExist) || rights == mayWrite) {
				return fmt.Errorf("%s: %w", p, err)
			}
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, rules, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// allow gives rights below a path.
func allow(rules int, path string, rights uint64) (err error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	attr := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}                                                                 //nolint:gosec // descriptors are small
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(rules), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&attr)), 0, 0, 0) //nolint:gosec // the kernel's interface
	if errno != 0 {
		return errno
	}
	return nil
}
