package vswitch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/cairn-cloud/cairn/node/host"
	"github.com/cairn-cloud/cairn/node/spec"
	"github.com/cairn-cloud/cairn/node/vswitch/metadata"
)

// A Wiring is how one guest is joined to networks.
type Wiring struct {
	Guest    string
	Ports    []spec.Port
	Metadata spec.Metadata
	// Taps tells that the switch has to make the NICs' host ends; else the
	// driver does, when the guest starts.
	Taps bool
}

// Options are what can be chosen about a switch.
type Options struct {
	Bridge   string // name of the bridge; made if absent
	TrunkMAC string // of the tenant NIC; empty: none, guests of this host meet each other alone
	// TrunkBond tells that the tenant NIC is a bond: none of its members, which
	// have its MAC too, is taken for it while it is being made.
	TrunkBond bool
	// SharedTrunk tells that the tenant NIC carries management too, with a tag
	// or without: the host keeps it, and gives its guests' VLANs to the bridge
	// one by one.
	SharedTrunk bool
	// ManagementVLAN is the tag of management on a shared trunk; 0: untagged.
	// No guest can be in it.
	ManagementVLAN int
	Log            *slog.Logger
	// Plain is for kernels that can neither filter VLANs nor track
	// connections on bridges, in tests: ports of one VLAN are joined without
	// tags, and a port of a second one is refused.
	Plain bool
}

// A Switch is the bridge of one host with all that hangs on it.
type Switch struct {
	options Options
	log     *slog.Logger

	mu       sync.Mutex // guards what follows, and every change of the host
	wirings  map[string]Wiring
	loaded   string // rules in force
	trunk    string // name of the tenant NIC, once found
	services map[int]*service
	refused  map[string]string // why a port is isolated, by its id

	// view is what the services answer from: they never wait for a change.
	view viewHolder
}

// New returns a switch that has changed nothing yet.
func New(o Options) *Switch {
	return &Switch{
		options: o, log: o.Log, wirings: map[string]Wiring{},
		services: map[int]*service{}, refused: map[string]string{},
	}
}

// Restore makes the wirings given all that there are.
func (s *Switch) Restore(ctx context.Context, all []Wiring) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wirings, s.loaded = map[string]Wiring{}, ""
	var errs []error
	for _, w := range all {
		if err := s.checkShared(w.Ports); err != nil {
			errs = append(errs, err)
			continue
		}
		s.wirings[w.Guest] = w
	}
	if err := s.apply(ctx); err != nil {
		return errors.Join(append(errs, err)...)
	}
	for _, w := range s.wirings {
		errs = append(errs, s.plug(w))
	}
	return errors.Join(errs...)
}

// Connect puts the rules of a guest's ports in force, then joins the NICs
// that exist to their networks.
func (s *Switch) Connect(ctx context.Context, w Wiring) error {
	if err := checkPorts(w.Ports); err != nil {
		return err
	}
	if err := s.checkShared(w.Ports); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, had := s.wirings[w.Guest]
	s.wirings[w.Guest] = w
	if err := s.apply(ctx); err != nil {
		return err
	}
	if had {
		if err := s.unplug(dropped(old.Ports, w.Ports)); err != nil {
			return err
		}
	}
	return s.plug(w)
}

// dropped returns the ports of old that are not in now.
func dropped(old, now []spec.Port) []spec.Port {
	return slices.DeleteFunc(slices.Clone(old), func(p spec.Port) bool {
		return slices.ContainsFunc(now, func(q spec.Port) bool { return p.ID == q.ID })
	})
}

// Disconnect leaves nothing of a guest's ports.
func (s *Switch) Disconnect(ctx context.Context, guest string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, ok := s.wirings[guest]
	if !ok {
		return nil
	}
	if err := s.unplug(w.Ports); err != nil {
		return err
	}
	delete(s.wirings, guest)
	return s.apply(ctx)
}

// Close ends the services. Bridge, ports and rules stay.
func (s *Switch) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keepServices(nil)
}

// checkPorts tells what no host can do.
func checkPorts(ports []spec.Port) error {
	for i := range ports {
		p := &ports[i]
		if len(p.ID) < 11 || strings.ContainsAny(p.ID, " \t\n\"/*{};") {
			return fmt.Errorf("port: id is %q; allowed: a UUID", p.ID)
		}
		if macNumber(p.MAC) == 0 || strings.ContainsAny(p.MAC, " .-") {
			return fmt.Errorf("port %s: mac is %q; allowed: like fa:16:3e:00:00:01", p.ID, p.MAC)
		}
		if p.VLAN < 1 || p.VLAN > 4094 {
			return fmt.Errorf("port %s: vlan is %d; allowed: 1 to 4094", p.ID, p.VLAN)
		}
	}
	return nil
}

// ports returns all ports, in order.
func (s *Switch) ports() []spec.Port {
	var all []spec.Port
	for _, w := range s.wirings {
		all = append(all, w.Ports...)
	}
	slices.SortFunc(all, func(a, b spec.Port) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// apply makes bridge, trunk, rules and services those of the wirings.
func (s *Switch) apply(ctx context.Context) error {
	ports := s.ports()
	vlans := vlansOf(ports)
	if s.options.Plain && len(vlans) > 1 {
		return fmt.Errorf("a plain switch has one VLAN, not %v", vlans)
	}
	s.view.set(s.wirings)
	if err := s.ensureBridge(); err != nil {
		return err
	}
	trunk, err := s.findTrunk()
	if err != nil {
		return err
	}
	if err := s.loadRules(ctx, ports); err != nil {
		return err
	}
	if trunk != nil {
		if err := s.joinTrunk(trunk, vlans); err != nil {
			return err
		}
	}
	return s.keepServices(ports)
}

// vlansOf returns the VLANs of ports, each once, in order.
func vlansOf(ports []spec.Port) []int {
	var vlans []int
	for _, p := range ports {
		vlans = append(vlans, p.VLAN)
	}
	slices.Sort(vlans)
	return slices.Compact(vlans)
}

// loadRules puts the rules in force. When the kernel refuses them, each port
// is tried alone, and those that are to blame are isolated.
func (s *Switch) loadRules(ctx context.Context, ports []spec.Port) error {
	r := Ruleset{Trunk: s.trunk, Shared: s.options.SharedTrunk, Ports: ports, Stateless: s.options.Plain}
	text := Rules(r)
	if text == s.loaded {
		return nil
	}
	s.refused = map[string]string{}
	err := nft(ctx, text)
	if err != nil && ctx.Err() == nil {
		r.Isolated = map[string]bool{}
		for _, p := range ports {
			alone := r
			alone.Ports = []spec.Port{p}
			if bad := nft(ctx, Rules(alone), "--check"); bad != nil {
				r.Isolated[p.ID], s.refused[p.ID] = true, bad.Error()
				s.log.Error("a port is isolated: the kernel refuses its rules", "port", p.ID, "error", bad)
			}
		}
		err = nft(ctx, Rules(r))
	}
	if err != nil {
		s.loaded = ""
		return fmt.Errorf("load the rules of %d ports: %w", len(ports), err)
	}
	s.loaded = text
	return nil
}

// nft hands a text to nftables.
func nft(ctx context.Context, text string, args ...string) error {
	p := host.Program{Path: "nft", Args: append(args, "--file", "-"), Stdin: strings.NewReader(text)}
	_, err := p.Run(ctx)
	return err
}

// Checks says whether the bridge, its trunk and the rules are as they have to
// be, and loads the rules again when somebody has removed them.
func (s *Switch) Checks(ctx context.Context) []spec.Check {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded != "" {
		if _, err := host.Run(ctx, "nft", "list", "chain", "bridge", tableName, "crossing"); err != nil && ctx.Err() == nil {
			s.log.Error("the rules of the guests' ports are gone; loading them again", "error", err)
			s.loaded = ""
		}
	}
	err := s.apply(ctx)
	if err == nil && s.trunk == "" && s.options.TrunkMAC != "" {
		err = fmt.Errorf("no NIC has the MAC %s of the tenant network", s.options.TrunkMAC)
	}
	for id, why := range s.refused {
		err = errors.Join(err, fmt.Errorf("port %s is isolated: %s", id, why))
	}
	c := spec.Check{Name: "bridge", OK: err == nil}
	if err != nil {
		c.Why = err.Error()
	}
	return []spec.Check{c}
}

// A viewHolder holds what services answer from.
type viewHolder struct {
	mu   sync.RWMutex // guards what follows; the maps are replaced, never changed
	mac  map[int]map[string]spec.Port
	addr map[int]map[netip.Addr]metadata.Guest
}

func (v *viewHolder) set(wirings map[string]Wiring) {
	macs, addrs := map[int]map[string]spec.Port{}, map[int]map[netip.Addr]metadata.Guest{}
	for _, w := range wirings {
		for _, p := range w.Ports {
			if macs[p.VLAN] == nil {
				macs[p.VLAN], addrs[p.VLAN] = map[string]spec.Port{}, map[netip.Addr]metadata.Guest{}
			}
			macs[p.VLAN][p.MAC] = p
			for _, a := range p.Addresses {
				addrs[p.VLAN][a.Address] = metadata.Guest{Metadata: w.Metadata, Ports: w.Ports}
			}
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mac, v.addr = macs, addrs
}

func (v *viewHolder) port(vlan int, mac string) (spec.Port, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	p, ok := v.mac[vlan][mac]
	return p, ok
}

func (v *viewHolder) guest(vlan int, a netip.Addr) (metadata.Guest, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	g, ok := v.addr[vlan][a]
	return g, ok
}
