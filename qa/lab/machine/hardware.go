package machine

import (
	"fmt"
	"slices"
)

// Bus is how a disk is attached.
type Bus string

// The buses that disks of servers are on.
const (
	Virtio Bus = ""
	NVMe   Bus = "nvme"
	ATA    Bus = "ata"
	SCSI   Bus = "scsi"
)

// checkHardware checks what is not about firmware and networks.
func (s *Spec) checkHardware() error {
	sockets := max(s.Sockets, 1)
	if s.Sockets < 0 || s.CPUs%sockets != 0 || s.MemoryMiB%sockets != 0 {
		return fmt.Errorf("machine %s: %d sockets; allowed: a number that divides %d CPUs and %d MiB", s.Name, s.Sockets, s.CPUs, s.MemoryMiB)
	}
	if s.BMC != nil && !s.BMC.Address.Is4() {
		return fmt.Errorf("machine %s: BMC at %s; allowed: an IPv4 address", s.Name, s.BMC.Address)
	}
	for _, d := range s.Disks {
		if !slices.Contains([]Bus{Virtio, NVMe, ATA, SCSI}, d.Bus) {
			return fmt.Errorf("machine %s: disk %s: bus %q; allowed: empty, %s, %s, %s", s.Name, d.Serial, d.Bus, NVMe, ATA, SCSI)
		}
		if d.Socket < 0 || d.Socket >= sockets || d.Socket > 0 && d.Bus != NVMe {
			return fmt.Errorf("machine %s: disk %s: socket %d; allowed: one of %d, and 0 alone unless it is %s", s.Name, d.Serial, d.Socket, sockets, NVMe)
		}
	}
	return nil
}

// hardware is processors, memory, controllers of disks, TPM and BMC.
func (s *Spec) hardware() []string {
	args := s.sockets()
	if slices.ContainsFunc(s.Disks, func(d Disk) bool { return d.Bus == SCSI }) {
		args = append(args, "-device", "virtio-scsi-pci,id=scsi")
	}
	if s.TPM {
		args = append(args, "-chardev", fmt.Sprintf("socket,id=tpm,fd=%d", 5+s.switched()),
			"-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm0")
	}
	if s.BMC != nil {
		args = append(args, "-chardev", "socket,id=bmc,server=on,wait=off,path="+bmcSocket,
			"-device", "ipmi-bmc-extern,id=bmc0,chardev=bmc", "-device", "isa-ipmi-kcs,bmc=bmc0")
	}
	return args
}

// switched is how many NICs are in ports of a switch. Their descriptors come
// behind those of control and serial line, and before that of the TPM.
func (s *Spec) switched() int {
	n := 0
	for _, c := range s.NICs {
		if c.Port != nil {
			n++
		}
	}
	return n
}

// sockets shares processors and memory out.
func (s *Spec) sockets() []string {
	if s.Sockets < 2 {
		return []string{"-smp", fmt.Sprint(s.CPUs), "-m", fmt.Sprint(s.MemoryMiB)}
	}
	each := s.CPUs / s.Sockets
	args := []string{"-smp", fmt.Sprintf("%d,sockets=%d,cores=%d", s.CPUs, s.Sockets, each), "-m", fmt.Sprint(s.MemoryMiB)}
	for i := range s.Sockets {
		args = append(args,
			"-object", fmt.Sprintf("memory-backend-ram,id=mem%d,size=%dM", i, s.MemoryMiB/s.Sockets),
			"-numa", fmt.Sprintf("node,nodeid=%d,cpus=%d-%d,memdev=mem%d", i, i*each, (i+1)*each-1, i))
	}
	return args
}

// far are the PCI buses of all sockets but the first, and the disks there.
// They come last: QEMU puts what asks for no bus on the newest one.
func (s *Spec) far() []string {
	var args []string
	for i := 1; i < s.Sockets; i++ {
		args = append(args, "-device", fmt.Sprintf("pxb-pcie,id=far%d,bus=pcie.0,bus_nr=%d,numa_node=%d", i, 0x20*i, i))
	}
	for i, d := range s.Disks {
		if d.Socket > 0 {
			args = append(args, "-device", fmt.Sprintf("pcie-root-port,id=slot%d,bus=far%d,chassis=%d", i, d.Socket, 10+i),
				"-device", fmt.Sprintf("nvme,bus=slot%d,%s", i, d.properties(i)))
		}
	}
	return args
}

// properties are those that all disks have.
func (d *Disk) properties(i int) string {
	return fmt.Sprintf("id=%s,drive=disk%d,serial=%s%s", diskID(i), i, d.Serial, bootIndex(d.BootIndex))
}

// device is the disk itself, number i of the machine's, unless it is far.
func (d *Disk) device(i int) []string {
	switch {
	case d.Socket > 0:
		return nil
	case d.Bus == NVMe:
		return []string{"-device", "nvme," + d.properties(i)}
	case d.Bus == ATA: // CD drives are on the first ports
		return []string{"-device", fmt.Sprintf("ide-hd,bus=ide.%d,%s", 5-i%6, d.properties(i))}
	case d.Bus == SCSI:
		return []string{"-device", fmt.Sprintf("scsi-hd,bus=scsi.0,lun=%d,wwn=%#x,%s", i, 0x5000c50000000000+i, d.properties(i))}
	}
	return []string{"-object", fmt.Sprintf("iothread,id=io%d", i),
		"-device", fmt.Sprintf("virtio-blk-pci,iothread=io%d,%s", i, d.properties(i))}
}
