package spec

import (
	"fmt"
	"net/netip"
	"slices"
)

// Role is what a node does in the cluster. A node can have several.
type Role string

// The roles of a node.
const (
	RoleController Role = "controller"
	RoleCompute    Role = "compute"
)

// Roles lists every role that a node may have.
var Roles = []Role{RoleController, RoleCompute}

// Where the installer leaves a node's identity on the data partition, as seen
// from the running system. Directories are 0700 root, keys 0600.
const (
	// StateDir is the root of everything that Cairn keeps on a node.
	StateDir = "/var/lib/cairn"
	// NodeFile is the node manifest, a [Node] in JSON.
	NodeFile = StateDir + "/node.json"
	// PKIDir holds ca.crt, node.crt and node.key; on a controller also one
	// directory per service (see package hardening).
	PKIDir = StateDir + "/pki"
)

// A Node is the node manifest: the identity and the place of one machine.
// Its /etc is a pure function of this, the system image and the secrets in
// PKIDir.
type Node struct {
	ID      string `json:"id"`      // UUID made at enrolment
	Name    string `json:"name"`    // host name, a DNS label
	Cluster string `json:"cluster"` // name of the rack or cluster
	Roles   []Role `json:"roles"`
	Version string `json:"version"` // version of the system image that installed it

	Management Interface `json:"management"`         // untagged: PXE, SSH, database, broker, agents
	Tenant     Trunk     `json:"tenant"`             // tagged: project networks; no host address
	External   Interface `json:"external,omitempty"` // where users reach the API; empty: on management

	// Controller is the management address of the first controller. On the
	// controller it is the node's own.
	Controller netip.Addr `json:"controller"`
	// APINames are the further DNS names and addresses that users reach the
	// API by; the API certificate is valid for them.
	APINames []string `json:"api_names,omitempty"`

	SSHKeys []string `json:"ssh_keys,omitempty"` // authorized_keys lines of the operators
	// Encrypt says who opens the data partition at boot: tpm or deployer;
	// empty: it is plain.
	Encrypt string `json:"encrypt,omitempty"`
	// Rack is what the first controller needs to be the deployer of its rack
	// (the text of rack.yaml); empty on other nodes.
	Rack string `json:"rack,omitempty"`
}

// An Interface is one NIC with an address of its own.
type Interface struct {
	MAC     string       `json:"mac,omitempty"` // lower case, colons
	Address netip.Prefix `json:"address,omitzero"`
	Gateway netip.Addr   `json:"gateway,omitzero"`
	DHCP    bool         `json:"dhcp,omitempty"` // take address and gateway from DHCP instead
	VLAN    int          `json:"vlan,omitempty"` // tag; 0: untagged
	MTU     int          `json:"mtu,omitempty"`  // bytes; 0: 1500
	Bond    *Bond        `json:"bond,omitempty"` // of several NICs; MAC is then that of the first member
}

// A Bond joins NICs into one interface.
type Bond struct {
	Mode    string   `json:"mode"`    // active-backup or 802.3ad
	Members []string `json:"members"` // MACs
}

// A Trunk is the NIC that carries tagged tenant traffic. The host has no
// address on it.
type Trunk struct {
	MAC string `json:"mac,omitempty"` // that of Management, where both share a NIC or bond
	MTU int    `json:"mtu,omitempty"` // bytes of untagged payload; 0: 1500
}

// Has tells whether the node has the role.
func (n *Node) Has(r Role) bool { return slices.Contains(n.Roles, r) }

// Check tells what is wrong with a manifest: the field, its value and what is
// allowed.
func (n *Node) Check() error {
	switch {
	case n.ID == "":
		return fmt.Errorf("node manifest: id is empty; allowed: a UUID")
	case n.Name == "":
		return fmt.Errorf("node manifest: name is empty; allowed: a host name")
	case len(n.Roles) == 0:
		return fmt.Errorf("node manifest: roles is empty; allowed: one or more of %v", Roles)
	case !n.Management.Address.IsValid():
		return fmt.Errorf("node manifest: management.address is empty; allowed: an address with its prefix length, like 10.20.0.11/24")
	case !n.Controller.IsValid():
		return fmt.Errorf("node manifest: controller is empty; allowed: an IP address")
	}
	for _, r := range n.Roles {
		if !slices.Contains(Roles, r) {
			return fmt.Errorf("node manifest: role %q is unknown; allowed: %v", r, Roles)
		}
	}
	return nil
}
