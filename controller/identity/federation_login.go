package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/controller/identity/federation"
	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// issuers are those that have proved tokens, with the keys that they had, by
// provider.
type issuers struct {
	mu   sync.Mutex // guards what follows
	open map[string]openIssuer
}

// An openIssuer is a provider's, as it was configured.
type openIssuer struct {
	address, sealed string
	issuer          *federation.Issuer
}

// issuerOf is who proves the tokens of a provider.
func (s *Service) issuerOf(p *identityProvider) (*federation.Issuer, error) {
	s.issuers.mu.Lock()
	defer s.issuers.mu.Unlock()
	known := s.issuers.open[p.ID]
	if known.issuer != nil && known.address == p.issuer() && known.sealed == p.Sealed {
		return known.issuer, nil
	}
	settings, err := s.oidc(p)
	if err != nil {
		return nil, err
	}
	if settings == nil {
		return nil, cloud.Forbidden("The identity provider %s is not configured: it has no oidc.", p.ID)
	}
	configured := *p
	configured.OIDC = settings
	known = openIssuer{address: p.issuer(), sealed: p.Sealed}
	if known.issuer, err = federation.NewIssuer(configured.settings(), s.clock); err != nil {
		return nil, cloud.Forbidden("The identity provider %s is not configured: %v", p.ID, err)
	}
	if s.issuers.open == nil {
		s.issuers.open = map[string]openIssuer{}
	}
	s.issuers.open[p.ID] = known
	return known.issuer, nil
}

// federatedLogin answers POST .../protocols/{protocol_id}/auth: a token
// without a scope for whoever the bearer's token is of.
func (s *Service) federatedLogin(ctx context.Context, c *api.Call) error {
	snap := s.now.Load()
	p := snap.providers.at(c.Param("idp_id"))
	pr := snap.protocols.at(protocolKey(c.Param("idp_id"), c.Param("protocol_id")))
	if p == nil || pr == nil {
		return cloud.NotFound("Could not find protocol %s of identity provider %s.", c.Param("protocol_id"), c.Param("idp_id"))
	}
	if !p.Enabled || !snap.enabledDomain(p.domain()) {
		return cloud.Forbidden("The identity provider %s is disabled.", p.ID)
	}
	result, err := s.claimed(ctx, p, snap.mappings.at(pr.MappingID), c.Request().Header.Get("Authorization"))
	if err != nil {
		return err
	}
	t := &token{methods: methodMapped}
	if result.User.Local {
		t.user, err = snap.localUser(&result.User)
	} else {
		t.idp, t.protocol, t.groups = p.ID, pr.ID, snap.mappedGroups(result)
		t.user, err = s.shadow(ctx, p, result)
	}
	if err != nil {
		return err
	}
	return s.giveUnscoped(ctx, c, t)
}

// claimed proves a bearer's token and maps what it says.
func (s *Service) claimed(ctx context.Context, p *identityProvider, m *federationMapping, authorization string) (*federation.Result, error) {
	kind, bearer, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(kind, "Bearer") || m == nil {
		return nil, cloud.Unauthorized("")
	}
	issuer, err := s.issuerOf(p)
	if err != nil {
		return nil, err
	}
	rules, err := m.parse()
	if err != nil {
		return nil, err
	}
	claims, err := issuer.Prove(ctx, strings.TrimSpace(bearer))
	switch {
	case errors.Is(err, federation.ErrAway):
		s.log.Warn("identity: nobody of an identity provider can log in", "provider", p.ID, "error", err)
		return nil, cloud.Unavailable("The identity provider %s cannot be asked now.", p.ID).Because(err)
	case err != nil:
		return nil, cloud.Unauthorized("").Because(err)
	}
	result, err := rules.Apply(claims)
	if err != nil {
		s.log.Info("identity: a mapping gives no user", "provider", p.ID, "mapping", m.ID, "error", err)
		return nil, cloud.Unauthorized("").Because(err)
	}
	return result, nil
}

// giveUnscoped answers with a token that has no scope.
func (s *Service) giveUnscoped(ctx context.Context, c *api.Call, t *token) error {
	t.issued, t.audit = s.clock(), newAuditID()
	t.expires = t.issued.Add(tokenLifetime).Truncate(time.Second)
	v, err := s.resolve(t)
	if err != nil {
		return err
	}
	if err := s.isActive(ctx, t.user); err != nil {
		return err
	}
	c.Proved(v.caller())
	text, err := s.keys.seal(t.payload(), t.issued)
	if err != nil {
		return err
	}
	c.Header().Set(headerSubject, text)
	c.Header().Set("Vary", "X-Auth-Token")
	return c.JSON(http.StatusCreated, map[string]any{"token": s.body(c, v)})
}

// localUser is a user of ours whom a mapping names.
func (n *snapshot) localUser(u *federation.User) (id string, err error) {
	found := n.users.at(u.ID)
	if u.ID == "" {
		if d := n.domainOf(u.Domain); d != nil {
			found = n.userNamed.at(d.ID, u.Name)
		}
	}
	if found == nil {
		return "", cloud.Unauthorized("")
	}
	return found.ID, nil
}

func (n *snapshot) domainOf(d federation.Domain) *Domain {
	return n.findDomain(&inDomain{ID: d.ID, Name: d.Name})
}

// mostGroups is how many groups a token may say.
const mostGroups = 100

// mappedGroups are the groups of a result that there are.
func (n *snapshot) mappedGroups(r *federation.Result) []string {
	var ids []string
	for _, id := range r.GroupIDs {
		if n.groups.at(id) != nil {
			ids = append(ids, id)
		}
	}
	for _, g := range r.Groups {
		d := n.domainOf(g.Domain)
		if d == nil {
			continue
		}
		if found := n.groupNamed.at(d.ID, g.Name); found != nil {
			ids = append(ids, found.ID)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return ids[:min(len(ids), mostGroups)]
}

// federatedID is the id of a provider's user: another issuer's users are
// others, whatever the provider is called.
func federatedID(p *identityProvider, u *federation.User) string {
	unique := u.ID
	if unique == "" {
		unique = u.Name
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []string{p.ID, p.issuer(), unique}))
	return hex.EncodeToString(sum[:])
}

// shadow keeps a row for a user of a provider, so that roles can be given to
// it and it can be disabled here, and makes the projects that the mapping
// wants it to have.
func (s *Service) shadow(ctx context.Context, p *identityProvider, r *federation.Result) (id string, err error) {
	u := &User{ID: federatedID(p, &r.User), DomainID: p.domain(), Name: r.User.Name, Enabled: true}
	if u.Name == "" {
		u.Name = r.User.ID
	}
	if len(u.Name) > 255 || len(r.User.Email) > 255 {
		return "", cloud.Forbidden("The name or the address of the user has more than 255 characters.")
	}
	if r.User.Email != "" {
		u.Email = &r.User.Email
	}
	known := s.now.Load().users.at(u.ID)
	if known != nil && known.DomainID != u.DomainID {
		return "", cloud.Forbidden("The user %s is in another domain.", u.ID)
	}
	if known == nil || !u.isNamed(known) || orNone(known.Email) != orNone(u.Email) {
		err := s.change(ctx, func(tx *store.Tx) error { return s.keepShadow(ctx, tx, u) }, wrote(kindUser, u.ID))
		if err != nil && !cloud.IsConflict(err) { // a conflict: the user logs in twice at once
			return "", err
		}
	}
	for i := range r.Projects {
		if err := s.provide(ctx, p, u.ID, &r.Projects[i]); err != nil {
			return "", err
		}
	}
	return u.ID, nil
}

// isNamed tells whether the known user has the name, perhaps with a part of
// the id behind it.
func (u *User) isNamed(known *User) bool {
	return known.Name == u.Name || known.Name == u.apart()
}

// apart is the name of a user when another one of the domain has it already.
func (u *User) apart() string {
	return strings.ToValidUTF8(u.Name[:min(len(u.Name), 240)], "") + " " + u.ID[:8]
}

func (s *Service) keepShadow(ctx context.Context, tx *store.Tx, u *User) error {
	row := *u
	n, err := s.tables.users.In(tx).Count(ctx, store.Eq("domain_id", u.DomainID), store.Eq("name", u.Name), store.Ne("id", u.ID))
	if err != nil {
		return err
	}
	if n > 0 {
		row.Name = u.apart()
	}
	_, err = s.tables.users.In(tx).Get(ctx, u.ID)
	switch {
	case err == nil:
		return s.tables.users.In(tx).Update(ctx, &row, "name", "email")
	case !cloud.IsNotFound(err):
		return err
	}
	row.ValidFrom = s.clock().Add(-time.Second)
	return s.tables.users.In(tx).Insert(ctx, &row)
}

// provide makes a project, if there is none of its name, and gives the user
// roles on it.
func (s *Service) provide(ctx context.Context, p *identityProvider, user string, want *federation.Project) error {
	snap := s.now.Load()
	domain := p.domain()
	if want.Domain != (federation.Domain{}) {
		d := snap.domainOf(want.Domain)
		if d == nil {
			return cloud.Forbidden("The domain %s%s of a mapped project does not exist.", want.Domain.ID, want.Domain.Name)
		}
		domain = d.ID
	}
	if want.Name == "" || len(want.Name) > 64 {
		return cloud.Forbidden("The name of a mapped project has %d characters; allowed: 1 to 64.", len(want.Name))
	}
	project := snap.projectNamed.at(domain, want.Name)
	var changes []change
	var made *Project
	if project == nil {
		made = &Project{ID: cloud.NewHexID(), Name: want.Name, DomainID: &domain, ParentID: &domain, Enabled: true}
		project = made
		changes = append(changes, wrote(kindProject, made.ID))
	}
	var give []assignment
	for _, name := range want.Roles {
		role := snap.roleNamed.at("", name)
		if role == nil {
			return cloud.Forbidden("The role %s of a mapped project does not exist.", name)
		}
		a := assignment{ActorKind: "user", ActorID: user, TargetKind: "project", TargetID: project.ID, RoleID: role.ID}
		if !contains(snap.given(user, false, a.on()), role.ID) {
			give = append(give, a)
			changes = append(changes, a.change(false))
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return s.change(ctx, func(tx *store.Tx) error {
		if made != nil {
			if err := s.tables.projects.In(tx).Insert(ctx, made); err != nil {
				return err
			}
		}
		for i := range give {
			if err := s.insertAssignment(ctx, tx, &give[i]); err != nil {
				return err
			}
		}
		return nil
	}, changes...)
}

// federate adds to a token's body where its user comes from.
func (v *session) federate(user map[string]any) {
	if v.token.idp == "" {
		return
	}
	groups := []any{}
	for _, id := range v.token.groups {
		groups = append(groups, map[string]string{"id": id})
	}
	user["OS-FEDERATION"] = map[string]any{
		"identity_provider": map[string]string{"id": v.token.idp}, "protocol": map[string]string{"id": v.token.protocol}, "groups": groups,
	}
}

// believed tells whether whoever said who the user is, is believed still.
func (v *session) believed() bool {
	if v.token.idp == "" {
		return true
	}
	p := v.snap.providers.at(v.token.idp)
	return p != nil && p.Enabled && v.snap.protocols.at(protocolKey(v.token.idp, v.token.protocol)) != nil
}

// groupsOfCaller are the groups that the caller's token says.
func (s *Service) groupsOfCaller(c *api.Call) []string {
	v, err := s.validate(c.Request().Header.Get("X-Auth-Token"))
	if err != nil {
		return nil
	}
	return v.token.groups
}
