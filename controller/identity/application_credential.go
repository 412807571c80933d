package identity

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// An appCredential lets a program act as its user on one project, with some
// of the user's roles, without the user's password.
type appCredential struct {
	ID           string       `json:"id"           db:"id,key"`
	Name         string       `json:"name"         db:"name"         api:"create,required,name,filter,sort"`
	Description  string       `json:"description"  db:"description"  api:"create,max=65535"`
	UserID       string       `json:"user_id"      db:"user_id"`
	ProjectID    string       `json:"project_id"   db:"project_id"`
	System       *string      `json:"system"`
	Secret       string       `json:"secret,omitempty"               api:"create,once,max=1024"`
	SecretHash   string       `json:"-"            db:"secret_hash"`
	ExpiresAt    *plainTime   `json:"expires_at"   db:"expires_at"   api:"create"`
	Unrestricted bool         `json:"unrestricted" db:"unrestricted" api:"create"`
	Roles        []roleRef    `json:"roles"                          api:"create"`
	RoleIDs      []string     `json:"-"            db:"roles,json"`
	AccessRules  []accessRule `json:"access_rules,omitempty"         api:"create"`
	RuleIDs      []string     `json:"-"            db:"rules,json"` // nil: any request
}

// A roleRef is a role as delegations name it, by id or by name.
type roleRef struct {
	ID       string  `json:"id"`
	Name     string  `json:"name"`
	DomainID *string `json:"domain_id"`
}

// appCredentials describes /users/{user_id}/application_credentials. They are
// made by their user alone, for the project of the token.
func (s *Service) appCredentials() api.Resource[appCredential] {
	return api.Resource[appCredential]{
		Name: "application_credential", Path: "/users/{user_id}/application_credentials", Owner: api.User, Links: true,
		Noun: "application credential", Read: policy.Self, Write: policy.Self, Sort: []store.Sort{{Column: "name"}},
		Rows: s.tables.appCredentials, Fill: s.fillAppCredentials,
		Creating: s.creatingAppCredential,
		Deleting: func(ctx context.Context, tx *store.Tx, c *api.Call, a *appCredential) error {
			if err := mayDelegate(c); err != nil {
				return err
			}
			return s.touch(ctx, tx, gone(kindAppCredential, a.ID))
		},
	}
}

// mayDelegate refuses callers who act with what was delegated to them, unless
// it was for delegating too.
func mayDelegate(c *api.Call) error {
	if c.Caller.Delegated && !c.Caller.MayDelegate {
		return cloud.Forbidden("Restricted application credentials and trusts cannot manage delegations.")
	}
	return nil
}

// inPerson refuses callers who act with what was delegated to them: it is for
// one project, and what they ask for is all of the user's.
func inPerson(c *api.Call) error {
	if c.Caller.Delegated {
		return cloud.Forbidden("Application credentials and trusts cannot read or change the credentials of their user.")
	}
	return nil
}

func (s *Service) creatingAppCredential(ctx context.Context, tx *store.Tx, c *api.Call, in *appCredential) (err error) {
	if err := mayDelegate(c); err != nil {
		return err
	}
	switch {
	case c.Param("user_id") != c.Caller.UserID:
		return cloud.Forbidden("Application credentials are made by their user alone.")
	case c.Caller.ProjectID == "":
		return cloud.BadRequest("The token has no project; an application credential needs one.")
	case in.ExpiresAt != nil && !in.ExpiresAt.After(s.clock()):
		return cloud.BadRequest("expires_at is %s; allowed: a time to come", in.ExpiresAt.Format(time.RFC3339))
	}
	snap := s.now.Load()
	if in.RoleIDs, err = snap.delegated(c.Caller, in.Roles); err != nil {
		return err
	}
	if c.Has("access_rules") && !c.Null("access_rules") {
		if in.RuleIDs, err = s.keepRules(ctx, tx, in.UserID, in.AccessRules); err != nil {
			return err
		}
	}
	if in.Secret == "" {
		in.Secret = newSecret()
		in.SecretHash = s.secrets.hash(in.Secret)
	} else if in.SecretHash, err = s.hashPassword(ctx, in.Secret); err != nil { // a chosen secret may be guessed
		return err
	}
	changes := []change{wrote(kindAppCredential, in.ID)}
	for _, id := range in.RuleIDs {
		changes = append(changes, wrote(kindAccessRule, id))
	}
	return s.touch(ctx, tx, changes...)
}

// delegated are the ids of roles that the caller has and gives away; none
// named means all.
func (n *snapshot) delegated(c *cloud.Caller, named []roleRef) ([]string, error) {
	ids := []string{}
	if len(named) == 0 {
		for _, name := range c.Roles {
			if r := n.roleNamed.at("", name); r != nil {
				ids = append(ids, r.ID)
			}
		}
		return ids, nil
	}
	for i := range named {
		r := n.findRole(&named[i])
		if r == nil || !c.Has(r.Name) {
			return nil, cloud.BadRequest("roles.%d is %q; allowed: the roles of the token, which are %v", i, named[i].ID+named[i].Name, c.Roles)
		}
		ids = append(ids, r.ID)
	}
	return ids, nil
}

// findRole finds a global role by id or name; nil if there is none.
func (n *snapshot) findRole(a *roleRef) *Role {
	if a.ID == "" {
		return n.roleNamed.at("", a.Name)
	}
	if r := n.roles.at(a.ID); r != nil && r.DomainID == nil {
		return r
	}
	return nil
}

// refs are roles by their ids.
func (n *snapshot) refs(ids []string) []roleRef {
	list := []roleRef{}
	for _, id := range ids {
		if r := n.roles.at(id); r != nil {
			list = append(list, roleRef{r.ID, r.Name, r.DomainID})
		}
	}
	return list
}

func (s *Service) fillAppCredentials(ctx context.Context, _ *api.Call, rows []*appCredential) error {
	snap := s.now.Load()
	for _, a := range rows {
		a.Roles, a.AccessRules = snap.refs(a.RoleIDs), nil
		if a.RuleIDs == nil {
			continue
		}
		rules, err := s.tables.accessRules.List(ctx, store.Query{Where: []store.Cond{store.In("id", a.RuleIDs...)}})
		if err != nil {
			return err
		}
		a.AccessRules = rules
	}
	return nil
}

// permits is the check of a credential's requests.
func (n *snapshot) permits(a *appCredential) func(service, method, path string) bool {
	if a.RuleIDs == nil {
		return nil
	}
	return func(service, method, path string) bool {
		for _, id := range a.RuleIDs {
			if r := n.accessRules.at(id); r != nil && r.permits(service, method, path) {
				return true
			}
		}
		return false
	}
}

// A plainTime is a time in UTC that is written without a zone, as Keystone
// has it in application credentials.
type plainTime struct{ time.Time }

const plainLayout = "2006-01-02T15:04:05.000000"

// MarshalJSON writes the time without a zone.
func (t plainTime) MarshalJSON() ([]byte, error) { return json.Marshal(t.UTC().Format(plainLayout)) }

// UnmarshalJSON takes ISO 8601 with and without a zone.
func (t *plainTime) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return err
	}
	parsed, err := parseTime(text)
	t.Time = parsed
	return err
}

// parseTime reads ISO 8601 with and without a zone, to the microsecond.
func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04:05", time.RFC3339, "2006-01-02 15:04:05", "2006-01-02"} {
		if parsed, err := time.Parse(layout, text); err == nil {
			return parsed.UTC().Truncate(time.Microsecond), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time; allowed: like %s", text, plainLayout)
}

// Value is the time for the database.
func (t plainTime) Value() (driver.Value, error) { return t.Time, nil }

// Scan reads the time from the database.
func (t *plainTime) Scan(src any) error {
	read, ok := src.(time.Time)
	if !ok {
		return fmt.Errorf("a time is %T in the database", src)
	}
	t.Time = read
	return nil
}
