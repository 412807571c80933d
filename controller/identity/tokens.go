package identity

import (
	"context"
	"net/http"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

const (
	headerSubject = "X-Subject-Token"
	timeLayout    = "2006-01-02T15:04:05.000000Z"
)

// tokenRoutes are everything below /auth.
func (s *Service) tokenRoutes() []api.Route {
	return []api.Route{
		{Method: http.MethodPost, Path: "/auth/tokens", Public: true, Handle: s.issue},
		{Method: http.MethodGet, Path: "/auth/tokens", Handle: s.showToken},
		{Method: http.MethodHead, Path: "/auth/tokens", Handle: s.showToken},
		{Method: http.MethodDelete, Path: "/auth/tokens", Handle: s.revoke},
		get("/auth/catalog", "", func(_ context.Context, c *api.Call) error {
			return c.JSON(http.StatusOK, map[string]any{"catalog": s.now.Load().catalog(viewer{c.Host(), c.Caller.ProjectID, c.Caller.UserID}), "links": self(c, "/auth/catalog")})
		}),
		get("/auth/projects", "", func(_ context.Context, c *api.Call) error {
			return c.JSON(http.StatusOK, listOf(c, "projects", s.projectsOf(c, c.Caller.UserID)))
		}),
		get("/auth/domains", "", s.authDomains),
		get("/auth/system", "", func(_ context.Context, c *api.Call) error {
			system := []any{}
			if len(s.now.Load().targetsOf(c.Caller.UserID, "system")) > 0 {
				system = append(system, map[string]bool{"all": true})
			}
			return c.JSON(http.StatusOK, map[string]any{"system": system, "links": self(c, "/auth/system")})
		}),
	}
}

// issue answers POST /auth/tokens.
func (s *Service) issue(ctx context.Context, c *api.Call) error {
	var l login
	if err := c.Read(&l); err != nil {
		return err
	}
	l.call = c
	t, err := s.prove(ctx, &l, c.Request().Header.Get(headerReceipt))
	if err != nil {
		return err
	}
	t.issued, t.audit = s.clock(), newAuditID()
	if u := s.now.Load().users.at(t.user); u != nil {
		if rules := u.missing(t.methods); rules != nil {
			return s.giveReceipt(c, t, rules)
		}
	}
	if err := s.wantScope(&l, t); err != nil {
		return err
	}
	if t.expires.IsZero() {
		t.expires = t.issued.Add(tokenLifetime).Truncate(time.Second)
	}
	v, err := s.resolve(t)
	if err != nil {
		return err
	}
	if err := s.useTrust(ctx, v.trust); err != nil {
		return err
	}
	if err := s.loggedIn(ctx, &l, t.user); err != nil {
		return err
	}
	text, err := s.keys.seal(t.payload(), t.issued)
	if err != nil {
		return err
	}
	c.Header().Set(headerSubject, text)
	c.Header().Set("Vary", "X-Auth-Token")
	return c.JSON(http.StatusCreated, map[string]any{"token": s.body(c, v)})
}

// loggedIn notes that a user has logged in: writes, if there is something to
// write.
func (s *Service) loggedIn(ctx context.Context, l *login, user string) error {
	if l.failed {
		if err := s.forgetFailures(ctx, s.db, user); err != nil {
			return err
		}
	}
	return s.isActive(ctx, user)
}

// showToken answers GET and HEAD /auth/tokens.
func (s *Service) showToken(_ context.Context, c *api.Call) error {
	v, text, err := s.subject(c)
	if err != nil {
		return err
	}
	c.Header().Set(headerSubject, text)
	c.Header().Set("Vary", "X-Auth-Token")
	return c.JSON(http.StatusOK, map[string]any{"token": s.body(c, v)})
}

// subject is the token that a request is about. Others' tokens are for
// administrators.
func (s *Service) subject(c *api.Call) (*session, string, error) {
	text := c.Request().Header.Get(headerSubject)
	v, err := s.validate(text)
	if err != nil {
		return nil, "", cloud.NotFound("Could not find token.").Because(err)
	}
	if v.user.ID != c.Caller.UserID && !c.Caller.IsAdmin {
		return nil, "", cloud.Forbidden("You are not authorized to perform the requested action: identity:validate_token.")
	}
	return v, text, nil
}

// revoke answers DELETE /auth/tokens: the token is not valid any more, nor
// are those that were made with it.
func (s *Service) revoke(ctx context.Context, c *api.Call) error {
	v, _, err := s.subject(c)
	if err != nil {
		return err
	}
	err = s.change(ctx, func(tx *store.Tx) error {
		err := s.tables.revocations.In(tx).Insert(ctx, &revocation{AuditID: v.audit.String(), ExpiresAt: v.expires})
		if cloud.IsConflict(err) { // somebody was faster
			return nil
		}
		return err
	}, wrote(kindRevocation, v.audit.String()))
	if err != nil {
		return err
	}
	return c.Empty(http.StatusNoContent)
}

// body is what a token's answer says of it.
func (s *Service) body(c *api.Call, v *session) map[string]any {
	audit := []string{v.audit.String()}
	if v.root != (auditID{}) {
		audit = append(audit, v.root.String())
	}
	b := map[string]any{
		"methods": v.methods.names(), "audit_ids": audit,
		"issued_at": v.issued.Truncate(time.Second).Format(timeLayout), "expires_at": v.expires.Format(timeLayout),
		"user": map[string]any{
			"id": v.user.ID, "name": v.user.Name, "domain": domainRef(v.snap.domains.at(v.user.DomainID)), "password_expires_at": v.user.PasswordExpires,
		},
	}
	v.describe(b)
	switch v.scope.kind {
	case "":
		return b
	case "project":
		b["project"] = map[string]any{"id": v.project.ID, "name": v.project.Name, "domain": domainRef(v.snap.domains.at(v.project.domain()))}
		b["is_domain"] = v.project.IsDomain
	case "domain":
		b["domain"] = domainRef(v.domain)
	case "system":
		b["system"] = map[string]bool{"all": true}
	}
	roles := []any{}
	for _, r := range v.roles {
		roles = append(roles, map[string]string{"id": r.ID, "name": r.Name})
	}
	b["roles"] = roles
	if _, without := c.Query()["nocatalog"]; !without {
		at := viewer{host: c.Host(), user: v.user.ID}
		if v.project != nil {
			at.project = v.project.ID
		}
		b["catalog"] = v.snap.catalog(at)
	}
	return b
}

func domainRef(d *Domain) map[string]string { return map[string]string{"id": d.ID, "name": d.Name} }

// authDomains lists the domains on which the caller has a role.
func (s *Service) authDomains(_ context.Context, c *api.Call) error {
	snap := s.now.Load()
	domains := []any{}
	for _, id := range snap.targetsOf(c.Caller.UserID, "domain") {
		if d := snap.domains.at(id); d != nil && d.Enabled {
			domains = append(domains, map[string]any{
				"id": d.ID, "name": d.Name, "description": d.Description, "enabled": true, "links": self(c, "/domains/"+d.ID),
			})
		}
	}
	return c.JSON(http.StatusOK, listOf(c, "domains", domains))
}
