package network

import (
	"context"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// chooseVLAN gives a new network the lowest free VLAN, or checks the wanted
// one. Until the transaction ends nobody else chooses.
func (s *Service) chooseVLAN(ctx context.Context, tx *store.Tx, n *Network) error {
	var name string
	if err := tx.QueryRowContext(ctx, "SELECT name FROM locks WHERE name = 'vlan' FOR UPDATE").Scan(&name); err != nil {
		return err
	}
	rows, err := s.networks.In(tx).List(ctx, store.Query{Sort: []store.Sort{{Column: "vlan"}}})
	if err != nil {
		return err
	}
	taken := make(map[int]bool, len(rows))
	for _, r := range rows {
		taken[r.VLAN] = true
	}
	if n.VLAN != 0 {
		switch {
		case n.VLAN < s.vlanFrom || n.VLAN > s.vlanTo:
			return invalidInput("provider:segmentation_id %d: allowed: %d to %d.", n.VLAN, s.vlanFrom, s.vlanTo)
		case taken[n.VLAN]:
			return conflict("VlanIdInUse", "Unable to create the network. The VLAN %d on physical network %s is in use.", n.VLAN, physicalNetwork)
		}
		return nil
	}
	for vlan := s.vlanFrom; vlan <= s.vlanTo; vlan++ {
		if !taken[vlan] {
			n.VLAN = vlan
			return nil
		}
	}
	return cloud.Unavailable("Unable to create the network. No tenant network is available for allocation.").Named("NoNetworkAvailable")
}

// emptyNetwork removes the subnets and the DHCP port of a network, unless
// another port is on it. The network stays locked until the transaction ends.
func (s *Service) emptyNetwork(ctx context.Context, tx *store.Tx, id string) error {
	if _, err := s.networks.In(tx).Lock(ctx, id); err != nil {
		return err
	}
	ports, err := s.ports.In(tx).List(ctx, store.Query{Where: []store.Cond{store.Eq("network_id", id)}})
	if err != nil {
		return err
	}
	for _, p := range ports {
		if p.DeviceOwner != ownerDHCP {
			return conflict("NetworkInUse", "Unable to complete operation on network %s. There are one or more ports still in use on the network.", id)
		}
	}
	for _, p := range ports {
		if err := s.dropPort(ctx, tx, &p); err != nil {
			return err
		}
	}
	subnets, err := s.subnetsOf(ctx, tx, id)
	if err != nil {
		return err
	}
	for _, sub := range subnets {
		if _, err := s.subnets.In(tx).Delete(ctx, store.Eq("id", sub.ID)); err != nil {
			return err
		}
		if err := s.quotas.Release(ctx, tx, sub.ProjectID, "subnet", 1); err != nil {
			return err
		}
	}
	return nil
}

// hasFold tells whether the list has the text, upper or lower case.
func hasFold(list []string, text string) bool {
	for _, l := range list {
		if strings.EqualFold(l, text) {
			return true
		}
	}
	return false
}

// noneIf is a condition that no row meets, or no condition.
func noneIf(none bool) []store.Cond {
	if none {
		return []store.Cond{store.Or()}
	}
	return nil
}
