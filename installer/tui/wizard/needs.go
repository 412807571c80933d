package wizard

import (
	"context"
	"net/netip"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// Needs are what the wizard asks of the machine that it runs on.
type Needs struct {
	Version   string         // of the release that would be installed; empty: there is none here
	Trust     []Fact         // fingerprints for the first screen, to be compared with what others show
	Inventory plan.Inventory // with LLDP neighbours, as far as they are known
	Now       func() time.Time

	Links   func(context.Context) (map[string]Link, error) // state of the cards now, by MAC
	Connect func(context.Context, Network) (Lease, error)  // brings the network up, for as long as the installer runs
	Reach   func(context.Context, string) (string, error)  // tries to reach a host or host:port; says how
	Fetch   func(context.Context, string) ([]byte, error)  // gets a https URL
	Sticks  func(context.Context) ([]KeyFile, error)       // *.pub on volumes that are plugged in
	Ask     func(context.Context, string) (Deployer, error)
}

// A Fact is one thing for people to compare.
type Fact struct{ Name, Value string }

// A Link is the state of a card.
type Link struct {
	Up      bool
	Mbps    int // 0: unknown
	Address netip.Prefix
	LLDP    *plan.LLDP // who is at the other end; nil: nothing was heard
}

// A Network is what the installer uses while it runs.
type Network struct {
	Cards   []string // MACs; several make a bond
	Bond    string   // mode, where there are several
	VLAN    int      // 0: untagged
	DHCP    bool
	Address netip.Prefix // without DHCP
	Gateway netip.Addr
	DNS     []netip.Addr
}

// A Lease is what came of a [Network].
type Lease struct {
	Interface string
	Address   netip.Prefix
	Gateway   netip.Addr
	DNS       []string
}

// A KeyFile is a file with SSH keys on a stick.
type KeyFile struct {
	Where string // volume and file, for people
	Text  []byte
}

// A Deployer is what a deployer says of this machine.
type Deployer struct {
	Host   string
	CA     string // fingerprint: sha256:<hex>
	Ticket string // one-shot boot ticket; never shown
	Why    string // the machine may not be installed, and why; Ticket is empty then
}

// A Choice is what a person decided on.
type Choice string

// The choices.
const (
	Found    Choice = "found"     // a new cloud, with Answer.Rack
	Join     Choice = "join"      // the cloud of Answer.Deployer
	Boot     Choice = "boot"      // the system that is installed on Answer.Disk
	Restart  Choice = "restart"   // the machine
	PowerOff Choice = "power off" // it
)

// An Answer is the end of a conversation.
type Answer struct {
	Choice   Choice
	Rack     []byte   // text of rack.yaml
	Deployer Deployer // who decides
	Disk     string
}
