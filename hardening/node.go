package hardening

import (
	"net/netip"
	"slices"
)

// Roles of a node, as in node/spec.
const (
	Controller = "controller"
	Compute    = "compute"
)

// Where things are on an installed node.
const (
	// StateDir is the root of everything that Cairn keeps on a node.
	StateDir = "/var/lib/cairn"
	// PKIDir holds ca.crt, node.crt and node.key; on a controller also ca.key
	// and a directory with tls.crt and tls.key per server and service.
	PKIDir = StateDir + "/pki"
	// ConfigDir holds what Apply renders for Cairn's own services.
	ConfigDir = "/etc/cairn"
	// NodeFile is the Node that Apply was called with, for the audit.
	NodeFile = ConfigDir + "/hardening.json"
	// Binary is Cairn itself.
	Binary = "/usr/bin/cairn"
)

// Names that a node gives to its NICs, whatever the kernel calls them. The
// first two are always the interface with the address, be it a card, a bond or
// a VLAN; what is under it has a name of its own (see [carrier]).
const (
	ManagementNIC = "mgmt0"
	ExternalNIC   = "ext0"
	TenantNIC     = "tenant0"
)

// A Node is all that the controls need to know of a machine. It has no
// secrets; they are under StateDir.
type Node struct {
	ID      string   `json:"id"` // UUID
	Name    string   `json:"name"`
	Cluster string   `json:"cluster"`
	Version string   `json:"version"`
	Roles   []string `json:"roles"`

	Management Interface `json:"management"`
	External   Interface `json:"external"`             // zero: users reach the API on Management
	TenantMAC  string    `json:"tenant_mac,omitempty"` // that of Management, where project networks share its card or bond
	TenantMTU  int       `json:"tenant_mtu,omitempty"` // bytes, without the tag; 0: 1500

	Controller netip.Addr   `json:"controller"`          // management address of the first controller
	APINames   []string     `json:"api_names,omitempty"` // further names and addresses of the API
	DNS        []netip.Addr `json:"dns,omitempty"`
	NTP        []string     `json:"ntp,omitempty"` // servers outside; default: a public pool, if there is an External
	SSHKeys    []string     `json:"ssh_keys,omitempty"`
	Deployer   bool         `json:"deployer,omitempty"` // installs the other machines of its rack

	VLANFrom int    `json:"vlan_from,omitempty"` // default 100
	VLANTo   int    `json:"vlan_to,omitempty"`   // default 199
	Region   string `json:"region,omitempty"`    // default RegionOne
}

// An Interface is a network that the node has an address in, and what leads to
// it: a card, or several that make a bond, with a tag or without.
type Interface struct {
	MAC     string       `json:"mac,omitempty"` // lower case, colons
	Address netip.Prefix `json:"address,omitzero"`
	Gateway netip.Addr   `json:"gateway,omitzero"`
	DHCP    bool         `json:"dhcp,omitempty"`
	VLAN    int          `json:"vlan,omitempty"` // tag; 0: untagged
	MTU     int          `json:"mtu,omitempty"`  // bytes; 0: 1500
	Bond    *Bond        `json:"bond,omitempty"` // MAC is then that of the first member
}

// A Bond joins cards into one interface.
type Bond struct {
	Mode    string   `json:"mode"`    // active-backup or 802.3ad
	Members []string `json:"members"` // MACs
}

// Has tells whether the node has one of the roles. No roles are every node's.
func (n *Node) Has(roles ...string) bool {
	if len(roles) == 0 {
		return true
	}
	return slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(n.Roles, r) })
}

// hasExternal tells whether the node has a NIC for the external network alone.
func (n *Node) hasExternal() bool {
	return n.External.MAC != "" && n.External.MAC != n.Management.MAC
}

// sharesTrunk tells whether project networks use the card or bond of
// management.
func (n *Node) sharesTrunk() bool { return n.TenantMAC != "" && n.TenantMAC == n.Management.MAC }

// bootNIC is the card or bond that firmware speaks to a deployer on without a
// tag; empty where management has none either, or the node is no deployer.
func (n *Node) bootNIC() string {
	if !n.Deployer || n.Management.VLAN == 0 {
		return ""
	}
	return n.carrier(ManagementNIC, n.Management).base()
}

// management is the node's own management address.
func (n *Node) management() netip.Addr { return n.Management.Address.Addr() }

// apiNames splits the names that users reach the API by into names and
// addresses, its own first.
func (n *Node) apiNames() (names []string, ips []netip.Addr) {
	names = []string{"api", n.Name, "localhost"}
	ips = []netip.Addr{n.management(), netip.MustParseAddr("127.0.0.1")}
	if n.External.Address.IsValid() {
		ips = append(ips, n.External.Address.Addr())
	}
	for _, name := range n.APINames {
		if ip, err := netip.ParseAddr(name); err == nil {
			ips = append(ips, ip)
		} else {
			names = append(names, name)
		}
	}
	return names, ips
}
