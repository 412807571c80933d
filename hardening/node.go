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

// Names that a node gives to its NICs, whatever the kernel calls them.
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
	External   Interface `json:"external"` // zero: users reach the API on Management
	TenantMAC  string    `json:"tenant_mac,omitempty"`

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

// An Interface is one NIC with an address of its own.
type Interface struct {
	MAC     string       `json:"mac,omitempty"` // lower case, colons
	Address netip.Prefix `json:"address,omitzero"`
	Gateway netip.Addr   `json:"gateway,omitzero"`
	DHCP    bool         `json:"dhcp,omitempty"`
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
