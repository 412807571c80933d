package cloud

import (
	"context"
	"slices"
)

// A Caller is who makes a request and with which scope: what a valid token
// says. At most one of ProjectID, DomainID and System is set; none of them is
// an unscoped token.
type Caller struct {
	UserID       string
	UserName     string
	UserDomainID string

	ProjectID       string
	ProjectName     string
	ProjectDomainID string
	DomainID        string // the scope, when it is a domain
	System          bool   // the scope is the whole system

	Roles   []string // names, lower case, implied roles included
	IsAdmin bool     // Roles has "admin"

	// Delegated is a caller who acts with what somebody gave away in part: a
	// trust, an application credential. MayDelegate is one who may give away
	// what it was given nevertheless (an unrestricted credential).
	Delegated, MayDelegate bool
	// Permits tells whether the caller may make a request at all: the method
	// and the path below the service ("/v2.1/servers"). Nil: any request.
	Permits func(service, method, path string) bool

	RequestID string // of this request, set by the API
}

// The kinds of scope.
const (
	ScopeProject = "project"
	ScopeDomain  = "domain"
	ScopeSystem  = "system"
)

// Scope is the kind of the token's scope; empty: it has none.
func (c *Caller) Scope() string {
	switch {
	case c.ProjectID != "":
		return ScopeProject
	case c.DomainID != "":
		return ScopeDomain
	case c.System:
		return ScopeSystem
	default:
		return ""
	}
}

// Has tells whether the caller has the role, by name.
func (c *Caller) Has(role string) bool { return slices.Contains(c.Roles, role) }

type callerKey struct{}

// WithCaller gives a context that knows who calls.
func WithCaller(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf is the caller of the request that ctx belongs to; nil for work that
// nobody asked for.
func CallerOf(ctx context.Context) *Caller {
	c, _ := ctx.Value(callerKey{}).(*Caller)
	return c
}

// Internal is the caller of the controller's own work: an administrator of the
// whole system.
func Internal() *Caller {
	return &Caller{UserName: "cairn", System: true, Roles: []string{"admin", "manager", "member", "reader"}, IsAdmin: true}
}
