package guest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests of /dev/kvm (Linux, include/uapi/linux/kvm.h).
const (
	kvmGetAPIVersion       = 0xae00
	kvmCreateVM            = 0xae01
	kvmGetVCPUMapSize      = 0xae04
	kvmCreateVCPU          = 0xae41
	kvmSetTSSAddr          = 0xae47
	kvmRun                 = 0xae80
	kvmSetUserMemoryRegion = 0x4020ae46
	kvmSetRegs             = 0x4090ae82
	kvmGetSregs            = 0x8138ae83
	kvmSetSregs            = 0x4138ae84
	kvmGetSupportedCPUID   = 0xc008ae05
	kvmSetCPUID2           = 0x4008ae90

	kvmAPIVersion = 12
	kvmExitIO     = 2
)

// Places in the probe's memory, in bytes.
const (
	probeMemory = 8 << 20
	probeCode   = 0x1000
	probePML4   = 0x2000
	probePDPT   = 0x3000
	probePD     = 0x4000
)

// What the probe says, and where, when it has come to its end.
const (
	probePort = 0x10
	probeWord = 'K'
)

// probeProgram does in few instructions what a kernel does when it starts: it
// goes from real mode to 64-bit mode with paging, then asks the processor for
// its features, reads the clock, writes memory and drops the address cache, a
// thousand times each.
//
//	cli; lgdt gdtr; cr4 |= PAE; cr3 = 0x2000; EFER |= LME; cr0 |= PG|PE; ljmp 8:long
//	long:  ds = es = ss = 16; rsp = 0x8000; rdi = 1000
//	again: cpuid; rdtsc; push rax; pop rbx; [0x400000+rdi*8] = rdi; cr3 = cr3; rdi--; jnz again
//	       al = 'K'; out 0x10, al
//	stop:  hlt; jmp stop
//	gdt:   0, 64-bit code, data
var probeProgram = [...]byte{
	0xfa, 0x66, 0x0f, 0x01, 0x16, 0x98, 0x10, 0x0f, 0x20, 0xe0, 0x66, 0x83,
	0xc8, 0x20, 0x0f, 0x22, 0xe0, 0x66, 0xb8, 0x00, 0x20, 0x00, 0x00, 0x0f,
	0x22, 0xd8, 0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32, 0x66, 0x0d,
	0x00, 0x01, 0x00, 0x00, 0x0f, 0x30, 0x0f, 0x20, 0xc0, 0x66, 0x0d, 0x01,
	0x00, 0x00, 0x80, 0x0f, 0x22, 0xc0, 0x66, 0xea, 0x3e, 0x10, 0x00, 0x00,
	0x08, 0x00, 0xb9, 0x10, 0x00, 0x00, 0x00, 0x8e, 0xd9, 0x8e, 0xc1, 0x8e,
	0xd1, 0x48, 0xc7, 0xc4, 0x00, 0x80, 0x00, 0x00, 0x48, 0xc7, 0xc7, 0xe8,
	0x03, 0x00, 0x00, 0x31, 0xc0, 0x0f, 0xa2, 0x0f, 0x31, 0x50, 0x5b, 0x48,
	0x89, 0x3c, 0xfd, 0x00, 0x00, 0x40, 0x00, 0x0f, 0x20, 0xd8, 0x0f, 0x22,
	0xd8, 0x48, 0xff, 0xcf, 0x75, 0xe5, 0xb0, probeWord, 0xe6, probePort, 0xf4, 0xeb,
	0xfd, 0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0x00, 0x00, 0x00, 0x9b, 0xaf, 0x00,
	0xff, 0xff, 0x00, 0x00, 0x00, 0x93, 0xcf, 0x00, 0x17, 0x00, 0x80, 0x10,
	0x00, 0x00,
}

// ProbeKVM runs a small program under KVM. It may never return: give it a
// process of its own, see [KVMWorks].
func ProbeKVM() error {
	runtime.LockOSThread() // a virtual processor belongs to a thread
	defer runtime.UnlockOSThread()
	kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer kvm.Close()
	version, err := ioctl(kvm.Fd(), kvmGetAPIVersion, 0)
	if err != nil {
		return fmt.Errorf("ask KVM for its version: %w", err)
	}
	if version != kvmAPIVersion {
		return fmt.Errorf("KVM's version is %d; allowed: %d", version, kvmAPIVersion)
	}
	vm, err := ioctl(kvm.Fd(), kvmCreateVM, 0)
	if err != nil {
		return fmt.Errorf("make a machine: %w", err)
	}
	if err := loadProbe(vm); err != nil {
		return err
	}
	cpu, err := ioctl(vm, kvmCreateVCPU, 0)
	if err != nil {
		return fmt.Errorf("make a processor: %w", err)
	}
	if err := resetProbe(kvm.Fd(), cpu); err != nil {
		return err
	}
	size, err := ioctl(kvm.Fd(), kvmGetVCPUMapSize, 0)
	if err != nil {
		return fmt.Errorf("size of the processor's state: %w", err)
	}
	state, err := unix.Mmap(int(cpu), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map the processor's state: %w", err)
	}
	return runProbe(cpu, state)
}

func ioctl(fd, request, arg uintptr) (uintptr, error) {
	r, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, request, arg)
	if errno != 0 {
		return 0, errno
	}
	return r, nil
}

func ioctlPointer(fd, request uintptr, p unsafe.Pointer) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(p))
	if errno != 0 {
		return errno
	}
	return nil
}

// loadProbe gives the machine memory with the program and page tables that
// map all of it to itself.
func loadProbe(vm uintptr) error {
	mem, err := unix.Mmap(-1, 0, probeMemory, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("map memory: %w", err)
	}
	const present, large = 0b11, 1 << 7
	copy(mem[probeCode:], probeProgram[:])
	binary.LittleEndian.PutUint64(mem[probePML4:], probePDPT|present)
	binary.LittleEndian.PutUint64(mem[probePDPT:], probePD|present)
	for i := range uint64(probeMemory >> 21) {
		binary.LittleEndian.PutUint64(mem[probePD+8*i:], i<<21|present|large)
	}
	if _, err := ioctl(vm, kvmSetTSSAddr, 0xfffbd000); err != nil {
		return fmt.Errorf("reserve KVM's own pages: %w", err)
	}
	region := struct {
		slot, flags          uint32
		guest, size, address uint64
	}{size: probeMemory, address: uint64(uintptr(unsafe.Pointer(&mem[0])))}
	if err := ioctlPointer(vm, kvmSetUserMemoryRegion, unsafe.Pointer(&region)); err != nil {
		return fmt.Errorf("give memory: %w", err)
	}
	return nil
}

// resetProbe sets the processor to the program's start, in real mode, with
// all features that KVM has.
func resetProbe(kvm, cpu uintptr) error {
	const entries, entryLength = 256, 40
	var features [8 + entries*entryLength]byte
	binary.LittleEndian.PutUint32(features[:], entries)
	if err := ioctlPointer(kvm, kvmGetSupportedCPUID, unsafe.Pointer(&features[0])); err != nil {
		return fmt.Errorf("ask for features: %w", err)
	}
	if err := ioctlPointer(cpu, kvmSetCPUID2, unsafe.Pointer(&features[0])); err != nil {
		return fmt.Errorf("set features: %w", err)
	}
	var sregs [312]byte
	if err := ioctlPointer(cpu, kvmGetSregs, unsafe.Pointer(&sregs[0])); err != nil {
		return fmt.Errorf("read registers: %w", err)
	}
	clear(sregs[0:8])   // cs.base
	clear(sregs[12:14]) // cs.selector
	if err := ioctlPointer(cpu, kvmSetSregs, unsafe.Pointer(&sregs[0])); err != nil {
		return fmt.Errorf("set registers: %w", err)
	}
	var regs [18]uint64
	regs[16], regs[17] = probeCode, 2 // rip, rflags
	if err := ioctlPointer(cpu, kvmSetRegs, unsafe.Pointer(&regs[0])); err != nil {
		return fmt.Errorf("set registers: %w", err)
	}
	return nil
}

// runProbe runs the program to its end.
func runProbe(cpu uintptr, state []byte) error {
	for {
		_, err := ioctl(cpu, kvmRun, 0)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("run: %w", err)
		}
		reason := binary.LittleEndian.Uint32(state[8:])
		if reason != kvmExitIO {
			return fmt.Errorf("the probe left KVM for reason %d; wanted: %d", reason, kvmExitIO)
		}
		port := binary.LittleEndian.Uint16(state[34:])
		data := binary.LittleEndian.Uint64(state[40:])
		if port != probePort || data >= uint64(len(state)) || state[data] != probeWord {
			return fmt.Errorf("the probe wrote to port %#x; wanted: %#x", port, probePort)
		}
		return nil
	}
}
