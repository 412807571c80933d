package trial

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

// A server is what the trial wants and, when it has an id, has.
type server struct {
	name  string
	side  *side
	image string // name
	last  int    // of its address
	host  int    // number of the host, from 1; 0: any
	meta  map[string]string
	port  string // id
	id    string
}

// plan is the servers of the trial: a QEMU guest, which takes its time and so
// is first; two of one project, one on each host; and one of the other project
// on the first host, which tries to reach them. The same program runs in all.
func (t *Trial) plan() []*server {
	name, image := t.form.names(), t.form.image()
	return []*server{
		first: {name: name[first], side: &t.one, image: imageQEMU, last: 11},
		left: {name: name[left], side: &t.one, image: image, last: 12, host: 1,
			meta: map[string]string{"ping": address(13) + "," + address(21)}},
		right: {name: name[right], side: &t.one, image: image, last: 13, host: 2,
			meta: map[string]string{"ping": address(12)}},
		stranger: {name: name[stranger], side: &t.two, image: image, last: 21, host: 1,
			meta: map[string]string{"ping": address(12) + "," + address(13), "tagged": t.one.vlan + ":" + address(12)}},
	}
}

func (t *Trial) makeServers(ctx context.Context) error {
	if t.servers == nil {
		t.servers = t.plan()
	}
	hosts, err := t.admin.hosts(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(hosts, func(a, b Host) int { return strings.Compare(a.Name, b.Name) })
	for _, s := range []*side{&t.one, &t.two} {
		if err := t.clear(ctx, s); err != nil {
			return fmt.Errorf("project %s: %w", s.name, err)
		}
	}
	for _, s := range t.servers {
		if s.host > len(hosts) {
			return fmt.Errorf("%w: server %s is for host %d, and there are %d", errVerdict, s.name, s.host, len(hosts))
		}
		if err := t.makeServer(ctx, s, hosts); err != nil {
			return fmt.Errorf("server %s: %w", s.name, err)
		}
	}
	return nil
}

// makeServer makes the port with its address, and the server at it.
func (t *Trial) makeServer(ctx context.Context, s *server, hosts []Host) (err error) {
	s.port, err = once(ctx, s.side.user.network, "ports", s.name, func() (string, error) {
		p, err := ports.Create(ctx, s.side.user.network, ports.CreateOpts{
			Name: s.name, NetworkID: s.side.network,
			FixedIPs: []ports.IP{{SubnetID: s.side.subnet, IPAddress: address(s.last)}},
		}).Extract()
		return made(p, err).ID, err
	})
	if err != nil {
		return err
	}
	session, zone := s.side.user, ""
	if s.host > 0 {
		session, zone = s.side.admin, "nova:"+hosts[s.host-1].Name
	}
	s.id, err = once(ctx, s.side.user.compute, "servers", s.name, func() (string, error) {
		v, err := servers.Create(ctx, session.compute, servers.CreateOpts{
			Name: s.name, ImageRef: t.images[s.image], FlavorRef: t.flavor, AvailabilityZone: zone,
			Networks: []servers.Network{{Port: s.port}}, Metadata: s.meta,
		}, nil).Extract()
		return made(v, err).ID, err
	})
	return err
}

// active tells whether so many servers are ACTIVE.
func (t *Trial) active(want int) func(context.Context) (string, bool, error) {
	return func(ctx context.Context) (string, bool, error) {
		var states []string
		count := 0
		for _, s := range t.servers {
			now, err := servers.Get(ctx, s.side.user.compute, s.id).Extract()
			if err != nil {
				return fmt.Sprintf("(show server %s: %v)", s.name, err), false, wrong(err)
			}
			if now.Status == "ERROR" {
				return "", false, fmt.Errorf("%w: server %s is in ERROR: %s", errVerdict, s.name, now.Fault.Message)
			}
			if now.Status == "ACTIVE" {
				count++
			}
			states = append(states, s.name+" "+now.Status)
		}
		return "(" + strings.Join(states, ", ") + ")", count >= want, nil
	}
}

// wrong keeps an error that is final.
func wrong(err error) error {
	if final(err) {
		return err
	}
	return nil
}

// own checks that the two users see their own servers and cannot tell that
// those of others exist.
func (t *Trial) own(ctx context.Context) error {
	for _, s := range t.servers {
		other := &t.one
		if s.side == other {
			other = &t.two
		}
		if err := lists(ctx, s.side.user, s.id, true); err != nil {
			return fmt.Errorf("user %s: server %s: %w", s.side.name, s.name, err)
		}
		if err := lists(ctx, other.user, s.id, false); err != nil {
			return fmt.Errorf("user %s: server %s: %w", other.name, s.name, err)
		}
		_, err := servers.Get(ctx, other.user.compute, s.id).Extract()
		if !gophercloud.ResponseCodeIs(err, 404) {
			return fmt.Errorf("%w: user %s shows server %s of the other project and gets %w, not 404", errVerdict, other.name, s.name, err)
		}
	}
	return nil
}

// lists checks whether a user's list of servers has one.
func lists(ctx context.Context, u *session, id string, want bool) error {
	pages, err := servers.List(u.compute, nil).AllPages(ctx)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	all, err := servers.ExtractServers(pages)
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	if slices.ContainsFunc(all, func(s servers.Server) bool { return s.ID == id }) != want {
		return fmt.Errorf("%w: the list has it: %t; it should be %t", errVerdict, !want, want)
	}
	return nil
}
