package guest

import (
	"github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"github.com/cairn-cloud/cairn/node/spec"
)

// NewQEMU returns the driver for QEMU machines over the libvirtd at socket.
// kvm tells whether KVM has been shown to work, reason why not.
func NewQEMU(socket string, kvm bool, reason string) *Libvirt {
	accel := "tcg"
	if kvm {
		accel = "kvm"
	}
	return &Libvirt{
		socket: socket, uri: "qemu:///system", grace: grace,
		about: spec.Hypervisor{Driver: spec.DriverQEMU, Accel: accel, Reason: reason},
		undefine: libvirt.DomainUndefineManagedSave | libvirt.DomainUndefineSnapshotsMetadata |
			libvirt.DomainUndefineCheckpointsMetadata | libvirt.DomainUndefineNvram,
		document: func(s Spec) (*libvirtxml.Domain, error) { return qemuDomain(s, kvm), nil },
	}
}

// defaultArgs boots the first disk as a file system, as the image formats
// aki, ari and ami want it.
const defaultArgs = "console=ttyS0 root=/dev/vda"

// qemuDomain has the devices that a guest needs and no others: under
// emulation each of them costs boot time, and each is something to break out
// of.
func qemuDomain(s Spec, kvm bool) *libvirtxml.Domain {
	kind, cpu := "qemu", emulatedCPU()
	if kvm {
		kind, cpu = "kvm", &libvirtxml.DomainCPU{Mode: "host-passthrough", Check: "none"}
	}
	port := uint(0)
	return &libvirtxml.Domain{
		Type: kind, Name: namePrefix + s.ID, UUID: s.ID, Title: title(s.Name),
		Memory:     &libvirtxml.DomainMemory{Value: uint(s.MemoryMiB), Unit: "MiB"},
		VCPU:       &libvirtxml.DomainVCPU{Value: uint(s.VCPUs)},
		OS:         qemuOS(s),
		Features:   &libvirtxml.DomainFeatureList{ACPI: &libvirtxml.DomainFeature{}, APIC: &libvirtxml.DomainFeatureAPIC{}},
		CPU:        cpu,
		Clock:      &libvirtxml.DomainClock{Offset: "utc", Timer: []libvirtxml.DomainTimer{{Name: "hpet", Present: "no"}}},
		OnPoweroff: "destroy", OnReboot: "restart", OnCrash: "destroy",
		Devices: &libvirtxml.DomainDeviceList{
			Disks:       qemuDisks(s.Disk),
			Controllers: []libvirtxml.DomainController{{Type: "usb", Index: new(uint), Model: "none"}},
			Interfaces:  qemuNICs(s.NICs),
			Serials: []libvirtxml.DomainSerial{{
				Source: &libvirtxml.DomainChardevSource{File: &libvirtxml.DomainChardevSourceFile{Path: s.Console, Append: "on"}},
				Target: &libvirtxml.DomainSerialTarget{Port: &port},
			}},
			Videos:     []libvirtxml.DomainVideo{{Model: libvirtxml.DomainVideoModel{Type: "none"}}},
			MemBalloon: &libvirtxml.DomainMemBalloon{Model: "none"},
		},
	}
}

// emulatedCPU is the plainest processor that kernels boot on quickly. Without
// its random numbers a guest waits for minutes until it has collected some.
func emulatedCPU() *libvirtxml.DomainCPU {
	return &libvirtxml.DomainCPU{
		Mode: "custom", Match: "exact", Check: "none",
		Model:    &libvirtxml.DomainCPUModel{Fallback: "allow", Value: "qemu64"},
		Features: []libvirtxml.DomainCPUFeature{{Policy: "require", Name: "x2apic"}, {Policy: "require", Name: "rdrand"}},
	}
}

func qemuOS(s Spec) *libvirtxml.DomainOS {
	o := &libvirtxml.DomainOS{Type: &libvirtxml.DomainOSType{Arch: "x86_64", Machine: "pc", Type: "hvm"}}
	if s.Kernel == "" {
		o.BootDevices = []libvirtxml.DomainBootDevice{{Dev: "hd"}}
		return o
	}
	o.Kernel, o.Initrd, o.Cmdline = s.Kernel, s.Ramdisk, s.Args
	if o.Cmdline == "" {
		o.Cmdline = defaultArgs
	}
	return o
}

// qemuDisks names the whole chain with its formats and ends it, so that
// nothing is learned from what the disk says of itself. The backing file is
// shared by guests: its owner stays root.
func qemuDisks(d *Disk) []libvirtxml.DomainDisk {
	if d == nil {
		return nil
	}
	chain := &libvirtxml.DomainDiskBackingStore{}
	if d.Backing != "" {
		chain = &libvirtxml.DomainDiskBackingStore{
			Format: &libvirtxml.DomainDiskFormat{Type: d.BackingFormat},
			Source: &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{
				File: d.Backing, SecLabel: []libvirtxml.DomainDeviceSecLabel{{Model: "dac", Relabel: "no"}},
			}},
			BackingStore: &libvirtxml.DomainDiskBackingStore{},
		}
	}
	return []libvirtxml.DomainDisk{{
		Device:       "disk",
		Driver:       &libvirtxml.DomainDiskDriver{Name: "qemu", Type: d.Format, Cache: "none", Discard: "unmap"},
		Source:       &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: d.Path}},
		BackingStore: chain,
		Target:       &libvirtxml.DomainDiskTarget{Dev: "vda", Bus: "virtio"},
	}}
}

// qemuNICs use tap devices that are there already, with VLAN and rules set,
// before the guest can send anything.
func qemuNICs(nics []NIC) []libvirtxml.DomainInterface {
	var all []libvirtxml.DomainInterface
	for _, n := range nics {
		all = append(all, libvirtxml.DomainInterface{
			MAC:    &libvirtxml.DomainInterfaceMAC{Address: n.MAC},
			Source: &libvirtxml.DomainInterfaceSource{Ethernet: &libvirtxml.DomainInterfaceSourceEthernet{}},
			Target: &libvirtxml.DomainInterfaceTarget{Dev: n.Device, Managed: "no"},
			Model:  &libvirtxml.DomainInterfaceModel{Type: "virtio"},
			MTU:    mtu(n.MTU),
			ROM:    &libvirtxml.DomainROM{Enabled: "no"},
		})
	}
	return all
}

func mtu(n int) *libvirtxml.DomainInterfaceMTU {
	if n == 0 {
		return nil
	}
	return &libvirtxml.DomainInterfaceMTU{Size: uint(n)}
}

// title is a guest's name as a line, which libvirt wants of a title.
func title(name string) string {
	line := []rune(name)
	for i, r := range line {
		if r < ' ' || r == 0x7f {
			line[i] = ' '
		}
	}
	return string(line)
}
