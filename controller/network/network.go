package network

import (
	"context"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// physicalNetwork is what the tenant NICs of all hosts are plugged into.
const physicalNetwork = "tenant"

// A Network is one VLAN of the rack.
type Network struct {
	ID           string    `json:"id" db:"id,key" api:"filter,sort"`
	Seq          int64     `json:"-" db:"seq,auto"`
	ProjectID    string    `json:"project_id" db:"project_id" api:"create,setadmin,also=tenant_id,filter,sort"`
	Name         string    `json:"name" db:"name" api:"create,update,max=255,filter,sort"`
	Description  string    `json:"description" db:"description" api:"create,update,max=255,filter"`
	AdminStateUp bool      `json:"admin_state_up" db:"admin_state_up" api:"create,update,default=true,filter"`
	Status       string    `json:"status"`
	MTU          int       `json:"mtu" db:"mtu" api:"create,filter"`
	Shared       bool      `json:"shared" api:"create,setadmin"`
	External     bool      `json:"router:external" api:"create,setadmin"`
	PortSecurity bool      `json:"port_security_enabled" db:"port_security_enabled" api:"create,update,default=true"`
	Subnets      []string  `json:"subnets"`
	Zones        []string  `json:"availability_zones"`
	ZoneHints    []string  `json:"availability_zone_hints" api:"create"`
	Type         string    `json:"provider:network_type" api:"admin,create,setadmin"`
	Physical     string    `json:"provider:physical_network" api:"admin,create,setadmin"`
	VLAN         int       `json:"provider:segmentation_id" db:"vlan" api:"admin,create,setadmin,filter"`
	Tags         []string  `json:"tags"`
	Revision     int       `json:"revision_number" db:"revision_number"`
	CreatedAt    time.Time `json:"created_at" db:"created_at" api:"sort"`
	UpdatedAt    time.Time `json:"updated_at" db:"updated_at"`
}

// networks describes /networks.
func (s *Service) networksResource() api.Resource[Network] {
	return api.Resource[Network]{
		Name: "network", Path: "/networks", Policy: "network", Noun: "network",
		Quota: "network", Rows: s.networks,
		Filters: []api.Filter{
			{Name: "shared", Cond: never("true")},
			{Name: "router:external", Cond: never("true")},
			{Name: "status", Cond: always("ACTIVE")},
			{Name: "provider:network_type", Cond: always("vlan")},
			{Name: "provider:physical_network", Cond: always(physicalNetwork)},
		},
		Fill:     s.fillNetworks,
		Creating: s.creatingNetwork,
		Updating: func(_ context.Context, _ *store.Tx, _ *api.Call, old, changed *Network) error {
			changed.Revision = old.Revision + 1
			return nil
		},
		Deleting: s.deletingNetwork,
	}
}

// creatingNetwork checks a new network and gives it its VLAN.
func (s *Service) creatingNetwork(ctx context.Context, tx *store.Tx, _ *api.Call, in *Network) error {
	switch {
	case in.Shared || in.External:
		return invalidInput("shared and router:external networks are not offered.")
	case in.Type != "" && in.Type != "vlan":
		return invalidInput("provider:network_type '%s': allowed: vlan.", in.Type)
	case in.Physical != "" && in.Physical != physicalNetwork:
		return invalidInput("provider:physical_network '%s': allowed: %s.", in.Physical, physicalNetwork)
	case in.MTU == 0:
		in.MTU = s.mtu
	case in.MTU < 68 || in.MTU > s.mtu:
		return invalidInput("mtu %d: allowed: 68 to %d.", in.MTU, s.mtu)
	}
	in.Revision = 1
	return s.chooseVLAN(ctx, tx, in)
}

// deletingNetwork removes what ends with a network.
func (s *Service) deletingNetwork(ctx context.Context, tx *store.Tx, _ *api.Call, row *Network) error {
	return s.emptyNetwork(ctx, tx, row.ID)
}

// fillNetworks adds what is not in the row.
func (s *Service) fillNetworks(ctx context.Context, _ *api.Call, rows []*Network) error {
	ids := make([]string, len(rows))
	byID := make(map[string]*Network, len(rows))
	for i, n := range rows {
		ids[i], byID[n.ID] = n.ID, n
		n.Status, n.Subnets, n.Tags = "ACTIVE", []string{}, []string{}
		n.Zones, n.ZoneHints = []string{}, []string{}
		n.Type, n.Physical = "vlan", physicalNetwork
	}
	if len(ids) == 0 {
		return nil
	}
	marks, args := in(ids)
	pairs, err := collect(ctx, s.db, columns2, "SELECT network_id, id FROM subnets WHERE network_id IN "+marks+" ORDER BY seq", args...)
	for _, p := range pairs {
		byID[p.a].Subnets = append(byID[p.a].Subnets, p.b)
	}
	return err
}

// never and always are filters on what is the same for all rows.

func never(value string) func(context.Context, *api.Call, []string) ([]store.Cond, error) {
	return func(_ context.Context, _ *api.Call, values []string) ([]store.Cond, error) {
		return noneIf(hasFold(values, value) || hasFold(values, "1")), nil
	}
}

func always(value string) func(context.Context, *api.Call, []string) ([]store.Cond, error) {
	return func(_ context.Context, _ *api.Call, values []string) ([]store.Cond, error) {
		return noneIf(!hasFold(values, value)), nil
	}
}
