package api

import (
	"context"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/quota"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A Service is one OpenStack API: where it is, what it speaks, what is in it.
type Service struct {
	Name    string // "compute": also the name in microversion headers
	Path    string // "/compute": everything of the service is below it
	Version string // "v2.1": the resources are below Path + "/" + Version
	Dialect Dialect

	// Min and Max are the microversions; empty if the service has none.
	Min, Max string
	// Versions are the documents at Path; the first one is Version's.
	Versions []VersionDocument

	DB        *store.DB     // where the resources' own transactions run
	Quotas    *quota.Quotas // nil if nothing has a quota
	Resources []Description
	Routes    []Route       // what is no resource
	Rules     []policy.Rule // of Routes and actions, and overrides of the resources' defaults

	// ProjectInPath: Path/Version/<project id>/servers is served as
	// Path/Version/servers too.
	ProjectInPath bool
}

// A Route is a plain handler, for what is no resource.
type Route struct {
	Method string
	Path   string // below Path/Version; {name} is [Call.Param]
	// Rule must allow the caller (target: its own project and user) before
	// Handle runs; empty: any valid token.
	Rule string
	// Public needs no token; the call has no Caller then.
	Public bool
	// Stream lifts the limits of body size and time: the handler sets its own.
	Stream bool
	// Login proves who somebody is: the audit tells of it (see Call.Claims).
	Login bool
	// Root makes Path relative to the service's Path, not to its version.
	Root   bool
	Handle func(ctx context.Context, c *Call) error
}

// A VersionDocument is an entry of the list of versions.
type VersionDocument struct {
	ID        string // "v2.1"
	Status    string // CURRENT, SUPPORTED, stable
	Min, Max  string // microversions
	Updated   string
	MediaType string
	Path      string // of the link, "v2.1/" if empty: ID and a slash
}

// A Description is a [Resource] of any type.
type Description interface {
	// Info says what the resource is, for tests, tables and documents.
	Info() Info
	mount(m *mounting) error
	rules(d Dialect) []policy.Rule
	operations(s *Service) []Operation
}

// Info is what a description says of itself.
type Info struct {
	Name, Plural, Path string
	Key                string // json name of the field that addresses one
	Noun               string // in messages
	Owner              Owner
	Quota              string // empty: none
	Flat               bool   // one has no envelope
	WrapItems          bool   // each of a list has one
	Ops                []Op
	Rules              []policy.Rule
	Filters            []string
	Sorts              []string
	Fields             []FieldInfo
}

// Op is what is done to a resource.
type Op string

// The operations that every resource may have.
const (
	OpCreate Op = "create"
	OpList   Op = "list"
	OpDetail Op = "detail" // the list with all fields, where the plain list is brief
	OpShow   Op = "show"
	OpUpdate Op = "update"
	OpDelete Op = "delete"
	OpAction Op = "action"
)

// Codes are statuses that differ from the dialect's, by operation and by the
// microversion from which they hold ("" or the lowest: always):
//
//	api.Codes{"create": {"2.1": 200, "2.2": 201}}
type Codes map[Op]map[string]int

// at is the status of an operation in a version; 0 if there is none.
func (c Codes) at(op Op, v Version) int {
	code, best := 0, Version{}
	for text, n := range c[op] {
		from, err := ParseVersion(text)
		if err != nil { // "": always
			from = Version{}
		}
		if !v.Less(from) && !from.Less(best) {
			code, best = n, from
		}
	}
	return code
}

// defaultCodes are the statuses of OpenStack's APIs where nobody says otherwise.
var defaultCodes = map[Op]int{
	OpCreate: http.StatusCreated, OpList: http.StatusOK, OpDetail: http.StatusOK, OpShow: http.StatusOK,
	OpUpdate: http.StatusOK, OpDelete: http.StatusNoContent, OpAction: http.StatusAccepted,
}
