package fleet

import (
	"net/netip"
	"strings"
)

// OtherServer notes that a machine chose the offer of somebody else who
// answers DHCP on this wire.
func (f *Fleet) OtherServer(mac string, server netip.Addr) {
	f.RogueServer(server.String(), "machine "+mac+" chose its offer")
}

// RogueServer notes that somebody else answers DHCP on this wire. name is its
// address and, in words, what else is known of it.
func (f *Fleet) RogueServer(name, how string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rogueAt = f.conf.Now()
	if strings.HasPrefix(f.rogue, name) { // known, and no less of it
		return
	}
	news := !strings.HasPrefix(name, f.rogue) || f.rogue == ""
	f.rogue = name
	if news {
		f.conf.Log.Warn("another DHCP server answers on this network", "server", name, "how", how)
	}
}

// otherServer is a foreign DHCP server that was heard of lately.
func (f *Fleet) otherServer() string {
	if f.conf.Now().Sub(f.rogueAt) > rogueMemory {
		return ""
	}
	return f.rogue
}

// Attached notes where a relay agent says that a machine is plugged in.
func (f *Fleet) Attached(mac, circuit string) error {
	return f.durably(func() error {
		r := f.find(mac)
		if r == nil || r.Machine.Circuit == circuit {
			return nil
		}
		return f.change(r, func(r *record) error {
			r.Machine.Circuit = circuit
			r.Machine.note("plugged in", circuit, f.conf.Now)
			f.say("machine plugged in", &r.Machine, "circuit", circuit)
			return nil
		})
	})
}

// Place is the switch port that a MAC is plugged into, as the machine that has
// it heard from the switch; empty: nobody knows.
func (f *Fleet) Place(mac string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.records {
		if r.Machine.Inventory == nil {
			continue
		}
		for _, n := range r.Machine.Inventory.NICs {
			if n.MAC == mac && n.LLDP != nil {
				return "port " + n.LLDP.Port + " of switch " + n.LLDP.Switch
			}
		}
	}
	return ""
}
