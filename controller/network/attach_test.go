package network

import (
	"context"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/node/spec"
)

const (
	serverA = "aaaaaaaa-0000-4000-8000-000000000001"
	serverB = "aaaaaaaa-0000-4000-8000-000000000002"
	serverC = "aaaaaaaa-0000-4000-8000-000000000003"
)

// makeBlue makes a network with a subnet in a project.
func makeBlue(t *testing.T, s *Service, project, cidr string) string {
	t.Helper()
	ctx := t.Context()
	n := &Network{ID: cloud.NewID(), ProjectID: project, Name: "blue", AdminStateUp: true, MTU: 1450, PortSecurity: true}
	sub := &Subnet{ProjectID: project, NetworkID: n.ID, EnableDHCP: true, IPVersion: 4}
	plan := &subnetPlan{CIDR: cidr, IPVersion: 4, DNS: []string{"192.0.2.53"}}
	if err := plan.settle(sub); err != nil {
		t.Fatal(err)
	}
	err := s.db.Transact(ctx, func(tx *store.Tx) error {
		if err := s.chooseVLAN(ctx, tx, n); err != nil {
			return err
		}
		n.CreatedAt, n.UpdatedAt = s.clock(), s.clock()
		if err := s.networks.In(tx).Insert(ctx, n); err != nil {
			return err
		}
		return s.makeSubnet(ctx, tx, sub)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n.ID
}

func bind(t *testing.T, s *Service, project, server, network string) spec.Port {
	t.Helper()
	b := Binding{ProjectID: project, ServerID: server, HostName: "web", Host: "node1", Attach: []Attachment{{NetworkID: network}}}
	for range 2 { // a repetition changes nothing
		if err := s.Bind(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	ports, err := s.GuestPorts(t.Context(), server)
	if err != nil || len(ports) != 1 {
		t.Fatalf("%d ports, %v; want one", len(ports), err)
	}
	return ports[0]
}

func TestAPortAsItsHostHasToKnowIt(t *testing.T) {
	s, _ := newService(t)
	network := makeBlue(t, s, "alice", "10.0.0.0/24")
	a := bind(t, s, "alice", serverA, network)
	b := bind(t, s, "alice", serverB, network)
	same := cmp.Options{
		cmp.Comparer(func(x, y netip.Addr) bool { return x == y }),
		cmp.Comparer(func(x, y netip.Prefix) bool { return x == y }),
	}
	want := spec.Port{
		ID: b.ID, NetworkID: network, MAC: b.MAC, VLAN: 100, MTU: 1450, Security: true, AdminUp: true,
		Addresses: []spec.Address{{
			Address: netip.MustParseAddr("10.0.0.4"), Bits: 24, Gateway: netip.MustParseAddr("10.0.0.1"), SubnetID: b.Addresses[0].SubnetID,
		}},
		DHCP: &spec.DHCPOption{
			Server: netip.MustParseAddr("10.0.0.2"), DNS: []netip.Addr{netip.MustParseAddr("192.0.2.53")}, LeaseSeconds: 86400, HostName: "web",
		},
		Rules: []spec.Rule{
			{}, {IPv6: true},
			{Ingress: true, Remotes: []netip.Prefix{netip.MustParsePrefix("10.0.0.3/32"), netip.MustParsePrefix("10.0.0.4/32")}},
		},
	}
	if diff := cmp.Diff(want, b, same); diff != "" {
		t.Errorf("port of the second server: %s", diff)
	}
	if a.MAC == b.MAC || a.Addresses[0].Address == b.Addresses[0].Address {
		t.Errorf("two ports share what is one's own: %v, %v", a, b)
	}
}

// Two projects may use the same range: only the VLAN keeps them apart.
func TestTheSameRangeInTwoProjects(t *testing.T) {
	s, _ := newService(t)
	a := bind(t, s, "alice", serverA, makeBlue(t, s, "alice", "10.0.0.0/24"))
	b := bind(t, s, "bob", serverB, makeBlue(t, s, "bob", "10.0.0.0/24"))
	if a.Addresses[0].Address != b.Addresses[0].Address || a.VLAN == b.VLAN {
		t.Errorf("addresses %v and %v on VLANs %d and %d", a.Addresses[0].Address, b.Addresses[0].Address, a.VLAN, b.VLAN)
	}
	network := makeBlue(t, s, "alice", "10.9.0.0/24")
	err := s.Bind(t.Context(), Binding{ProjectID: "bob", ServerID: serverC, Attach: []Attachment{{NetworkID: network}}})
	if !cloud.IsNotFound(err) {
		t.Errorf("bob on alice's network: %v", err)
	}
}

func TestReleaseGivesBackWhatWasMadeAndFreesTheRest(t *testing.T) {
	s, _ := newService(t)
	ctx := t.Context()
	network := makeBlue(t, s, "alice", "10.0.0.0/24")
	var own *Port
	err := s.db.Transact(ctx, func(tx *store.Tx) (err error) {
		own, err = s.makePort(ctx, tx, portRequest{Row: Port{ProjectID: "alice", NetworkID: network, AdminStateUp: true, PortSecurity: true}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	b := Binding{ProjectID: "alice", ServerID: serverA, Host: "node1", Attach: []Attachment{{PortID: own.ID}, {NetworkID: network}}}
	if err := s.Bind(ctx, b); err != nil {
		t.Fatal(err)
	}
	b.ServerID = serverB
	if err := s.Bind(ctx, b); !cloud.IsConflict(err) {
		t.Errorf("a port that another server holds: %v", err)
	}
	for range 2 {
		if err := s.Release(ctx, serverA); err != nil {
			t.Fatal(err)
		}
	}
	left, err := s.ports.List(ctx, store.Query{Where: []store.Cond{store.Ne("device_owner", ownerDHCP)}})
	if err != nil || len(left) != 1 || left[0].ID != own.ID || left[0].DeviceID != "" || left[0].HostID != "" {
		t.Errorf("left: %+v, %v; want the user's own port, free", left, err)
	}
}

// Whoever lets members of a group in has to be told when the members change.
func TestHostsAreToldOfWhatConcernsThem(t *testing.T) {
	s, guests := newService(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	network := makeBlue(t, s, "alice", "10.0.0.0/24")
	bind(t, s, "alice", serverA, network)
	guests.wait(t, serverA)
	bind(t, s, "alice", serverB, network)
	guests.wait(t, serverA, serverB)
	if err := s.Release(ctx, serverB); err != nil {
		t.Fatal(err)
	}
	guests.wait(t, serverA)
	group, err := lookupDefault(ctx, s.db, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.db.Transact(ctx, func(tx *store.Tx) error { return s.note(ctx, tx, topicRules, group) }); err != nil {
		t.Fatal(err)
	}
	guests.wait(t, serverA)
}
