package guest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket/dialers"
	"github.com/google/uuid"
	"libvirt.org/go/libvirtxml"

	"github.com/cairn-cloud/cairn/node/spec"
)

// LibvirtSocket is where libvirtd listens.
const LibvirtSocket = "/run/libvirt/libvirt-sock"

const (
	// callTimeout bounds one conversation with libvirtd, waiting for a guest
	// to shut down excepted. Starting QEMU under emulation takes long.
	callTimeout = 3 * time.Minute
	// grace is how long a guest may take to shut down.
	grace = 60 * time.Second
	// look is the time between two looks at a guest that shuts down.
	look = 500 * time.Millisecond
)

// A Libvirt is a driver over libvirtd. Each call is a connection of its own,
// closed when the call's context ends: the library's calls know no deadline.
type Libvirt struct {
	socket   string
	uri      string
	about    spec.Hypervisor // without Version
	undefine libvirt.DomainUndefineFlagsValues
	grace    time.Duration
	document func(Spec) (*libvirtxml.Domain, error)
}

// with calls f with a connection.
func (v *Libvirt) with(ctx context.Context, f func(*libvirt.Libvirt) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", v.socket)
	if err != nil {
		return fmt.Errorf("libvirt: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	l := libvirt.NewWithDialer(dialers.NewAlreadyConnected(conn))
	if err := l.ConnectToURI(libvirt.ConnectURI(v.uri)); err != nil {
		return v.failed(ctx, fmt.Errorf("open %s: %w", v.uri, err))
	}
	if err := f(l); err != nil {
		return v.failed(ctx, err)
	}
	return v.failed(ctx, l.Disconnect())
}

// failed prefers the reason why the connection was closed under a call.
func (v *Libvirt) failed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("libvirt: %w", context.Cause(ctx))
	default:
		return fmt.Errorf("libvirt: %w", err)
	}
}

// find returns the domain of a guest, ErrAbsent when there is none.
func find(l *libvirt.Libvirt, id string) (libvirt.Domain, error) {
	u, err := uuid.Parse(id)
	if err != nil {
		return libvirt.Domain{}, fmt.Errorf("guest id is %q; allowed: a UUID: %w", id, err)
	}
	dom, err := l.DomainLookupByUUID(libvirt.UUID(u))
	if libvirt.IsNotFound(err) {
		return dom, fmt.Errorf("guest %s: %w", id, ErrAbsent)
	}
	return dom, err
}

// active tells whether a domain has power.
func active(l *libvirt.Libvirt, dom libvirt.Domain) (bool, error) {
	state, _, err := l.DomainGetState(dom, 0)
	if libvirt.IsNotFound(err) {
		return false, nil
	}
	s := libvirt.DomainState(state)
	return err == nil && s != libvirt.DomainShutoff && s != libvirt.DomainCrashed && s != libvirt.DomainNostate, err
}

// Start is that of Driver.
func (v *Libvirt) Start(ctx context.Context, s Spec) error {
	return v.with(ctx, func(l *libvirt.Libvirt) error {
		if dom, err := find(l, s.ID); err == nil {
			if on, err := active(l, dom); err != nil || on {
				return err
			}
		} else if !errors.Is(err, ErrAbsent) {
			return err
		}
		doc, err := v.document(s)
		if err != nil {
			return err
		}
		text, err := doc.Marshal()
		if err != nil {
			return fmt.Errorf("domain of %s: %w", s.ID, err)
		}
		dom, err := l.DomainDefineXMLFlags(text, 0)
		if err != nil {
			return fmt.Errorf("define %s: %w", s.ID, err)
		}
		if err := l.DomainCreate(dom); err != nil {
			return fmt.Errorf("start %s: %w", s.ID, err)
		}
		return nil
	})
}

// Stop is that of Driver.
func (v *Libvirt) Stop(ctx context.Context, id string, hard bool) error {
	if !hard {
		off, err := v.shutDown(ctx, id)
		if err != nil || off {
			return err
		}
	}
	return v.with(ctx, func(l *libvirt.Libvirt) error {
		dom, err := find(l, id)
		if errors.Is(err, ErrAbsent) {
			return nil
		}
		if err != nil {
			return err
		}
		return destroy(l, dom)
	})
}

// shutDown asks a guest to end and tells whether it did.
func (v *Libvirt) shutDown(ctx context.Context, id string) (bool, error) {
	st, err := v.State(ctx, id)
	if errors.Is(err, ErrAbsent) || err == nil && !st.Running {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	err = v.with(ctx, func(l *libvirt.Libvirt) error {
		dom, err := find(l, id)
		if err != nil {
			return err
		}
		return l.DomainShutdownFlags(dom, 0)
	})
	if err != nil {
		return false, ctx.Err() // it has no ears: its power is taken
	}
	end := time.NewTimer(v.grace)
	defer end.Stop()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-end.C:
			return false, nil
		case <-tick.C:
			st, err := v.State(ctx, id)
			if errors.Is(err, ErrAbsent) || err == nil && !st.Running {
				return true, nil
			}
		}
	}
}

// destroy takes a domain's power, if it has any.
func destroy(l *libvirt.Libvirt, dom libvirt.Domain) error {
	on, err := active(l, dom)
	if err != nil || !on {
		return err
	}
	err = l.DomainDestroy(dom)
	if err == nil {
		return nil
	}
	if on, again := active(l, dom); again == nil && !on {
		return nil // it ended by itself meanwhile
	}
	return err
}

// Delete is that of Driver.
func (v *Libvirt) Delete(ctx context.Context, id string) error {
	return v.with(ctx, func(l *libvirt.Libvirt) error {
		dom, err := find(l, id)
		if errors.Is(err, ErrAbsent) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := destroy(l, dom); err != nil {
			return err
		}
		if err := l.DomainUndefineFlags(dom, v.undefine); err != nil && !libvirt.IsNotFound(err) {
			return fmt.Errorf("forget %s: %w", id, err)
		}
		return nil
	})
}

// State is that of Driver.
func (v *Libvirt) State(ctx context.Context, id string) (State, error) {
	var st State
	err := v.with(ctx, func(l *libvirt.Libvirt) error {
		dom, err := find(l, id)
		if err != nil {
			return err
		}
		if st.Running, err = active(l, dom); err != nil || !st.Running {
			return err
		}
		st.Run = int64(dom.ID)
		text, err := l.DomainGetXMLDesc(dom, 0)
		if err != nil {
			return err
		}
		st.Console, err = terminal(text)
		return err
	})
	return st, err
}

// terminal returns the terminal of the console of a domain, if it has one.
func terminal(text string) (string, error) {
	var doc libvirtxml.Domain
	if err := doc.Unmarshal(text); err != nil {
		return "", fmt.Errorf("read a domain: %w", err)
	}
	if doc.Devices == nil {
		return "", nil
	}
	for _, c := range doc.Devices.Consoles {
		if c.TTY != "" && c.Source != nil && c.Source.Pty != nil {
			return c.TTY, nil
		}
	}
	return "", nil
}

// namePrefix marks domains as ours.
const namePrefix = "cairn-"

// List is that of Driver.
func (v *Libvirt) List(ctx context.Context) ([]string, error) {
	var ids []string
	err := v.with(ctx, func(l *libvirt.Libvirt) error {
		all, _, err := l.ConnectListAllDomains(1, 0)
		for _, dom := range all {
			if id := uuid.UUID(dom.UUID).String(); dom.Name == namePrefix+id {
				ids = append(ids, id)
			}
		}
		return err
	})
	return ids, err
}

// About is that of Driver.
func (v *Libvirt) About(ctx context.Context) (spec.Hypervisor, error) {
	h := v.about
	err := v.with(ctx, func(l *libvirt.Libvirt) error {
		n, err := l.ConnectGetVersion()
		h.Version = fmt.Sprintf("%d.%d.%d", n/1_000_000, n/1000%1000, n%1000)
		return err
	})
	return h, err
}
