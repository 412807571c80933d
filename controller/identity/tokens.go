package identity

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

const (
	headerSubject = "X-Subject-Token"
	timeLayout    = "2006-01-02T15:04:05.000000Z"
)

// tokenRoutes are everything below /auth.
func (s *Service) tokenRoutes() []api.Route {
	return append(s.scopeRoutes(),
		api.Route{Method: http.MethodPost, Path: "/auth/tokens", Public: true, Login: true, Handle: s.issue},
		get("/auth/tokens", "", func(_ context.Context, c *api.Call) error { return s.showToken(c, ruleValidate) }),
		api.Route{Method: http.MethodHead, Path: "/auth/tokens", Handle: func(_ context.Context, c *api.Call) error {
			return s.showToken(c, ruleCheck)
		}},
		api.Route{Method: http.MethodDelete, Path: "/auth/tokens", Handle: s.revoke},
	)
}

// issue answers POST /auth/tokens.
func (s *Service) issue(ctx context.Context, c *api.Call) error {
	var l login
	if err := c.Read(&l); err != nil {
		return err
	}
	l.call = c
	if p := l.Auth.Identity.Password; p != nil {
		c.Claims(cmp.Or(p.User.ID, p.User.Name))
	}
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
	c.Proved(v.caller())
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
func (s *Service) showToken(c *api.Call, rule string) error {
	v, text, err := s.subject(c, rule)
	if err != nil {
		return err
	}
	c.Header().Set(headerSubject, text)
	c.Header().Set("Vary", "X-Auth-Token")
	return c.JSON(http.StatusOK, map[string]any{"token": s.body(c, v)})
}

// expiredWindow is how long after its end a service may still look at a token
// that it was sent when it was valid: for work that takes long.
const expiredWindow = 24 * time.Hour

// subject is the token that a request is about, if the rule lets the caller
// know. What has expired is for services that ask for it.
func (s *Service) subject(c *api.Call, rule string) (*session, string, error) {
	text := c.Request().Header.Get(headerSubject)
	var late time.Duration
	if allowed, err := strconv.ParseBool(c.Query().Get("allow_expired")); err == nil && allowed && rule != ruleRevoke && c.Caller.Has(roleService) {
		late = expiredWindow
	}
	v, err := s.validateLate(text, late)
	if err != nil {
		return nil, "", cloud.NotFound("Could not find token.").Because(err)
	}
	return v, text, c.Allow(rule, policy.Target{"user_id": v.user.ID})
}

// revoke answers DELETE /auth/tokens: the token is not valid any more, nor
// are those that were made with it.
func (s *Service) revoke(ctx context.Context, c *api.Call) error {
	v, _, err := s.subject(c, ruleRevoke)
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
	user := map[string]any{
		"id": v.user.ID, "name": v.user.Name, "domain": domainRef(v.snap.domains.at(v.user.DomainID)), "password_expires_at": v.user.PasswordExpires,
	}
	v.federate(user)
	b := map[string]any{
		"methods": v.methods.names(), "audit_ids": audit,
		"issued_at": v.issued.Truncate(time.Second).Format(timeLayout), "expires_at": v.expires.Format(timeLayout),
		"user": user,
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
