package identity

import (
	"context"
	"encoding/json"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// A login is the body of POST /auth/tokens.
type login struct {
	Auth struct {
		Identity struct {
			Methods  []string `json:"methods"`
			Password *struct {
				User struct {
					named
					Password string `json:"password"`
				} `json:"user"`
			} `json:"password"`
			Token *struct {
				ID string `json:"id"`
			} `json:"token"`
			AppCredential *appCredentialLogin `json:"application_credential"`
			TOTP          *struct {
				User struct {
					named
					Passcode string `json:"passcode"`
				} `json:"user"`
			} `json:"totp"`
			OAuth1 *struct{} `json:"oauth1"` // what there is to say is in the header Authorization
		} `json:"identity"`
		Scope json.RawMessage `json:"scope"`
	} `json:"auth"`

	call   *api.Call
	failed bool // log-ins of the user failed before: to forget, if this one does not
}

// appCredentialLogin is an application credential by its id, or by its name
// and its user, with its secret.
type appCredentialLogin struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	User   *named `json:"user"`
	Secret string `json:"secret"`
}

// named is something by its id, or by its name inside a domain.
type named struct {
	ID     string    `json:"id"`
	Name   string    `json:"name"`
	Domain *inDomain `json:"domain"`
}

// inDomain is a domain by its id or name.
type inDomain struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// scopes are the scopes that can be asked for; at most one of them.
type scopes struct {
	Project *named    `json:"project"`
	Domain  *inDomain `json:"domain"`
	System  *struct {
		All bool `json:"all"`
	} `json:"system"`
	Trust *struct {
		ID string `json:"id"`
	} `json:"OS-TRUST:trust"`
}

// prove finds out who logs in, by every method that the body names and by a
// receipt for methods of before.
func (s *Service) prove(ctx context.Context, l *login, receipt string) (*token, error) {
	t := &token{}
	if len(l.Auth.Identity.Methods) == 0 {
		return nil, cloud.BadRequest("auth.identity.methods is empty; allowed: %v", loginMethods)
	}
	for _, m := range l.Auth.Identity.Methods {
		if err := s.proveBy(ctx, m, l, t); err != nil {
			return nil, err
		}
	}
	return t, s.byReceipt(receipt, t)
}

// loginMethods are the methods that a body may name.
var loginMethods = []string{"password", "token", "application_credential", "totp", "oauth1"}

// proveBy finds out who logs in by one method.
func (s *Service) proveBy(ctx context.Context, method string, l *login, t *token) error {
	id := &l.Auth.Identity
	switch {
	case method == "password" && id.Password != nil:
		return s.byPassword(ctx, l, t)
	case method == "token" && id.Token != nil:
		return s.byToken(id.Token.ID, t)
	case method == "application_credential" && id.AppCredential != nil:
		return s.byAppCredential(ctx, l, t)
	case method == "totp" && id.TOTP != nil:
		return s.byTOTP(ctx, l, t)
	case method == "oauth1" && id.OAuth1 != nil:
		return s.byOAuth1(ctx, l, t)
	case contains(loginMethods, method):
		return cloud.BadRequest("auth.identity.%s is missing", method)
	default:
		return cloud.Unauthorized("Attempted to authenticate with an unsupported method.")
	}
}

// byPassword checks name and password once, however often methods names it.
// Who does not exist takes as long as who is wrong (see [Service.guess]).
func (s *Service) byPassword(ctx context.Context, l *login, t *token) error {
	if t.methods&methodPassword != 0 {
		return nil
	}
	asked := &l.Auth.Identity.Password.User
	if u, err := s.byDirectory(ctx, l, &asked.named, asked.Password); u != nil || err != nil {
		if err == nil && t.user != "" && t.user != u.ID {
			err = cloud.Unauthorized("")
		}
		if err == nil {
			t.user = u.ID
			t.methods |= methodPassword
		}
		return err
	}
	snap := s.now.Load()
	u := snap.findUser(&asked.named)
	right, before, err := s.guess(ctx, u, &asked.named, asked.Password)
	if err != nil {
		return err
	}
	if !right || !u.Enabled || !snap.enabledDomain(u.DomainID) || t.user != "" && t.user != u.ID {
		return cloud.Unauthorized("")
	}
	if gone, err := s.inactive(ctx, u); err != nil || gone {
		return cloud.Unauthorized("").Because(err)
	}
	if u.expired(s.clock()) { // the dashboard looks for these words
		return cloud.Unauthorized("The password is expired and needs to be changed for user: %s.", u.ID)
	}
	l.failed = l.failed || before > 0
	t.user = u.ID
	t.methods |= methodPassword
	return nil
}

// byToken takes who a token says it is. What is made with it does not outlive
// it.
func (s *Service) byToken(text string, t *token) error {
	if t.methods&methodToken != 0 {
		return nil
	}
	v, err := s.validate(text)
	if cloud.KindOf(err) == cloud.KindUnauthorized { // Keystone says this of tokens, wherever they are sent
		return cloud.NotFound("Could not find token.").Because(err)
	}
	if err != nil {
		return err
	}
	if v.delegated() {
		return cloud.Forbidden("A token of a trust, an application credential, an EC2 key or an OAuth consumer cannot be exchanged for another one.")
	}
	if t.user != "" && t.user != v.user.ID {
		return cloud.Unauthorized("")
	}
	t.user, t.expires = v.user.ID, v.expires
	t.idp, t.protocol, t.groups = v.idp, v.protocol, v.groups
	t.parent, t.root = v.audit, v.root
	if t.root == (auditID{}) {
		t.root = v.audit
	}
	t.methods |= v.methods | methodToken
	return nil
}

// findUser finds a user by id or by name and domain; nil if there is none.
func (n *snapshot) findUser(a *named) *User {
	if a.ID != "" {
		return n.users.at(a.ID)
	}
	d := n.findDomain(a.Domain)
	if d == nil {
		return nil
	}
	return n.userNamed.at(d.ID, a.Name)
}

func (n *snapshot) findDomain(a *inDomain) *Domain {
	switch {
	case a == nil:
		return nil
	case a.ID != "":
		return n.domains.at(a.ID)
	default:
		return n.domainNamed.at("", a.Name)
	}
}

// wantScope finds the scope that a body asks for: none asked is the user's
// default project, if there is a role on it.
func (s *Service) wantScope(l *login, t *token) error {
	snap := s.now.Load()
	u := snap.users.at(t.user)
	raw := l.Auth.Scope
	switch {
	case t.appCred != "", t.access != "": // have their own
		return nil
	case len(raw) == 0 || string(raw) == "null":
		p := snap.projects.at(orNone(u.DefaultProjectID))
		if p != nil && p.Enabled && snap.enabledDomain(p.domain()) && len(snap.rolesOn(u.ID, target{"project", p.ID})) > 0 {
			t.scope = target{"project", p.ID}
		}
		return nil
	case string(raw) == `"unscoped"`:
		return nil
	}
	var want scopes
	if err := json.Unmarshal(raw, &want); err != nil {
		return cloud.BadRequest("auth.scope is %s; allowed: project, domain, system or \"unscoped\"", raw[:min(len(raw), 100)])
	}
	if want.count() > 1 {
		return cloud.BadRequest("auth.scope names several scopes; allowed: one of project, domain, system, OS-TRUST:trust or \"unscoped\"")
	}
	return snap.find(&want, t)
}

// count is how many scopes are asked for.
func (w *scopes) count() (n int) {
	for _, asked := range []bool{w.Project != nil, w.Domain != nil, w.System != nil, w.Trust != nil} {
		if asked {
			n++
		}
	}
	return n
}

// find sets the scope that is wanted. What does not exist is Unauthorized, as
// is what the user has no role on.
func (n *snapshot) find(want *scopes, t *token) error {
	switch {
	case want.Project != nil:
		p := n.projects.at(want.Project.ID)
		if want.Project.ID == "" {
			if d := n.findDomain(want.Project.Domain); d != nil {
				p = n.projectNamed.at(d.ID, want.Project.Name)
			}
		}
		if p == nil {
			return cloud.Unauthorized("")
		}
		t.scope = target{"project", p.ID}
	case want.Domain != nil:
		d := n.findDomain(want.Domain)
		if d == nil {
			return cloud.Unauthorized("")
		}
		t.scope = target{"domain", d.ID}
	case want.System != nil && want.System.All:
		t.scope = target{"system", "all"}
	case want.Trust != nil:
		tr := n.trusts.at(want.Trust.ID)
		if tr == nil || tr.TrusteeID != t.user {
			return cloud.Forbidden("You are not authorized to perform the requested action: the trust is not given to you.")
		}
		t.trust, t.scope = tr.ID, target{"project", tr.ProjectID}
		if tr.ExpiresAt != nil && (t.expires.IsZero() || tr.ExpiresAt.Before(t.expires)) {
			t.expires = earlier(t.issued.Add(tokenLifetime), *tr.ExpiresAt)
		}
	default:
		return cloud.BadRequest("auth.scope names no scope; allowed: project, domain, system, OS-TRUST:trust or \"unscoped\"")
	}
	return nil
}
