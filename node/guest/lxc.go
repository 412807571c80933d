package guest

import (
	"fmt"
	"io/fs"
	"os"
	"time"

	"libvirt.org/go/libvirtxml"

	"github.com/cairn-cloud/cairn/node/spec"
)

// NewLXC returns the driver for containers over the libvirtd at socket.
func NewLXC(socket string) *Libvirt {
	return &Libvirt{
		socket: socket, uri: "lxc:///", grace: lxcGrace,
		about:    spec.Hypervisor{Driver: spec.DriverLXC},
		document: lxcDomain,
	}
}

// lxcGrace is shorter than that of a machine: a container has no disks to spin
// down, and many have no ears for the signal.
const lxcGrace = 10 * time.Second

// idCount is how many users and groups a container has.
const idCount = 65_536

// inits are the programs that a container may start with, the first that is
// there.
var inits = [...]string{"init", "sbin/init", "usr/sbin/init", "usr/lib/systemd/systemd"}

// lxcDomain has a root of its own, users of its own, and NICs that libvirt
// makes: their host ends join the bridge without any VLAN, so nothing passes
// before the network has seen to them.
func lxcDomain(s Spec) (*libvirtxml.Domain, error) {
	start, err := initOf(s.Root)
	if err != nil {
		return nil, fmt.Errorf("guest %s: %w", s.ID, err)
	}
	port := uint(0)
	doc := &libvirtxml.Domain{
		Type: "lxc", Name: namePrefix + s.ID, UUID: s.ID, Title: title(s.Name),
		Memory:     &libvirtxml.DomainMemory{Value: uint(s.MemoryMiB), Unit: "MiB"},
		VCPU:       &libvirtxml.DomainVCPU{Value: uint(s.VCPUs)},
		OS:         &libvirtxml.DomainOS{Type: &libvirtxml.DomainOSType{Type: "exe"}, Init: start},
		Features:   &libvirtxml.DomainFeatureList{PrivNet: &libvirtxml.DomainFeature{}},
		OnPoweroff: "destroy", OnReboot: "restart", OnCrash: "destroy",
		Devices: &libvirtxml.DomainDeviceList{
			Filesystems: []libvirtxml.DomainFilesystem{{
				Source: &libvirtxml.DomainFilesystemSource{Mount: &libvirtxml.DomainFilesystemSourceMount{Dir: s.Root}},
				Target: &libvirtxml.DomainFilesystemTarget{Dir: "/"},
			}},
			Interfaces: lxcNICs(s.NICs),
			Consoles: []libvirtxml.DomainConsole{{
				Source: &libvirtxml.DomainChardevSource{Pty: &libvirtxml.DomainChardevSourcePty{}},
				Target: &libvirtxml.DomainConsoleTarget{Type: "lxc", Port: &port},
			}},
		},
	}
	if s.IDBase > 0 {
		ids := []libvirtxml.DomainIDMapRange{{Start: 0, Target: uint(s.IDBase), Count: idCount}}
		doc.IDMap = &libvirtxml.DomainIDMap{UIDs: ids, GIDs: ids}
	}
	return doc, nil
}

func lxcNICs(nics []NIC) []libvirtxml.DomainInterface {
	var all []libvirtxml.DomainInterface
	for i, n := range nics {
		all = append(all, libvirtxml.DomainInterface{
			MAC:    &libvirtxml.DomainInterfaceMAC{Address: n.MAC},
			Source: &libvirtxml.DomainInterfaceSource{Bridge: &libvirtxml.DomainInterfaceSourceBridge{Bridge: n.Bridge}},
			Target: &libvirtxml.DomainInterfaceTarget{Dev: n.Device},
			Guest:  &libvirtxml.DomainInterfaceGuest{Dev: fmt.Sprint("eth", i)},
		})
	}
	return all
}

// initOf finds the first program of a tree, without following a link out of
// it.
func initOf(dir string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	for _, name := range inits {
		st, err := root.Lstat(name)
		if err == nil && (st.Mode().IsRegular() || st.Mode()&fs.ModeSymlink != 0) {
			return "/" + name, nil
		}
	}
	return "", fmt.Errorf("the image holds none of %v to start with", inits)
}
