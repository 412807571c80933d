package identity

import (
	"context"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// A session is a valid token with what it stands for now.
type session struct {
	*token
	snap    *snapshot
	user    *User
	project *Project // the scope, if it is one
	domain  *Domain  // the scope, if it is one
	roles   []*Role

	appCredential *appCredential // that the token was made with; nil: none
	trust         *trust         // that the token was made with; nil: none
	access        *oauthAccess   // that the token was made with; nil: none
}

// Authenticate knows who has a token, from memory alone.
func (s *Service) Authenticate(_ context.Context, text string) (*cloud.Caller, error) {
	v, err := s.validate(text)
	if err != nil {
		return nil, err
	}
	return v.caller(), nil
}

// validate opens a token and sees that it still holds: Unauthorized if not.
func (s *Service) validate(text string) (*session, error) { return s.validateLate(text, 0) }

// validateLate is validate for a token that may have expired so long ago.
func (s *Service) validateLate(text string, late time.Duration) (*session, error) {
	message, err := s.keys.open(text)
	if err != nil {
		return nil, cloud.Unauthorized("").Because(err)
	}
	t, err := parseToken(message)
	if err != nil {
		return nil, cloud.Unauthorized("").Because(err)
	}
	return s.resolveLate(t, late)
}

// clockSkew is how far in the future a token of another controller may be.
const clockSkew = 30 * time.Second

// resolve finds what a token speaks of and sees that all of it is enabled.
func (s *Service) resolve(t *token) (*session, error) { return s.resolveLate(t, 0) }

// resolveLate is resolve for a token that may have expired so long ago.
func (s *Service) resolveLate(t *token, late time.Duration) (*session, error) {
	snap, now := s.now.Load(), s.clock()
	v := &session{token: t, snap: snap, user: snap.users.at(t.user)}
	switch {
	case !now.Before(t.expires.Add(late)), t.issued.After(now.Add(clockSkew)):
		return nil, cloud.Unauthorized("")
	case v.isRevoked():
		return nil, cloud.Unauthorized("")
	case v.user == nil || !v.user.Enabled || !snap.enabledDomain(v.user.DomainID):
		return nil, cloud.Unauthorized("")
	case t.issued.Before(v.user.ValidFrom):
		return nil, cloud.Unauthorized("")
	}
	if !v.believed() {
		return nil, cloud.Unauthorized("")
	}
	holder, given, err := v.delegate(now)
	if err != nil {
		return nil, err
	}
	groups := t.groups
	if given != nil { // somebody else's roles, or some that were written down
		groups = nil
	}
	if err := v.findScope(holder, groups); err != nil {
		return nil, err
	}
	if given != nil {
		err = v.narrow(given)
	}
	return v, err
}

// isRevoked tells whether the token or one that it was made with was given
// back.
func (v *session) isRevoked() bool {
	for _, id := range []auditID{v.audit, v.parent, v.root} {
		if id == (auditID{}) {
			continue
		}
		if v.snap.isRevoked(id.String()) {
			return true
		}
	}
	return false
}

// findScope finds the scope and the roles on it of the holder, who is in the
// groups besides its own. A scope without a role is none.
func (v *session) findScope(holder string, groups []string) error {
	switch v.scope.kind {
	case "":
		return nil
	case "project":
		v.project = v.snap.projects.at(v.scope.id)
		if v.project == nil || !v.project.Enabled || !v.snap.enabledDomain(v.project.domain()) {
			return cloud.Unauthorized("")
		}
	case "domain":
		v.domain = v.snap.domains.at(v.scope.id)
		if v.domain == nil || !v.domain.Enabled {
			return cloud.Unauthorized("")
		}
	}
	v.roles = v.snap.rolesOn(holder, v.scope, groups...)
	if len(v.roles) == 0 {
		return cloud.Unauthorized("")
	}
	return nil
}

func (n *snapshot) enabledDomain(id string) bool {
	d := n.domains.at(id)
	return d != nil && d.Enabled
}

// delegated tells whether the token was made with what somebody gave away in
// part, or keeps for a program.
func (v *session) delegated() bool {
	return v.trust != nil || v.appCredential != nil || v.methods&(methodOAuth1|methodEC2) != 0
}

// caller is the session in the words that all services share.
func (v *session) caller() *cloud.Caller {
	c := &cloud.Caller{UserID: v.user.ID, UserName: v.user.Name, UserDomainID: v.user.DomainID}
	if v.project != nil {
		c.ProjectID, c.ProjectName, c.ProjectDomainID = v.project.ID, v.project.Name, v.project.domain()
	}
	if v.domain != nil {
		c.DomainID = v.domain.ID
	}
	c.System = v.scope.kind == "system"
	for _, r := range v.roles {
		c.Roles = append(c.Roles, r.Name)
	}
	c.IsAdmin = c.Has("admin")
	c.Delegated = v.delegated()
	if a := v.appCredential; a != nil {
		// What is held to access rules cannot make what is not.
		c.MayDelegate, c.Permits = a.Unrestricted && a.RuleIDs == nil, v.snap.permits(a)
	}
	return c
}
