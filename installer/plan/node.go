package plan

import (
	"net/netip"
	"strings"

	"github.com/cairn-cloud/cairn/node/spec"
)

// Node is the node manifest of a machine that the plan installs: id is the
// identity made at enrolment, address its management address. The rack's text (Node.Rack) is
// left to the caller, who has it.
func (p Plan) Node(r *Rack, id string, address netip.Addr) spec.Node {
	n := spec.Node{
		ID: id, Name: p.HostName, Cluster: r.Name, Roles: p.Roles, Version: p.Version,
		Management: spec.Interface{MAC: p.Management, Address: netip.PrefixFrom(address, r.Management.Network.Bits())},
		Tenant:     spec.Trunk{MAC: p.Tenant},
		Controller: r.Management.Controller,
		APINames:   r.APINames,
		SSHKeys:    r.SSHKeys,
	}
	if p.External != "" {
		n.External = spec.Interface{MAC: strings.ToLower(p.External), DHCP: r.External.DHCP,
			Address: r.External.Address, Gateway: r.External.Gateway}
	}
	return n
}
