package plan

import (
	"net/netip"
	"strings"

	"github.com/cairn-cloud/cairn/node/spec"
)

// Node is the node manifest of a machine that the plan installs: id is the
// identity made at enrolment, address its management address. The rack's text
// (Node.Rack) is left to the caller, who has it.
func (p Plan) Node(r *Rack, id string, address netip.Addr) spec.Node {
	n := spec.Node{
		ID: id, Name: p.HostName, Cluster: r.Name, Roles: p.Roles, Version: p.Version,
		Management: spec.Interface{MAC: p.Management, VLAN: p.VLAN, MTU: p.MTU},
		Tenant:     spec.Trunk{MAC: p.Tenant},
		Controller: r.Management.Controller,
		APINames:   r.APINames,
		SSHKeys:    r.SSHKeys,
		Encrypt:    p.Encrypt,
	}
	n.Management.Address, n.Management.Gateway = r.place(address)
	if p.Bond != nil {
		n.Management.Bond = &spec.Bond{Mode: p.Bond.Mode, Members: p.Bond.Members}
	}
	if p.Tenant != "" && r.Tenant.MTU != 1500 {
		n.Tenant.MTU = r.Tenant.MTU
	}
	if p.External != "" {
		n.External = spec.Interface{MAC: strings.ToLower(p.External), DHCP: r.External.DHCP,
			Address: r.External.Address, Gateway: r.External.Gateway}
	}
	return n
}

// place is the address with the length of its network, and the router of a
// network behind a relay agent.
func (r *Rack) place(address netip.Addr) (netip.Prefix, netip.Addr) {
	for _, l := range r.Management.Relayed {
		if l.Network.Contains(address) {
			return netip.PrefixFrom(address, l.Network.Bits()), l.Router
		}
	}
	return netip.PrefixFrom(address, r.Management.Network.Bits()), netip.Addr{}
}
