package trial

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/provider"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

// addressRange is the range of the networks of both projects.
const addressRange = "192.168.50.0/24"

// address is a server's address in that range.
func address(last int) string { return fmt.Sprintf("192.168.50.%d", last) }

func (t *Trial) makeSides(ctx context.Context) error {
	if err := t.open(ctx); err != nil {
		return err
	}
	for _, s := range []*side{&t.one, &t.two} {
		steps := []func(context.Context, *side) error{t.makeProject, t.logIn, t.makeNetwork, t.letPingsIn}
		for _, step := range steps {
			if err := step(ctx, s); err != nil {
				return fmt.Errorf("project %s: %w", s.name, err)
			}
		}
	}
	if t.one.vlan == t.two.vlan {
		return fmt.Errorf("%w: both networks have VLAN %s", errVerdict, t.one.vlan)
	}
	return t.makeFlavor(ctx)
}

// makeProject makes a project, its user, and gives admin a role in it too:
// only an admin may say which host a server goes to.
func (t *Trial) makeProject(ctx context.Context, s *side) error {
	if s.project != "" {
		return nil
	}
	project, err := once(ctx, t.admin.identity, "projects", s.name, func() (string, error) {
		p, err := projects.Create(ctx, t.admin.identity, projects.CreateOpts{Name: s.name, DomainID: "default"}).Extract()
		return made(p, err).ID, err
	})
	if err != nil {
		return err
	}
	user, err := t.makeUser(ctx, s)
	if err != nil {
		return err
	}
	admin, err := t.userID(ctx, t.login.User)
	if err != nil {
		return err
	}
	for role, who := range map[string]string{"member": user, "admin": admin} {
		id, err := t.roleID(ctx, role)
		if err != nil {
			return err
		}
		err = roles.Assign(ctx, t.admin.identity, id, roles.AssignOpts{UserID: who, ProjectID: project}).ExtractErr()
		if err != nil {
			return fmt.Errorf("assign role %s: %w", role, err)
		}
	}
	s.project = project
	return nil
}

// makeUser makes the project's user with a new password.
func (t *Trial) makeUser(ctx context.Context, s *side) (string, error) {
	s.password = rand.Text()
	fresh := false
	id, err := once(ctx, t.admin.identity, "users", s.name, func() (string, error) {
		u, err := users.Create(ctx, t.admin.identity, users.CreateOpts{Name: s.name, DomainID: "default", Password: s.password}).Extract()
		fresh = err == nil
		return made(u, err).ID, err
	})
	if err != nil || fresh {
		return id, err
	}
	if err := users.Update(ctx, t.admin.identity, id, users.UpdateOpts{Password: s.password}).Err; err != nil {
		return "", fmt.Errorf("user %s: %w", s.name, err)
	}
	return id, nil
}

// made is what was created, or nothing at all.
func made[T any](v *T, err error) T {
	var none T
	if err != nil || v == nil {
		return none
	}
	return *v
}

func (t *Trial) userID(ctx context.Context, name string) (string, error) {
	pages, err := users.List(t.admin.identity, users.ListOpts{Name: name}).AllPages(ctx)
	if err != nil {
		return "", fmt.Errorf("list users: %w", err)
	}
	list, err := users.ExtractUsers(pages)
	if err != nil || len(list) != 1 {
		return "", fmt.Errorf("%w: %d users are called %s: %w", errVerdict, len(list), name, err)
	}
	return list[0].ID, nil
}

func (t *Trial) roleID(ctx context.Context, name string) (string, error) {
	pages, err := roles.List(t.admin.identity, roles.ListOpts{Name: name}).AllPages(ctx)
	if err != nil {
		return "", fmt.Errorf("list roles: %w", err)
	}
	list, err := roles.ExtractRoles(pages)
	if err != nil || len(list) != 1 {
		return "", fmt.Errorf("%w: %d roles are called %s: %w", errVerdict, len(list), name, err)
	}
	return list[0].ID, nil
}

// logIn opens sessions of the project's user and of admin in the project.
func (t *Trial) logIn(ctx context.Context, s *side) (err error) {
	if s.user == nil {
		l := t.login
		l.User, l.Password, l.Project = s.name, s.password, s.name
		if s.user, err = l.open(ctx); err != nil {
			return err
		}
	}
	if s.admin == nil {
		l := t.login
		l.Project = s.name
		s.admin, err = l.open(ctx)
	}
	return err
}

// makeNetwork has the project's user make a network with a subnet, and admin
// look up its VLAN.
func (t *Trial) makeNetwork(ctx context.Context, s *side) error {
	var err error
	s.network, err = once(ctx, s.user.network, "networks", s.name, func() (string, error) {
		n, err := networks.Create(ctx, s.user.network, networks.CreateOpts{Name: s.name}).Extract()
		return made(n, err).ID, err
	})
	if err != nil {
		return err
	}
	s.subnet, err = once(ctx, s.user.network, "subnets", s.name, func() (string, error) {
		n, err := subnets.Create(ctx, s.user.network, subnets.CreateOpts{
			Name: s.name, NetworkID: s.network, CIDR: addressRange, IPVersion: gophercloud.IPv4,
		}).Extract()
		return made(n, err).ID, err
	})
	if err != nil {
		return err
	}
	var seen struct {
		networks.Network
		provider.NetworkProviderExt
	}
	if err := networks.Get(ctx, t.admin.network, s.network).ExtractInto(&seen); err != nil {
		return fmt.Errorf("show network: %w", err)
	}
	if s.vlan = seen.SegmentationID; s.vlan == "" || s.vlan == "0" {
		return fmt.Errorf("%w: network %s shows admin no VLAN", errVerdict, s.network)
	}
	return nil
}

// letPingsIn opens the default group for pings from anywhere, so that no rule
// hides what only VLANs should keep apart.
func (t *Trial) letPingsIn(ctx context.Context, s *side) error {
	if s.open {
		return nil
	}
	pages, err := groups.List(s.user.network, groups.ListOpts{Name: "default", ProjectID: s.project}).AllPages(ctx)
	if err != nil {
		return fmt.Errorf("list security groups: %w", err)
	}
	list, err := groups.ExtractGroups(pages)
	if err != nil || len(list) != 1 {
		return fmt.Errorf("%w: %d default security groups: %w", errVerdict, len(list), err)
	}
	_, err = rules.Create(ctx, s.user.network, rules.CreateOpts{
		Direction: rules.DirIngress, EtherType: rules.EtherType4, Protocol: rules.ProtocolICMP,
		SecGroupID: list[0].ID, RemoteIPPrefix: "0.0.0.0/0",
	}).Extract()
	if err != nil && !gophercloud.ResponseCodeIs(err, http.StatusConflict) { // there is such a rule
		return fmt.Errorf("create security group rule: %w", err)
	}
	s.open = true
	return nil
}
