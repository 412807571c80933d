package plan

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-cloud/cairn/node/spec"
)

// A checker collects what is wrong with a rack that could be read.
type checker struct {
	lines  map[string]int
	faults []error
}

// fault notes that a field's value is not allowed. The line is the field's
// own or that of the nearest thing around it that the file has.
func (c *checker) fault(field string, value any, allowed string) {
	c.faults = append(c.faults, &RackError{Line: c.line(field), Field: field,
		Value: strconv.Quote(fmt.Sprint(value)), Allowed: allowed})
}

func (c *checker) line(field string) int {
	for {
		if n, ok := c.lines[field]; ok && field != "" {
			return n
		}
		i := strings.LastIndexAny(field, ".[")
		if i < 0 {
			return 0
		}
		field = field[:i]
	}
}

// oneOf checks a word against a closed list.
func (c *checker) oneOf(field, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		c.fault(field, value, strings.Join(allowed, ", "))
	}
}

// hostLabel is a DNS label that may hold one %d.
var hostLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*(%d)?[a-z0-9-]*)?$`)

func (c *checker) rack(r *Rack) {
	if !hostLabel.MatchString(r.Name) || strings.Contains(r.Name, "%") {
		c.fault("name", r.Name, "lower case letters, digits and hyphens")
	}
	c.management(&r.Management)
	c.tenant(r.Tenant)
	c.external(r)
	for i, k := range r.SSHKeys {
		if f := strings.Fields(k); len(f) < 2 || !strings.Contains(f[0], "-") || strings.ContainsAny(k, "\n\r") {
			c.fault(fmt.Sprintf("ssh_keys[%d]", i), k, "a public key line like ssh-ed25519 AAAA... you@host")
		}
	}
	c.oneOf("approve", r.Approve, ApproveAuto, ApproveManual)
	var names []string
	for i := range r.Rules {
		path := fmt.Sprintf("rules[%d]", i)
		c.rule(path, &r.Rules[i])
		if slices.Contains(names, r.Rules[i].Name) {
			c.fault(path+".name", r.Rules[i].Name, "a name that no other rule has")
		}
		names = append(names, r.Rules[i].Name)
	}
}

func (c *checker) management(m *Management) {
	if !m.Network.Addr().Is4() || m.Network.Bits() > 29 {
		c.fault("management.network", m.Network, "an IPv4 network of /29 or larger")
		return
	}
	c.hostAddress("controller", m.Controller, m.Network)
	c.hostAddress("range_from", m.RangeFrom, m.Network)
	c.hostAddress("range_to", m.RangeTo, m.Network)
	if m.RangeTo.Less(m.RangeFrom) {
		c.fault("management.range_to", m.RangeTo, "an address not below management.range_from "+m.RangeFrom.String())
	}
	if !m.Controller.Less(m.RangeFrom) && !m.RangeTo.Less(m.Controller) {
		c.fault("management.controller", m.Controller,
			fmt.Sprintf("an address outside the range %s to %s, which is given to other machines", m.RangeFrom, m.RangeTo))
	}
	c.mac("management.nic", m.NIC)
}

func (c *checker) hostAddress(field string, a netip.Addr, network netip.Prefix) {
	if !network.Contains(a) || a == network.Addr() || a == broadcast(network) {
		c.fault("management."+field, a, "a host address inside management.network "+network.String())
	}
}

// broadcast is the last address of an IPv4 network.
func broadcast(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}

func (c *checker) tenant(t Tenant) {
	c.vlan("vlan_from", t.VLANFrom)
	c.vlan("vlan_to", t.VLANTo)
	if t.VLANTo < t.VLANFrom {
		c.fault("tenant.vlan_to", t.VLANTo, fmt.Sprintf("a VLAN id not below tenant.vlan_from %d", t.VLANFrom))
	}
}

func (c *checker) vlan(field string, id int) {
	if id < 2 || id > 4094 {
		c.fault("tenant."+field, id, "a VLAN id from 2 to 4094")
	}
}

func (c *checker) external(r *Rack) {
	e := r.External
	c.mac("external.nic", e.NIC)
	if e.NIC == "" {
		if e.DHCP || e.Address.IsValid() {
			c.fault("external.nic", "", "the MAC address of the NIC that the external address belongs to")
		}
		return
	}
	if strings.EqualFold(e.NIC, r.Management.NIC) {
		c.fault("external.nic", e.NIC, "another NIC than management.nic")
	}
	switch {
	case e.DHCP == e.Address.IsValid():
		c.fault("external.address", e.Address, "an address with its prefix length, or external.dhcp: true, not both")
	case e.Address.IsValid() && e.Address.Overlaps(r.Management.Network):
		c.fault("external.address", e.Address, "a network that does not overlap management.network "+r.Management.Network.String())
	case e.Gateway.IsValid() && !e.Address.Masked().Contains(e.Gateway):
		c.fault("external.gateway", e.Gateway, "an address inside the network of external.address "+e.Address.String())
	}
}

func (c *checker) mac(field, value string) {
	if value == "" {
		return
	}
	if hw, err := net.ParseMAC(value); err != nil || len(hw) != 6 {
		c.fault(field, value, "a MAC address like 52:54:00:12:34:56")
	}
}

func (c *checker) rule(path string, r *RoleRule) {
	if len(r.Roles) == 0 {
		c.fault(path+".roles", "", fmt.Sprintf("one or more of %v", spec.Roles))
	}
	for i, role := range r.Roles {
		if !slices.Contains(spec.Roles, role) {
			c.fault(fmt.Sprintf("%s.roles[%d]", path, i), role, fmt.Sprint(spec.Roles))
		}
	}
	if r.Host != "" && !hostLabel.MatchString(r.Host) {
		c.fault(path+".host", r.Host, "a host name in lower case with at most one %d")
	}
	for i, m := range r.Match.MAC {
		c.mac(fmt.Sprintf("%s.match.mac[%d]", path, i), m)
	}
	d := r.Disk
	c.oneOf(path+".disk.choose", d.Choose, ChooseOnly, ChooseSmallest, ChooseLargest, ChooseFirst)
	c.oneOf(path+".disk.wipe", d.Wipe, WipeNever, WipeCairn, WipeAlways)
	if d.MinGiB < MinDiskGiB {
		c.fault(path+".disk.min_gib", d.MinGiB, fmt.Sprintf("%d or more", MinDiskGiB))
	}
	if d.MaxGiB != 0 && d.MaxGiB < d.MinGiB {
		c.fault(path+".disk.max_gib", d.MaxGiB, fmt.Sprintf("0 for any size, or not below min_gib %d", d.MinGiB))
	}
}
