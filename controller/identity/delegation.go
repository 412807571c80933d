package identity

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// byAppCredential checks the secret of an application credential: a hash and
// no database.
func (s *Service) byAppCredential(ctx context.Context, l *login, t *token) error {
	asked := l.Auth.Identity.AppCredential
	if t.user != "" || len(l.Auth.Identity.Methods) > 1 {
		return cloud.Unauthorized("Application credentials cannot be combined with other methods.")
	}
	if len(l.Auth.Scope) > 0 && string(l.Auth.Scope) != "null" {
		return cloud.Unauthorized("Application credentials cannot request a scope.")
	}
	a := s.now.Load().findAppCredential(asked)
	right, err := s.checkSecret(ctx, a, asked.Secret)
	if err != nil {
		return err
	}
	if !right {
		return cloud.Unauthorized("")
	}
	t.user, t.appCred, t.scope = a.UserID, a.ID, target{"project", a.ProjectID}
	t.methods |= methodAppCredential
	if a.ExpiresAt != nil {
		t.expires = earlier(s.clock().Add(tokenLifetime), a.ExpiresAt.Time)
	}
	return nil
}

// checkSecret compares the secret of a credential, which may be nil.
func (s *Service) checkSecret(ctx context.Context, a *appCredential, secret string) (bool, error) {
	switch {
	case a == nil || a.ExpiresAt != nil && !a.ExpiresAt.After(s.clock()):
		return false, nil
	case strings.HasPrefix(a.SecretHash, hashMark):
		return s.secrets.matches(a.SecretHash, secret), nil
	default:
		return s.checkPassword(ctx, &User{PasswordHash: a.SecretHash}, secret)
	}
}

// findAppCredential finds one by id, or by name and user; nil if there is
// none.
func (n *snapshot) findAppCredential(asked *appCredentialLogin) *appCredential {
	var user *User
	if asked.User != nil {
		user = n.findUser(asked.User)
	}
	if a := n.appCredentials.at(asked.ID); asked.ID != "" {
		if a != nil && asked.User != nil && (user == nil || user.ID != a.UserID) {
			return nil // somebody else's
		}
		return a
	}
	if user == nil {
		return nil
	}
	return n.appCredentialNamed.at(user.ID, asked.Name)
}

// earlier is the first of two times, to the second.
func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		a = b
	}
	return a.Truncate(time.Second)
}

// delegate finds what the token was given by, if it is an application
// credential or a trust, and sees that it still holds. It gives the user
// whose roles count and the roles that were given; nil is all.
func (v *session) delegate(now time.Time) (holder string, given []string, err error) {
	switch {
	case v.token.appCred != "":
		a := v.snap.appCredentials.at(v.token.appCred)
		if a == nil || a.UserID != v.user.ID || a.ExpiresAt != nil && !a.ExpiresAt.After(now) {
			return "", nil, cloud.Unauthorized("")
		}
		v.appCredential = a
		return v.user.ID, a.RoleIDs, nil
	case v.token.trust != "":
		if err := v.byTrust(now); err != nil {
			return "", nil, err
		}
		return v.trust.TrustorID, v.trust.RoleIDs, nil
	case v.token.access != "":
		if err := v.byAccess(now); err != nil {
			return "", nil, err
		}
		return v.user.ID, v.access.RoleIDs, nil
	default:
		return v.user.ID, nil, nil
	}
}

// byTrust sees that a trust holds: both users are there, the trustor has not
// changed the password since the token was made, and nobody took it back.
func (v *session) byTrust(now time.Time) error {
	tr := v.snap.trusts.at(v.token.trust)
	if tr == nil || tr.TrusteeID != v.user.ID || tr.ExpiresAt != nil && !tr.ExpiresAt.After(now) {
		return cloud.Unauthorized("")
	}
	trustor := v.snap.users.at(tr.TrustorID)
	if trustor == nil || !trustor.Enabled || !v.snap.enabledDomain(trustor.DomainID) || v.issued.Before(trustor.ValidFrom) {
		return cloud.Unauthorized("")
	}
	v.trust = tr
	if tr.Impersonation {
		v.user = trustor
	}
	return nil
}

// narrow leaves the roles that were given, and what they imply, of those that
// the holder has. A trust needs all of them.
func (v *session) narrow(given []string) error {
	ids := map[string]bool{}
	for _, id := range given {
		ids[id] = true
	}
	roles := v.snap.rolesOfIDs(ids)
	have := v.roles
	v.roles = slices.DeleteFunc(roles, func(r *Role) bool { return !slices.Contains(have, r) })
	if len(v.roles) == 0 {
		return cloud.Unauthorized("")
	}
	if v.trust == nil {
		return nil
	}
	for _, id := range given {
		if !slices.ContainsFunc(v.roles, func(r *Role) bool { return r.ID == id }) {
			return cloud.Unauthorized("")
		}
	}
	return nil
}

// describe adds to a token's body what it was given by.
func (v *session) describe(b map[string]any) {
	if a := v.appCredential; a != nil {
		d := map[string]any{"id": a.ID, "name": a.Name, "restricted": !a.Unrestricted}
		if a.RuleIDs != nil {
			rules := []any{}
			for _, id := range a.RuleIDs {
				if r := v.snap.accessRules.at(id); r != nil {
					rules = append(rules, r)
				}
			}
			d["access_rules"] = rules
		}
		b["application_credential"] = d
	}
	if a := v.access; a != nil {
		b["OS-OAUTH1"] = map[string]string{"consumer_id": a.ConsumerID, "access_token_id": a.ID}
	}
	if tr := v.trust; tr != nil {
		b["OS-TRUST:trust"] = map[string]any{
			"id": tr.ID, "impersonation": tr.Impersonation,
			"trustor_user": map[string]string{"id": tr.TrustorID}, "trustee_user": map[string]string{"id": tr.TrusteeID},
		}
	}
}
