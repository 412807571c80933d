package identity

import (
	"context"
	"net/http"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// An accessRule permits requests of a method to a path of a service. In the
// path * and {name} stand for one part, ** for any number of them.
type accessRule struct {
	ID      string `json:"id"      db:"id,key"`
	UserID  string `json:"-"       db:"user_id"`
	Service string `json:"service" db:"service" api:"max=64,filter"`
	Path    string `json:"path"    db:"path"    api:"max=128,filter"`
	Method  string `json:"method"  db:"method"  api:"max=16,filter"`
}

// permits tells whether the rule takes a request.
func (r *accessRule) permits(service, method, path string) bool {
	return r.Service == service && strings.EqualFold(r.Method, method) &&
		fitsPath(strings.Split(strings.Trim(r.Path, "/"), "/"), strings.Split(strings.Trim(path, "/"), "/"))
}

// fitsPath compares the parts of a path with those of a rule.
func fitsPath(rule, path []string) bool {
	if len(rule) == 0 {
		return len(path) == 0
	}
	switch part := rule[0]; {
	case part == "**":
		return len(rule) == 1 && len(path) > 0 || len(path) > 0 && (fitsPath(rule[1:], path[1:]) || fitsPath(rule, path[1:]))
	case len(path) == 0:
		return false
	case part == "*", strings.HasPrefix(part, "{") && strings.HasSuffix(part, "}"), part == path[0]:
		return fitsPath(rule[1:], path[1:])
	default:
		return false
	}
}

// accessRules describes /users/{user_id}/access_rules: made together with
// application credentials, they stay when these go.
func (s *Service) accessRules() api.Resource[accessRule] {
	return api.Resource[accessRule]{
		Name: "access_rule", Path: "/users/{user_id}/access_rules", Owner: api.User, Links: true,
		Read: policy.Self, Write: policy.Self, Rows: s.tables.accessRules, Noun: "access rule",
		Deleting: func(ctx context.Context, tx *store.Tx, c *api.Call, r *accessRule) error {
			if err := mayDelegate(c); err != nil {
				return err
			}
			used := store.Sub("id", "SELECT id FROM application_credentials WHERE JSON_CONTAINS(rules, JSON_QUOTE(?))", r.ID)
			n, err := s.tables.appCredentials.In(tx).Count(ctx, used)
			if err == nil && n > 0 {
				err = cloud.Forbidden("The access rule %s is used by an application credential.", r.ID)
			}
			if err != nil {
				return err
			}
			return s.touch(ctx, tx, gone(kindAccessRule, r.ID))
		},
	}
}

// methodsOfRules are the methods that a rule may permit.
var methodsOfRules = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// keepRules gives the ids of a user's rules, those that are new made.
func (s *Service) keepRules(ctx context.Context, tx *store.Tx, user string, rules []accessRule) ([]string, error) {
	ids := []string{}
	table := s.tables.accessRules.In(tx)
	for i := range rules {
		r := &rules[i]
		where := []store.Cond{store.Eq("user_id", user), store.Eq("service", r.Service), store.Eq("path", r.Path), store.Eq("method", r.Method)}
		if r.ID != "" {
			where = []store.Cond{store.Eq("user_id", user), store.Eq("id", r.ID)}
		}
		old, err := table.First(ctx, where...)
		switch {
		case err == nil:
			*r = *old
		case !cloud.IsNotFound(err) || r.ID != "":
			return nil, err
		case r.Service == "" || !strings.HasPrefix(r.Path, "/") || !contains(methodsOfRules, r.Method):
			return nil, cloud.BadRequest("access_rules.%d is %s %s %s; allowed: a service, a path that begins with / and one of %v", i, r.Service, r.Method, r.Path, methodsOfRules)
		default:
			r.ID, r.UserID = cloud.NewHexID(), user
			if err := table.Insert(ctx, r); err != nil {
				return nil, err
			}
		}
		ids = append(ids, r.ID)
	}
	return ids, nil
}
