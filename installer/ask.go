package installer

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/cairn-cloud/cairn/installer/deployer"
	"github.com/cairn-cloud/cairn/installer/initrd"
	"github.com/cairn-cloud/cairn/installer/inventory"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/source"
	"github.com/cairn-cloud/cairn/installer/tui"
	"github.com/cairn-cloud/cairn/installer/tui/wizard"
)

// paramUI asks for the conversation with a person, whatever else there is.
const paramUI = "cairn.ui"

// An askError says that a person has to decide.
type askError struct {
	medium *volume // nil: there is none
	why    error   // what to say where nobody can be asked
}

func (e *askError) Error() string { return e.why.Error() }

// An asking is a conversation with a person, and what comes of it.
type asking struct {
	m       *machine
	medium  *volume
	host    inventory.Host
	keys    []ed25519.PublicKey
	release *source.Release // nil: there is none
	inv     plan.Inventory
	session *tui.Session
}

// ask has a person decide, as often as it takes, and carries it out. It
// returns only on failure.
func (m *machine) ask(ctx context.Context, e *askError, host inventory.Host, keys []ed25519.PublicKey) error {
	m.doing = "asking a person"
	a := &asking{m: m, medium: e.medium, host: host, keys: keys}
	if e.medium != nil {
		var err error
		if a.release, err = source.Open(ctx, a.place(), keys, m.console.Printf, m.log); err != nil {
			return err
		}
	}
	a.inv = host.Collect(a.disk(), m.bootMAC())
	terms := m.terminals()
	if len(terms) == 0 {
		return e.why
	}
	a.session = tui.Start(ctx, tui.Options{Needs: a.needs(), Terminals: terms, Leave: m.leave, Log: m.log})
	back := m.console.Yield(a.session)
	job, boot, err := a.decided(ctx)
	a.session.Close()
	back()
	switch {
	case errors.Is(err, tui.ErrNoTerminal):
		return e.why
	case err != nil:
		return err
	case job == nil:
		return m.bootDisk(ctx, boot)
	}
	return m.handover(job)
}

// terminals opens those that work.
func (m *machine) terminals() []*tui.Terminal {
	var out []*tui.Terminal
	for _, name := range m.console.Terminals() {
		kind := "vt220" // what every terminal program and every BMC speaks
		if name == "tty1" {
			kind = "linux"
		}
		t, err := tui.OpenTerminal(name, kind)
		if err != nil {
			m.log.Warn("no conversation there", "error", err)
			continue
		}
		out = append(out, t)
	}
	return out
}

// leave restarts the machine or switches it off.
func (m *machine) leave(c wizard.Choice) {
	do := initrd.Reboot
	if c == wizard.PowerOff {
		do = initrd.PowerOff
	}
	if err := do(); err != nil {
		m.log.Error("leave", "choice", c, "error", err)
	}
}

func (a *asking) place() source.Place { return source.Dir(filepath.Join(a.medium.dir, releaseDir)) }

// disk is the one that the medium is.
func (a *asking) disk() string {
	if a.medium == nil {
		return ""
	}
	return a.medium.disk
}

// decided talks until something is installed, which it returns, or an
// installed disk is to be booted.
func (a *asking) decided(ctx context.Context) (*job, string, error) {
	for {
		answer, err := a.session.Ask(ctx)
		if err != nil {
			return nil, "", err
		}
		if answer.Choice == wizard.Boot {
			return nil, answer.Disk, nil
		}
		job, err := a.install(ctx, answer)
		if err == nil {
			return job, "", nil
		}
		if errors.Is(err, tui.ErrNoTerminal) || ctx.Err() != nil {
			return nil, "", err
		}
		if !errors.Is(err, errNotAgreed) {
			a.m.log.Error("installation", "doing", a.m.doing, "error", err)
			reason, remedy := explain(err)
			if err := a.session.Failed(ctx, "while "+a.m.doing+": "+reason, remedy); err != nil {
				return nil, "", err
			}
		}
		a.session.Again()
	}
}

// errNotAgreed means that a person has seen the plan and went back.
var errNotAgreed = errors.New("the person did not agree to the plan")

// install does what was decided: the same as without a person, with the
// summary in between.
func (a *asking) install(ctx context.Context, answer wizard.Answer) (*job, error) {
	from, err := a.origin(answer)
	if err != nil {
		return nil, err
	}
	a.session.Begin("Installing")
	j := &job{from: from, host: a.host, keys: a.keys, log: a.m.log, print: a.m.console.Printf, doing: func(s string) { a.m.doing = s }}
	if err := j.run(ctx, a.m.bootMAC()); err != nil {
		if !errors.Is(err, errNotAgreed) {
			from.Progress(ctx, plan.Progress{Phase: phaseFailed, Detail: err.Error()})
		}
		return nil, err
	}
	// The disk is complete, however long somebody reads.
	from.Progress(ctx, plan.Progress{Phase: phaseHandover, Detail: j.plan.Handover})
	return j, a.session.Finished(ctx, from.outcome(j.plan))
}

// origin is who decides about the installation that a person wants.
func (a *asking) origin(answer wizard.Answer) (*agreed, error) {
	out := &agreed{session: a.session}
	if answer.Choice == wizard.Found {
		rack, err := plan.ParseRack(answer.Rack)
		if err != nil {
			return nil, err
		}
		out.origin = &local{rack: rack, rackRaw: answer.Rack, place: a.place(), medium: a.disk(), log: a.m.log}
		out.rack, out.rackRaw = rack, answer.Rack
		return out, nil
	}
	d := answer.Deployer
	c, err := deployer.New(deployer.Options{Host: d.Host, CA: d.CA, Ticket: d.Ticket, Machine: a.inv.Machine, Say: a.m.say, Log: a.m.log})
	if err != nil {
		return nil, err
	}
	out.origin = &remote{client: c, place: source.NewHTTP(imageURL(d.Host), a.m.say, a.m.log), host: d.Host, log: a.m.log}
	return out, nil
}

// trust are the fingerprints of the first screen.
func (a *asking) trust() []wizard.Fact {
	if a.release == nil {
		return nil
	}
	return []wizard.Fact{{Name: "Release", Value: fmt.Sprintf("sha256:%x", sha256.Sum256(a.release.Raw))}}
}
