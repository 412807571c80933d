package installer

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/cairn-cloud/cairn/installer/initrd"
	"github.com/cairn-cloud/cairn/installer/inventory"
	"github.com/cairn-cloud/cairn/installer/network"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// lldpPatience is how long an installation waits for the switches to say who
// they are, when nothing in it depends on that.
const lldpPatience = 3 * time.Second

// look is this machine, listening for its switches from now on. The listener
// ends with this kernel.
func (m *machine) look() inventory.Host {
	if err := m.modules.Load("ipmi_devintf"); err != nil {
		m.log.Warn("BMC", "error", err)
	}
	h, _ := inventory.This().Listening(true, m.log)
	return h
}

// patienceFor is long enough to hear every switch where rack.yaml asks for
// them. A deployer says on the kernel line what it needs.
func patienceFor(from origin) time.Duration {
	if l, ok := from.(*local); ok && l.rack.Listens() {
		return plan.LLDPSeconds * time.Second
	}
	return lldpPatience
}

// lldpWait is how long to wait for the switches: what the kernel line says.
func (m *machine) lldpWait(otherwise time.Duration) time.Duration {
	if word := m.params.Get(plan.ParamLLDP); word != "" {
		seconds, err := strconv.ParseUint(word, 10, 16)
		if err == nil {
			return time.Duration(seconds) * time.Second
		}
		m.say("%s is %q; allowed: a number of seconds", plan.ParamLLDP, word)
	}
	return otherwise
}

// quiet is how long no new device must have appeared before an inventory is
// taken for its own sake.
const quiet = 5 * time.Second

// inventory prints what the machine consists of on all consoles, as JSON
// between two lines of its own and for people, and switches it off, or leaves
// it on where cairn.fail is wait. Nothing is changed.
func (m *machine) inventory(ctx context.Context) error {
	m.doing = "looking for devices"
	never := func() bool { return false }
	if err := m.modules.WaitDevices(ctx, quiet, never, func(time.Duration) {}); ctx.Err() != nil {
		return err
	}
	if err := network.LinksUp(ctx, linkPatience); err != nil {
		m.log.Warn("links", "error", err)
	}
	m.doing = "taking the inventory"
	h := m.look()
	h.LLDPWait = m.lldpWait(plan.LLDPSeconds * time.Second)
	m.say("listening for switches for up to %s", h.LLDPWait)
	inv := h.Collect("", m.bootMAC())
	m.say("inventory begins")
	if err := inventory.Write(m.console, inv, true); err != nil {
		return fmt.Errorf("inventory: %w", err)
	}
	m.say("inventory ends")
	m.console.Printf("%s", inventory.Show(inv))
	if m.params.Get(plan.ParamFail) == "wait" {
		m.say("the machine stays on, as %s says", plan.ParamFail)
		<-ctx.Done()
		return ctx.Err()
	}
	return initrd.PowerOff()
}
