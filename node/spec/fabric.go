package spec

import (
	"fmt"
	"net/netip"
	"time"
)

// A FabricOrder asks a machine to take part in a round of the fabric check.
// Everybody in it sends probes on each of its trunk's VLANs and untagged, and
// reports whose it heard. New machines are asked, and some of those that run.
type FabricOrder struct {
	Round   int    `json:"round"`   // from 1; a machine takes part in a round once
	Trunk   string `json:"trunk"`   // MAC of the card that carries the tagged networks
	VLANs   []int  `json:"vlans"`   // those of the tenant range
	MTU     int    `json:"mtu"`     // bytes of payload that must pass
	Seconds int    `json:"seconds"` // how long to send and listen
	// Cards are the MACs of further cards, which will make a bond with the
	// trunk: each is probed by itself, for its own switch port.
	Cards []string     `json:"cards,omitempty"`
	Peers []FabricPeer `json:"peers"` // who else takes part

	// Management is the MAC of the card with Address, of which the machine
	// asks whether somebody else has it.
	Management string     `json:"management"`
	Address    netip.Addr `json:"address,omitzero"`
}

// Bounds of a round, for those who run guests meanwhile.
const (
	maxFabricSeconds = 60
	minFabricMTU     = 576
	maxFabricMTU     = 9216
)

// fabricRate is how many bytes of probes a card sends in a second at most:
// they reach every port of their VLAN, and guests share the wire.
const fabricRate = 4 << 20

// Sweep is how long it takes to send a small and a full frame on each VLAN and
// untagged, at a pace that leaves the wire to others.
func (o *FabricOrder) Sweep() time.Duration {
	bytes := (len(o.VLANs) + 1) * (o.MTU + 2*64)
	return max(time.Second, time.Duration(bytes)*time.Second/fabricRate)
}

// Check tells what no round asks for: the field, its value and what is
// allowed.
func (o *FabricOrder) Check() error {
	switch {
	case o.Seconds < 1 || o.Seconds > maxFabricSeconds:
		return fmt.Errorf("fabric order: seconds is %d; allowed: 1 to %d", o.Seconds, maxFabricSeconds)
	case o.MTU < minFabricMTU || o.MTU > maxFabricMTU:
		return fmt.Errorf("fabric order: mtu is %d; allowed: %d to %d bytes", o.MTU, minFabricMTU, maxFabricMTU)
	case len(o.VLANs) > 4094:
		return fmt.Errorf("fabric order: %d VLANs; allowed: 4094", len(o.VLANs))
	}
	for _, v := range o.VLANs {
		if v < 1 || v > 4094 {
			return fmt.Errorf("fabric order: VLAN %d; allowed: 1 to 4094", v)
		}
	}
	return nil
}

// A FabricPeer is one who takes part, by the MAC of its trunk.
type FabricPeer struct {
	Machine string `json:"machine"`
	Name    string `json:"name"`
	MAC     string `json:"mac"`
	Place   string `json:"place,omitempty"` // switch and port, from LLDP
}

// A FabricReport is what one machine heard in one round.
type FabricReport struct {
	Round int           `json:"round"`
	Heard []FabricHeard `json:"heard"`
	// Duplicates are the MACs that answered an ARP probe (RFC 5227) for the
	// machine's own address.
	Duplicates []string `json:"duplicates,omitempty"`
	Clock      string   `json:"clock,omitempty"`      // RFC 3339 with nanoseconds, when the report was sent
	SpeedMbps  int      `json:"speed_mbps,omitempty"` // of the trunk
	// More is what the further cards of the order heard, those that could be
	// probed by themselves.
	More []FabricCard `json:"more,omitempty"`
}

// A FabricCard is what a further card of a machine heard.
type FabricCard struct {
	MAC       string        `json:"mac"`
	Heard     []FabricHeard `json:"heard"`
	SpeedMbps int           `json:"speed_mbps,omitempty"`
}

// FabricHeard says that probes of a peer came in and how large the largest
// was, in bytes of payload. VLAN is the tag that they were sent with and As
// the one that they came with; 0: none.
type FabricHeard struct {
	MAC  string `json:"mac"`
	VLAN int    `json:"vlan"`
	As   int    `json:"as"`
	Size int    `json:"size"`
}
