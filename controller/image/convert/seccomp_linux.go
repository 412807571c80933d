package convert

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refused are system calls that a conversion has no use for: they fail with
// EPERM.
func refused() []uint32 {
	return []uint32{
		unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT, unix.SYS_ACCEPT4,
		unix.SYS_SENDTO, unix.SYS_SENDMSG, unix.SYS_SENDMMSG, unix.SYS_IO_URING_SETUP,
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_UNSHARE, unix.SYS_SETNS,
		unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN, unix.SYS_MOUNT_SETATTR,
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_REBOOT,
		unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
		unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_SHMGET, unix.SYS_MSGGET, unix.SYS_MQ_OPEN,
	}
}

// machines are the kernel's names of processors; a call in another one's
// dialect ends the program.
func machines() map[string]uint32 {
	return map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}
}

// Where the kernel's struct seccomp_data has the call and the processor; x32 is
// the bit of amd64's third dialect.
const (
	atCall    = 0
	atMachine = 4
	x32       = 0x40000000
)

// program is the filter: a list of comparisons, in the kernel's own language.
func program() []unix.SockFilter {
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	answer := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	list := []unix.SockFilter{
		load(atMachine),
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, K: machines()[runtime.GOARCH]},
		answer(unix.SECCOMP_RET_KILL_PROCESS),
		load(atCall),
		{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, Jf: 1, K: x32},
		answer(unix.SECCOMP_RET_KILL_PROCESS),
	}
	for _, call := range refused() {
		list = append(list,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: call},
			answer(unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM)))
	}
	return append(list, answer(unix.SECCOMP_RET_ALLOW))
}

// filterCalls puts the filter on this thread.
func filterCalls() error {
	list := program()
	prog := unix.SockFprog{Len: uint16(len(list)), Filter: &list[0]}                                       //nolint:gosec // some hundred
	err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0) //nolint:gosec // the kernel's interface
	runtime.KeepAlive(list)
	return err
}
