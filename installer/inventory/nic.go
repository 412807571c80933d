package inventory

import (
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/installer/inventory/lldp"
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
	mtus := map[string]int{}
	if h.MTUs != nil {
		mtus = h.MTUs()
	}
	for _, e := range entries {
		at := filepath.Join(h.Sys, "class/net", e.Name())
		device, err := filepath.EvalSymlinks(filepath.Join(at, "device"))
		if err != nil || readLine(filepath.Join(at, "type")) != ethernet || exists(filepath.Join(at, "device/physfn")) {
			continue // the last are virtual functions, made for guests
		}
		if strings.HasPrefix(filepath.Base(device), "virtio") {
			device = filepath.Dir(device) // numbered as drivers come; the PCI address above it is not
		}
		n := nic(at, e.Name())
		n.Path, n.NUMA, n.MTU = pciOf(device), h.numaOf(device), mtus[e.Name()]
		found = append(found, placed{n, device})
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

// nic reads what /sys knows of a card. A card in a bond wears the bond's
// address; its own is elsewhere then.
func nic(at, name string) plan.NIC {
	n := plan.NIC{
		Name:   name,
		MAC:    firstOf(filepath.Join(at, "bonding_slave/perm_hwaddr"), filepath.Join(at, "address")),
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

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Neighbours is what was heard by LLDP, by name of the card. *lldp.Listener
// is one.
type Neighbours interface {
	Heard() map[string]plan.LLDP
	// Wait returns when each of the cards has heard somebody, or when listening
	// has lasted that long.
	Wait(cards []string, patience time.Duration)
}

// neighbours adds who was heard, after a wait where one is wanted.
func (h Host) neighbours(cards []plan.NIC) {
	if h.Neighbours == nil {
		return
	}
	if h.LLDPWait > 0 {
		var linked []string
		for _, c := range cards {
			if c.Link {
				linked = append(linked, c.Name)
			}
		}
		h.Neighbours.Wait(linked, h.LLDPWait)
	}
	heard := h.Neighbours.Heard()
	for i := range cards {
		if n, ok := heard[cards[i].Name]; ok {
			cards[i].LLDP = &n
		}
	}
}

// Listening returns the host with a listener for LLDP on its cards, whose
// links must be up, until the listener is closed. Whoever announces tells the
// switches who is plugged in, and has their answer within a second or two.
func (h Host) Listening(announce bool, log *slog.Logger) (Host, *lldp.Listener) {
	o := lldp.Options{Log: log}
	for _, n := range h.nics() {
		o.Cards = append(o.Cards, n.Name)
	}
	if announce {
		inv := plan.Inventory{NICs: h.nics()}
		h.identity(&inv)
		o.Machine = orElse(inv.Machine, idFromMAC(inv))
		o.Name = orElse(inv.Serial, o.Machine)
	}
	l := lldp.Listen(o)
	h.Neighbours = l
	return h, l
}
