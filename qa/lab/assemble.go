package lab

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"

	"github.com/cairn-cloud/cairn/qa/lab/fabric"
	"github.com/cairn-cloud/cairn/qa/lab/machine"
	"github.com/cairn-cloud/cairn/qa/lab/shape"
)

// spec says what a machine is made of and plugs its NICs into new ports.
func (s *supervisor) spec(c *Machine) (machine.Spec, error) {
	spec := machine.Spec{
		Name: c.Name, Dir: filepath.Join(s.dir, c.Name),
		CPUs: c.CPUs, MemoryMiB: c.MemoryMiB, Firmware: c.Firmware, Accel: s.config.Accel.Kind,
		UUID: c.uuid(), Serial: "RACK-" + c.Name,
	}
	for i := range c.NICs {
		nic, err := s.nic(c, i)
		if err != nil {
			return machine.Spec{}, err
		}
		spec.NICs = append(spec.NICs, nic)
	}
	next := 1 // of what is tried to boot
	if !c.controller() {
		spec.NICs[0].BootIndex = next
	}
	for i, d := range c.Disks {
		next++
		spec.Disks = append(spec.Disks, machine.Disk{File: diskFile(i), SizeGiB: d.GiB, Bus: d.Bus, Serial: c.serial(i), BootIndex: next})
	}
	if c.controller() {
		spec.CDROMs = []machine.CDROM{{File: s.config.ISO, BootIndex: next + 1}}
		if s.config.Conf != "" {
			spec.CDROMs = append(spec.CDROMs, machine.CDROM{File: s.config.Conf})
		}
	}
	if s.config.BMC {
		spec.BMC = &machine.BMC{Address: c.bmcAddress(), MAC: c.bmcMAC()}
		spec.CDROMs = append(spec.CDROMs, machine.CDROM{BootIndex: next + 2}) // for virtual media
	}
	return spec, nil
}

// diskFile is the file of a machine's disk, counted from 0, in its directory.
func diskFile(i int) string {
	if i == 0 {
		return "disk.img"
	}
	return fmt.Sprintf("disk%d.img", i+1)
}

// serial is the serial number of a disk: the machine's name, with a number
// where there are several.
func (m *Machine) serial(i int) string {
	if len(m.Disks) == 1 {
		return m.Name
	}
	return fmt.Sprintf("%s-%d", m.Name, i+1)
}

// nic is a machine's NIC with what it is plugged into.
func (s *supervisor) nic(c *Machine, i int) (machine.NIC, error) {
	if c.NICs[i] == shape.External {
		u := &machine.User{Network: netip.MustParsePrefix("10.30.0.0/24")}
		if c.controller() {
			u.Forwards = []machine.Forward{{From: s.config.API, To: 443}}
		}
		return machine.NIC{MAC: c.mac(i), User: u}, nil
	}
	p, err := s.port(portConfig(c, i))
	return machine.NIC{MAC: c.mac(i), Port: p}, err
}

// portConfig is the port of the switch for a machine's NIC.
func portConfig(c *Machine, i int) fabric.PortConfig {
	n := c.NICs[i]
	p := fabric.PortConfig{Name: c.Name + "/" + string(n)}
	if slices.Index(c.NICs, n) != i || slices.Contains(c.NICs[i+1:], n) {
		p.Name += fmt.Sprint(i + 1)
	}
	if n == shape.Management {
		p.Access = managementVLAN
		return p
	}
	if n == shape.Trunk {
		p.Native = managementVLAN
	}
	for v := tenantFrom; v <= tenantTo; v++ {
		p.Trunk = append(p.Trunk, v)
	}
	return p
}
