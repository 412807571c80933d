package inventory

import (
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// ethernet is ARPHRD_ETHER, the hardware type of an Ethernet device.
const ethernet = "1"

// nics lists the network cards that are hardware: they hang on a device, and
// are no bridge, VLAN or bond above others. Order is that of their place in
// the machine, which does not depend on which driver came first.
func (h Host) nics() []plan.NIC {
	entries, err := os.ReadDir(filepath.Join(h.Sys, "class/net"))
	if err != nil {
		return nil
	}
	type placed struct {
		nic   plan.NIC
		place string
	}
	var found []placed
	for _, e := range entries {
		at := filepath.Join(h.Sys, "class/net", e.Name())
		device, err := filepath.EvalSymlinks(filepath.Join(at, "device"))
		if err != nil || readLine(filepath.Join(at, "type")) != ethernet {
			continue
		}
		if strings.HasPrefix(filepath.Base(device), "virtio") {
			device = filepath.Dir(device) // numbered as drivers come; the PCI address above it is not
		}
		found = append(found, placed{h.nic(at, e.Name()), device})
	}
	sort.SliceStable(found, func(i, j int) bool {
		if found[i].place != found[j].place {
			return found[i].place < found[j].place
		}
		return natural(found[i].nic.Name, found[j].nic.Name)
	})
	var out []plan.NIC
	for _, f := range found {
		out = append(out, f.nic)
	}
	return out
}

func (h Host) nic(at, name string) plan.NIC {
	n := plan.NIC{
		Name:   name,
		MAC:    readLine(filepath.Join(at, "address")),
		Driver: linkTarget(filepath.Join(at, "device/driver")),
		Link:   readLine(filepath.Join(at, "carrier")) == "1",
	}
	if n.Driver == "virtio_net" || n.Driver == "" {
		return n // its speed is made up
	}
	if mbps := atoi(readLine(filepath.Join(at, "speed"))); mbps > 0 {
		n.SpeedMbps = mbps
	}
	return n
}
