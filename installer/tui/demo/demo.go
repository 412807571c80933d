// Package demo is the installer's conversation without an installation: on a
// machine that does not exist, or like one whose inventory was saved, with
// networks, sticks, keys and a deployer that are made up. It writes nothing
// and sends nothing.
//
// For people who want to see the screens before they stand in front of a
// rack, and for tests. It may import installer/plan, installer/tui and
// installer/tui/wizard.
package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/tui"
	"github.com/cairn-cloud/cairn/installer/tui/wizard"
)

// Options of [Run].
type Options struct {
	Inventory plan.Inventory // zero: that of [Server]
	Terminal  *tui.Terminal
	Speed     int // bytes a second that are installed; 0: 40 MB
	Log       *slog.Logger
}

// Run holds the conversation until the person leaves, or has "installed". It
// returns the rack.yaml that came of it; none where the person left.
func Run(ctx context.Context, o Options) ([]byte, error) {
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	if o.Inventory.Machine == "" {
		o.Inventory = Server()
	}
	s := tui.Start(ctx, tui.Options{Needs: world{o.Inventory}.needs(), Terminals: []*tui.Terminal{o.Terminal},
		Leave: func(wizard.Choice) { leave(errLeft) }, Log: o.Log})
	defer s.Close()
	for {
		a, err := s.Ask(ctx)
		if err != nil {
			return nil, left(err)
		}
		if a.Choice != wizard.Found {
			err := s.Failed(ctx, fmt.Sprintf("this is a demonstration: the choice was %q, and nothing comes of it", a.Choice), "Go back and found a cloud.")
			if err != nil {
				return nil, left(err)
			}
			s.Again()
			continue
		}
		switch done, err := install(ctx, s, o, a.Rack); {
		case err != nil:
			return nil, left(err)
		case done:
			return a.Rack, nil
		}
		s.Again()
	}
}

var errLeft = errors.New("the person left")

// left tells whether a person just left, which is no failure.
func left(err error) error {
	if errors.Is(err, errLeft) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// install shows what an installation shows. It tells whether the person
// agreed.
func install(ctx context.Context, s *tui.Session, o Options, text []byte) (bool, error) {
	rack, err := plan.ParseRack(text)
	if err != nil {
		return false, err
	}
	p, err := plan.Make(o.Inventory, rack, plan.Options{Version: version, Local: true, Number: 1})
	if err != nil {
		return false, s.Failed(ctx, err.Error(), "Go back and choose something else.")
	}
	s.Begin("Installing " + p.HostName + " on " + p.Disk.Path)
	if yes, err := s.Confirm(ctx, p, text); err != nil || !yes {
		return false, err
	}
	if err := pretend(ctx, s, p, o.Speed); err != nil {
		return false, err
	}
	at := rack.Management.Controller.String()
	return true, s.Finished(ctx, wizard.Outcome{Title: p.HostName + " is ready to start", Facts: []wizard.Fact{
		{Name: "API", Value: "https://" + at + "/"},
		{Name: "SSH", Value: "ssh cairn@" + at},
		{Name: "CA", Value: fingerprint},
	}, Next: "This was a demonstration: nothing was written."})
}

// pretend takes as long as an installation at that speed.
func pretend(ctx context.Context, s *tui.Session, p plan.Plan, speed int) error {
	const total = 312e6
	if speed == 0 {
		speed = 40e6
	}
	const step = 100 * time.Millisecond
	fmt.Fprintf(s, "installing version %s on %s", p.Version, p.Disk)
	for _, phase := range []string{"partition", "write", "verify", "configure", "enrol", "handover"} {
		fmt.Fprintf(s, "%s begins", phase)
		end := int64(speed) / 2
		if phase == "write" || phase == "verify" {
			end = total
		}
		for done := int64(0); done < end; done += int64(speed) / 10 {
			r := plan.Progress{Phase: phase, Detail: p.Disk.Path}
			if end == total {
				r.Done, r.Total = done, total
			}
			s.Progress(r)
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(step):
			}
		}
	}
	return nil
}
