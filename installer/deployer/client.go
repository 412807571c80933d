// Package deployer is the installer's end of the deployer's API: it sends the
// inventory, waits for the plan, reports progress and asks for an identity.
//
// The deployer is known by its CA, whose fingerprint is on the kernel line,
// and the machine by its boot ticket. It may import
// installer/plan and installer/fabric.
package deployer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/installer/fabric"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// Options say which deployer is meant and how both know each other.
type Options struct {
	Host    string // name or address, with a port or without
	CA      string // sha256:<hex> of the CA certificate's DER
	Ticket  string // never logged
	Machine string
	// Probe takes part in a round of the fabric check; default [fabric.Probe].
	Probe func(context.Context, plan.FabricOrder, *slog.Logger) (plan.FabricReport, error)
	Say   func(format string, args ...any) // told what is waited for and why
	Log   *slog.Logger
}

// A Client speaks to one deployer for one machine.
type Client struct {
	*wire
	o Options
}

// New prepares a client; nothing is sent yet.
func New(o Options) (*Client, error) {
	if o.Ticket == "" {
		return nil, fmt.Errorf("%s is empty; allowed: the boot ticket that the deployer made", plan.ParamTicket)
	}
	if o.Probe == nil {
		o.Probe = fabric.Probe
	}
	w, err := newWire(o.Host, plan.ParamCA, o.CA)
	if err != nil {
		return nil, err
	}
	w.base += "/v1/machines/" + url.PathEscape(o.Machine)
	w.ticket = o.Ticket
	return &Client{wire: w, o: o}, nil
}

// Plan sends the inventory and waits until the deployer has decided. again
// takes the inventory anew, where the deployer asks for that.
func (c *Client) Plan(ctx context.Context, inv plan.Inventory, again func() plan.Inventory) (plan.Plan, error) {
	var a plan.Answer
	if err := c.persist(ctx, http.MethodPost, "/inventory", inv, &a); err != nil {
		return plan.Plan{}, err
	}
	for probed := 0; ; {
		switch {
		case a.Fabric != nil && a.Fabric.Round != probed:
			probed = a.Fabric.Round
			if err := c.fabric(ctx, *a.Fabric); err != nil {
				return plan.Plan{}, err
			}
		case a.Refused != "":
			return plan.Plan{}, &plan.Refusal{Reason: "the deployer at " + c.o.Host + " refuses this machine", Remedy: strings.TrimSuffix(a.Refused, ".")}
		case a.Plan != nil:
			return *a.Plan, nil
		}
		c.o.Say("waiting for the deployer: %s", orUnknown(a.Wait))
		if a.Again {
			a = plan.Answer{}
			if err := c.persist(ctx, http.MethodPost, "/inventory", again(), &a); err != nil {
				return plan.Plan{}, err
			}
			continue
		}
		if err := pause(ctx, spread(3*time.Second)); err != nil {
			return plan.Plan{}, err
		}
		a = plan.Answer{}
		if err := c.persist(ctx, http.MethodGet, "/plan", nil, &a); err != nil {
			return plan.Plan{}, err
		}
	}
}

// fabric takes part in a round and reports. A round that was missed is no
// failure: the deployer asks for another.
func (c *Client) fabric(ctx context.Context, order plan.FabricOrder) error {
	c.o.Say("fabric check: round %d, %d VLANs with %d machines", order.Round, len(order.VLANs), len(order.Peers))
	report, err := c.o.Probe(ctx, order, c.o.Log)
	if err != nil {
		c.o.Log.Warn("fabric check", "round", order.Round, "error", err)
		c.o.Say("fabric check: %v", err)
		return pause(ctx, time.Second)
	}
	report.Clock = time.Now().Format(time.RFC3339Nano)
	err = c.persist(ctx, http.MethodPost, "/fabric", report, nil)
	if s := (*StatusError)(nil); errors.As(err, &s) && s.Code == http.StatusConflict {
		c.o.Log.Warn("fabric check", "round", order.Round, "error", err)
		return nil
	}
	return err
}

func orUnknown(s string) string {
	if s == "" {
		return "it does not say for what"
	}
	return s
}

// Progress tells the deployer how far the installation is. A report that is
// lost does no harm.
func (c *Client) Progress(ctx context.Context, p plan.Progress) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := c.once(ctx, http.MethodPost, "/progress", p, nil); err != nil {
		c.o.Log.Warn("progress report", "error", err)
	}
}

// Finished reports the last phase, and unlike [Client.Progress] waits until the
// deployer has it: a deployer that does not know that the disk is complete
// installs the machine again.
func (c *Client) Finished(ctx context.Context, p plan.Progress) error {
	return c.persist(ctx, http.MethodPost, "/progress", p, nil)
}

// Enrol asks for the machine's identity. The ticket is used up by it.
func (c *Client) Enrol(ctx context.Context, csr []byte) (plan.Enrolment, error) {
	var e plan.Enrolment
	err := c.persist(ctx, http.MethodPost, "/enrol", plan.EnrolRequest{CSR: string(csr)}, &e)
	return e, err
}

// persist asks until there is an answer. Answers that will stay the same end
// it; a deployer that cannot be reached is waited for, since it may be
// restarting.
func (c *Client) persist(ctx context.Context, method, path string, in, out any) error {
	wait := time.Second
	for {
		err := c.once(ctx, method, path, in, out)
		var s *StatusError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &s) && s.Code < 500:
			return err
		case isCertificate(err):
			return err
		}
		c.o.Log.Warn("deployer", "path", path, "error", err)
		c.o.Say("waiting for the deployer at %s: %v", c.o.Host, err)
		if err := pause(ctx, spread(wait)); err != nil {
			return err
		}
		wait = min(2*wait, 10*time.Second)
	}
}

// spread is about d, longer or shorter by a quarter: machines that were
// switched on together do not ask together for ever.
func spread(d time.Duration) time.Duration { return d*3/4 + rand.N(d/2+1) }

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
