package plan

import (
	"net/netip"

	"github.com/cairn-cloud/cairn/node/spec"
)

// Words that a rack.yaml may use.
const (
	ApproveAuto   = "auto"
	ApproveManual = "manual"

	ChooseOnly     = "only"     // refuse several candidates
	ChooseSmallest = "smallest" // the first of them where two are alike
	ChooseLargest  = "largest"
	ChooseFirst    = "first"

	WipeNever  = "never"
	WipeCairn  = "cairn"
	WipeAlways = "always"
)

// fill puts the documented defaults where r says nothing.
func (r *Rack) fill() {
	if r.Name == "" {
		r.Name = "cairn"
	}
	if r.Approve == "" {
		r.Approve = ApproveAuto
	}
	r.Management.fill()
	if r.Tenant.VLANFrom == 0 {
		r.Tenant.VLANFrom = 100
	}
	if r.Tenant.VLANTo == 0 {
		r.Tenant.VLANTo = 199
	}
	if len(r.Rules) == 0 {
		r.Rules = defaultRules()
	}
	for i := range r.Rules {
		r.Rules[i].fill()
	}
}

// defaultRules make the machine with the medium the controller and every
// other one a compute node.
func defaultRules() []RoleRule {
	local, remote := true, false
	return []RoleRule{
		{Name: "controller", Match: Match{Local: &local}, Roles: []spec.Role{spec.RoleController}},
		{Name: "compute", Match: Match{Local: &remote}, Roles: []spec.Role{spec.RoleCompute}},
	}
}

func (m *Management) fill() {
	if !m.Network.IsValid() {
		m.Network = netip.MustParsePrefix("10.20.0.0/24")
	}
	m.Network = m.Network.Masked()
	if !m.Controller.IsValid() {
		m.Controller = nth(m.Network, 11)
	}
	if !m.RangeFrom.IsValid() {
		m.RangeFrom = nth(m.Network, 100)
	}
	if !m.RangeTo.IsValid() {
		m.RangeTo = nth(m.Network, 199)
	}
}

// nth is the address n above the network's own. It may lie outside the
// network; the checks find that.
func nth(p netip.Prefix, n int) netip.Addr {
	a := p.Addr()
	for range n {
		a = a.Next()
	}
	return a
}

func (r *RoleRule) fill() {
	if r.Host == "" && len(r.Roles) > 0 {
		r.Host = string(r.Roles[0]) + "%d"
	}
	if r.Name == "" && len(r.Roles) > 0 {
		r.Name = string(r.Roles[0])
	}
	if r.Disk.Choose == "" {
		r.Disk.Choose = ChooseOnly
	}
	if r.Disk.Wipe == "" {
		r.Disk.Wipe = WipeNever
	}
	if r.Disk.MinGiB == 0 {
		r.Disk.MinGiB = MinDiskGiB
	}
}
