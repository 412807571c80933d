package machine

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/cairn-cloud/cairn/qa/lab/fabric"
)

// Firmware is what a machine runs first.
type Firmware string

// The firmwares: SeaBIOS and OVMF.
const (
	BIOS Firmware = "bios"
	UEFI Firmware = "uefi"
)

// A Spec is what a machine consists of. Boot indexes are 1 for what is tried
// first; 0 is never tried.
type Spec struct {
	Name      string
	Dir       string // its own, made when absent; files of disks are relative to it
	CPUs      int
	MemoryMiB int
	Accel     Accel  // default TCG
	CPU       string // QEMU's CPU model; default DefaultCPU, under KVM the host's
	CacheMiB  int    // for code that TCG has translated; default 256
	Firmware  Firmware
	UUID      string // SMBIOS
	Serial    string // SMBIOS
	Sockets   int    // of processors, each with its memory and its PCI bus; default 1
	TPM       bool   // a TPM 2.0 (needs swtpm); what it holds is in Dir
	BMC       *BMC   // nil: none
	Disks     []Disk
	CDROMs    []CDROM
	NICs      []NIC

	// Gateway makes this no computer at all: it joins its only NIC's switch
	// port to a user-mode network, so that forwards lead to the machines there.
	// Name, Dir and that NIC are all that counts besides.
	Gateway *User

	// Kernel boots directly, without firmware's help. For tests.
	Kernel, Initrd, Append string
}

// DefaultCPU translates fast: no wide vectors, which TCG emulates element by
// element and for which kernels run long self-tests, but AES and SSE 4, which
// spare software much.
const DefaultCPU = "qemu64,+x2apic,+ssse3,+sse4.1,+sse4.2,+popcnt,+aes,+pclmulqdq,+rdrand"

// A Disk is a disk in a sparse raw file.
type Disk struct {
	File      string
	Bus       Bus // default Virtio
	Socket    int // whose PCI bus an NVMe disk hangs on, from 0
	SizeGiB   int // of the file, when it has to be made
	Serial    string
	BootIndex int
	// Record is an existing empty file that takes down every write, discard and
	// flush of the machine, in the format of Linux's dm-log-writes; empty: none.
	Record string
}

// A CDROM is an optical drive.
type CDROM struct {
	File      string // of the disc in it; empty: none
	BootIndex int
}

// A NIC is a network card in a port of a switch, or in a user-mode network of
// its own.
type NIC struct {
	MAC       string
	Model     string // QEMU's name; default virtio-net-pci
	Port      *fabric.Port
	User      *User
	BootIndex int
}

// User is QEMU's user-mode network: DHCP, and ports of this host's loopback
// that lead to the machine. The machine can't reach anything through it.
type User struct {
	Network  netip.Prefix // of the network; default 10.0.2.0/24
	Forwards []Forward
	Services []Service
}

// A Service answers TCP connections to an address of the network that nobody
// has: the command is started for each of them, which is its input and output.
type Service struct {
	Address netip.AddrPort
	Command []string
}

// String is what QEMU calls it, with the command as a shell would quote it.
func (s Service) String() string {
	var words []string
	for _, w := range s.Command {
		words = append(words, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
	}
	return fmt.Sprintf("tcp:%s:%d-cmd:%s", s.Address.Addr(), s.Address.Port(), strings.Join(words, " "))
}

// A Forward leads from a TCP port of this host's 127.0.0.1 to one of the
// machine, at its address in the network; an invalid address is whatever the
// machine got by DHCP.
type Forward struct {
	From    int
	To      int
	Address netip.Addr
}

func (f Forward) String() string {
	to := ""
	if f.Address.IsValid() {
		to = f.Address.String()
	}
	return fmt.Sprintf("tcp:127.0.0.1:%d-%s:%d", f.From, to, f.To)
}

func (s *Spec) check() error {
	switch {
	case s.Name == "" || s.Dir == "":
		return errors.New("machine: name or dir is empty")
	case s.Gateway != nil && (len(s.NICs) != 1 || s.NICs[0].Port == nil):
		return fmt.Errorf("machine %s: a gateway has one NIC, in a switch port", s.Name)
	case s.Gateway != nil:
		return nil
	case s.CPUs < 1:
		return fmt.Errorf("machine %s: %d CPUs; allowed: 1 or more", s.Name, s.CPUs)
	case s.MemoryMiB < 64:
		return fmt.Errorf("machine %s: %d MiB of memory; allowed: 64 or more", s.Name, s.MemoryMiB)
	case s.Firmware != BIOS && s.Firmware != UEFI:
		return fmt.Errorf("machine %s: firmware %q; allowed: %s, %s", s.Name, s.Firmware, BIOS, UEFI)
	case s.Accel != "" && s.Accel != TCG && s.Accel != KVM:
		return fmt.Errorf("machine %s: accelerator %q; allowed: %s, %s", s.Name, s.Accel, TCG, KVM)
	}
	if err := s.checkHardware(); err != nil {
		return err
	}
	for _, n := range s.NICs {
		if (n.Port == nil) == (n.User == nil) {
			return fmt.Errorf("machine %s: NIC %s needs a switch port or a user-mode network, one of them", s.Name, n.MAC)
		}
	}
	return nil
}
