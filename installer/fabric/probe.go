package fabric

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// Probe takes part in a round: it sends on every VLAN of the order and
// untagged, listens, and asks whether somebody else has the machine's
// address. It takes as long as the order says. The card is set up for it, with
// room for the frames.
func Probe(ctx context.Context, order plan.FabricOrder, log *slog.Logger) (plan.FabricReport, error) {
	return probing{order, log}.run(ctx, raise)
}

// A probing is one machine's part in a round.
type probing struct {
	order plan.FabricOrder
	log   *slog.Logger
}

func (p probing) run(ctx context.Context, prepare preparation) (plan.FabricReport, error) {
	order, report := p.order, plan.FabricReport{Round: p.order.Round}
	trunk, err := p.open(order.Trunk, prepare)
	if err != nil {
		return report, err
	}
	further := p.further(prepare)
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(order.Seconds)*time.Second, errOver)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range append(further, trunk) {
		g.Go(func() error { return s.sweep(ctx, order) })
		g.Go(func() error { return s.listen(ctx, order.Round) })
	}
	if order.Address.IsValid() {
		g.Go(func() error {
			var err error
			report.Duplicates, err = Others(ctx, order.Management, order.Address)
			return err
		})
	}
	err = g.Wait()
	if errors.Is(err, errOver) {
		err = nil
	}
	report.Heard, report.SpeedMbps = list(trunk.heard), speed(trunk.card.Name)
	for _, s := range further {
		report.More = append(report.More, plan.FabricCard{MAC: s.card.HardwareAddr.String(), Heard: list(s.heard), SpeedMbps: speed(s.card.Name)})
		err = errors.Join(err, s.close())
	}
	return report, errors.Join(err, trunk.close())
}

// A preparation makes a card ready for frames of a size.
type preparation func(card netlink.Link, mtu int, log *slog.Logger) error

// An ear is a card that sends probes, and the largest that it heard.
type ear struct {
	*socket
	heard map[plan.FabricHeard]int
}

// open makes a card ready and listens on it.
func (p probing) open(mac string, prepare preparation) (ear, error) {
	link, err := trunkCard(mac)
	if err != nil {
		return ear{}, err
	}
	if err := prepare(link, p.order.MTU, p.log); err != nil {
		return ear{}, err
	}
	card, err := net.InterfaceByIndex(link.Attrs().Index)
	if err != nil {
		return ear{}, fmt.Errorf("network card %s: %w", mac, err)
	}
	s, err := open(card)
	return ear{s, map[plan.FabricHeard]int{}}, err
}

// further opens the other cards of the order. One that is in a bond already
// cannot be told from it, and is left out.
func (p probing) further(prepare preparation) []ear {
	var list []ear
	for _, mac := range p.order.Cards {
		e, err := p.open(mac, prepare)
		if err != nil {
			p.log.Warn("fabric check", "card", mac, "error", err)
			continue
		}
		list = append(list, e)
	}
	return list
}

// errOver ends a round in good order.
var errOver = errors.New("the round is over")

// raise sets the card up, with room for frames of that size.
func raise(link netlink.Link, mtu int, log *slog.Logger) error {
	name := link.Attrs().Name
	if link.Attrs().MTU < mtu {
		if err := netlink.LinkSetMTU(link, mtu); err != nil {
			log.Warn("card does not take the MTU", "card", name, "mtu", mtu, "error", err)
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("network card %s up: %w", name, err)
	}
	return nil
}

// inUse leaves a card as it is.
func inUse(netlink.Link, int, *slog.Logger) error { return nil }

// speed is the card's, in Mbit/s, or 0 where it does not say.
func speed(name string) int {
	b, err := os.ReadFile("/sys/class/net/" + name + "/speed")
	if err != nil {
		return 0
	}
	var mbps int
	if _, err := fmt.Sscan(string(b), &mbps); err != nil || mbps < 0 {
		return 0
	}
	return mbps
}

// sweep sends a small and a full probe on each VLAN and untagged, again and
// again until the round is over, at an even pace.
func (s *socket) sweep(ctx context.Context, order plan.FabricOrder) error {
	vlans := append([]int{0}, order.VLANs...)
	pause := time.NewTicker(order.Sweep() / time.Duration(len(vlans)))
	defer pause.Stop()
	for i := 0; ; i = (i + 1) % len(vlans) {
		for _, size := range []int{smallest, order.MTU} {
			err := s.send(probe{uint32(order.Round), uint16(vlans[i]), uint16(size)})
			// A card that cannot send a full frame is heard with small ones alone.
			if err != nil && !errors.Is(err, unix.EMSGSIZE) && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EAGAIN) {
				return fmt.Errorf("send a probe on %s: %w", s.card.Name, err)
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-pause.C:
		}
	}
}

// listen notes the largest probe of the round from everybody, by tag.
func (s ear) listen(ctx context.Context, round int) error {
	buf := make([]byte, 1<<16)
	for ctx.Err() == nil {
		t, err := s.receive(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			if err := s.wait(100); err != nil {
				return err
			}
		case errors.Is(err, errNoProbe):
		case err != nil:
			return err
		case int(t.round) == round:
			key := plan.FabricHeard{MAC: t.from.String(), VLAN: int(t.vlan), As: int(t.tag)}
			s.heard[key] = max(s.heard[key], int(t.size))
		}
	}
	return context.Cause(ctx)
}

func list(heard map[plan.FabricHeard]int) []plan.FabricHeard {
	out := make([]plan.FabricHeard, 0, len(heard))
	for h, size := range heard {
		h.Size = size
		out = append(out, h)
	}
	slices.SortFunc(out, func(a, b plan.FabricHeard) int {
		return cmp.Or(cmp.Compare(a.MAC, b.MAC), cmp.Compare(a.VLAN, b.VLAN), cmp.Compare(a.As, b.As))
	})
	return out
}
