package network

import (
	"context"
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/controller/network/filter"
)

// A SecurityGroupRule is one allowed flow of a group.
type SecurityGroupRule struct {
	ID             string    `json:"id" db:"id,key" api:"filter,sort"`
	Seq            int64     `json:"-" db:"seq,auto"`
	ProjectID      string    `json:"project_id" db:"project_id" api:"create,setadmin,also=tenant_id,filter,sort"`
	GroupID        string    `json:"security_group_id" db:"group_id" api:"create,required,uuid,filter,sort"`
	Direction      string    `json:"direction" db:"direction" api:"create,required,oneof=ingress|egress,filter"`
	EtherType      string    `json:"ethertype" db:"ethertype" api:"create,default=IPv4,oneof=IPv4|IPv6,filter"`
	Protocol       *Protocol `json:"protocol" db:"protocol" api:"create,filter"`
	PortRangeMin   *int      `json:"port_range_min" db:"port_range_min" api:"create,filter"`
	PortRangeMax   *int      `json:"port_range_max" db:"port_range_max" api:"create,filter"`
	RemoteIPPrefix *string   `json:"remote_ip_prefix" db:"remote_ip_prefix" api:"create,filter"`
	RemoteGroupID  *string   `json:"remote_group_id" db:"remote_group_id" api:"create,filter"`
	RemoteAddress  *string   `json:"remote_address_group_id"`
	Normalized     *string   `json:"normalized_cidr"`
	Description    string    `json:"description" db:"description" api:"create,max=255,filter"`
	Tags           []string  `json:"tags"`
	Revision       int       `json:"revision_number"`
	CreatedAt      time.Time `json:"created_at" db:"created_at" api:"sort"`
	UpdatedAt      time.Time `json:"updated_at" db:"updated_at"`
}

// A Protocol is the name or the IANA number of a protocol; a number may come
// as a JSON number.
type Protocol string

// UnmarshalJSON reads "tcp", "6" or 6.
func (p *Protocol) UnmarshalJSON(b []byte) error {
	var n int
	if err := json.Unmarshal(b, &n); err == nil {
		*p = Protocol(strconv.Itoa(n))
		return nil
	}
	var s string
	err := json.Unmarshal(b, &s)
	*p = Protocol(strings.ToLower(s))
	return err
}

// fill adds what is not in the row.
func (r *SecurityGroupRule) fill() {
	r.Tags, r.Normalized = []string{}, r.RemoteIPPrefix
}

// rulesResource describes /security-group-rules.
func (s *Service) rulesResource() api.Resource[SecurityGroupRule] {
	return api.Resource[SecurityGroupRule]{
		Name: "security_group_rule", Path: "/security-group-rules", Noun: "security group rule",
		Rows: s.rules,
		Scope: func(ctx context.Context, c *api.Call) ([]store.Cond, error) {
			if err := s.ensureDefault(ctx, c.Caller.ProjectID); err != nil {
				return nil, err
			}
			if c.Caller.IsAdmin {
				return nil, nil
			}
			return []store.Cond{store.Eq("project_id", c.Caller.ProjectID)}, nil
		},
		Fill: func(_ context.Context, _ *api.Call, rows []*SecurityGroupRule) error {
			for _, r := range rows {
				r.fill()
			}
			return nil
		},
		Create: s.createRule,
		Delete: s.deleteRule,
	}
}

// createRule adds a rule to a group and tells the hosts of its members.
func (s *Service) createRule(ctx context.Context, c *api.Call, in *SecurityGroupRule) (*SecurityGroupRule, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	err := s.db.Transact(ctx, func(tx *store.Tx) error {
		g, err := s.groups.In(tx).Lock(ctx, in.GroupID)
		if cloud.IsNotFound(err) || err == nil && g.ProjectID != c.Caller.ProjectID && !c.Caller.IsAdmin {
			return groupNotFound(in.GroupID)
		}
		if err != nil {
			return err
		}
		if in.ID == "" {
			in.ID = cloud.NewID()
		}
		in.ProjectID, in.CreatedAt = g.ProjectID, s.clock()
		in.UpdatedAt = in.CreatedAt
		if in.RemoteGroupID != nil {
			if _, err := s.checkGroups(ctx, tx, g.ProjectID, []string{*in.RemoteGroupID}); err != nil {
				return err
			}
		}
		if err := s.refuseTwin(ctx, tx, in); err != nil {
			return err
		}
		if err := s.quotas.Reserve(ctx, tx, g.ProjectID, "security_group_rule", 1); err != nil {
			return err
		}
		if err := s.rules.In(tx).Insert(ctx, in); err != nil {
			return err
		}
		return s.note(ctx, tx, topicRules, in.GroupID)
	})
	return in, err
}

// check tells what is wrong with a new rule, and brings it into one spelling.
func (r *SecurityGroupRule) check() error {
	if r.Protocol != nil {
		p, ok := filter.Protocol(string(*r.Protocol))
		if !ok {
			return badRequest("SecurityGroupRuleInvalidProtocol", "Security group rule protocol %s not supported. Only protocol values [None, 'icmp', 'tcp', 'udp', 'ipv6-icmp'] and their numbers [1, 6, 17, 58] are supported.", *r.Protocol)
		}
		if p == "" {
			r.Protocol = nil
		}
	}
	if err := r.checkPorts(); err != nil {
		return err
	}
	if r.RemoteIPPrefix != nil && r.RemoteGroupID != nil {
		return badRequest("SecurityGroupMultipleRemoteEntites", "Only one of remote_ip_prefix, remote_group_id may be provided.")
	}
	if r.RemoteIPPrefix == nil {
		return nil
	}
	prefix, err := parsePrefix(*r.RemoteIPPrefix)
	if err != nil {
		return invalidInput("'%s' is not a valid IP subnet.", *r.RemoteIPPrefix)
	}
	if prefix.Addr().Is4() != (r.EtherType == "IPv4") {
		return badRequest("SecurityGroupRuleParameterConflict", "Conflicting value ethertype %s for CIDR %s", r.EtherType, *r.RemoteIPPrefix)
	}
	text := prefix.String()
	r.RemoteIPPrefix = &text
	return nil
}

// checkPorts tells what is wrong with the range of ports. Types and codes of
// ICMP are not told apart by hosts, so they are refused.
func (r *SecurityGroupRule) checkPorts() error {
	if r.PortRangeMin == nil && r.PortRangeMax == nil {
		return nil
	}
	var p string
	if r.Protocol != nil {
		p, _ = filter.Protocol(string(*r.Protocol))
	}
	switch {
	case p == "":
		return badRequest("SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.")
	case p == "icmp":
		return invalidInput("port_range_min and port_range_max: ICMP types and codes are not told apart; leave both out.")
	case r.PortRangeMin == nil || r.PortRangeMax == nil || *r.PortRangeMin < 1 || *r.PortRangeMax > 65535 || *r.PortRangeMin > *r.PortRangeMax:
		return badRequest("SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max, both from 1 to 65535.")
	}
	return nil
}

// parsePrefix reads a prefix or a single address.
func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err
}

// refuseTwin refuses a rule that its group has already.
func (s *Service) refuseTwin(ctx context.Context, tx *store.Tx, r *SecurityGroupRule) error {
	var protocol any
	if r.Protocol != nil {
		protocol = string(*r.Protocol)
	}
	twin, err := s.rules.In(tx).First(ctx,
		store.Eq("group_id", r.GroupID), store.Eq("direction", r.Direction), store.Eq("ethertype", r.EtherType),
		store.Eq("protocol", protocol), store.Eq("port_range_min", r.PortRangeMin), store.Eq("port_range_max", r.PortRangeMax),
		store.Eq("remote_ip_prefix", r.RemoteIPPrefix), store.Eq("remote_group_id", r.RemoteGroupID))
	if cloud.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return conflict("SecurityGroupRuleExists", "Security group rule already exists. Rule id is %s.", twin.ID)
}

// deleteRule removes a rule and tells the hosts of the group's members.
func (s *Service) deleteRule(ctx context.Context, _ *api.Call, row *SecurityGroupRule) error {
	return s.db.Transact(ctx, func(tx *store.Tx) error {
		n, err := s.rules.In(tx).Delete(ctx, store.Eq("id", row.ID))
		if err != nil || n == 0 {
			return err
		}
		if err := s.note(ctx, tx, topicRules, row.GroupID); err != nil {
			return err
		}
		return s.quotas.Release(ctx, tx, row.ProjectID, "security_group_rule", 1)
	})
}
