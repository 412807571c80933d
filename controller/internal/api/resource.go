package api

import (
	"context"

	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// Owner says whom the rows of a resource belong to.
type Owner int

// The owners. A row of another project or user is one that does not exist.
const (
	Project Owner = iota // column project_id
	User                 // column user_id
	Cloud                // nobody: all callers see the same rows
	Domain               // column domain_id: lists for a domain have its rows only
)

// A Resource describes one resource of type T, the struct that goes over the
// wire. Its fields have json tags for the names and api tags for the rest
// (see [Words]); if Rows is set they have db tags too.
//
// With Rows the kit lists, shows, updates, deletes and creates by itself; the
// -ing functions take part in its transaction. Where wire and row part
// company, List, Show, Create, Update and Delete do it themselves. An
// operation exists if the kit or a function can do it: creating needs a field
// with the word create, updating one with the word update.
type Resource[T any] struct {
	Name   string // "server"; the envelope of one
	Plural string // empty: Name + "s"
	Path   string // "/servers", or "/servers/{server_id}/tags"
	Key    string // json name of the field that addresses one; empty: "id"
	Noun   string // in messages; empty: Name
	Owner  Owner

	// Policy is what the names of the rules are made of, as the dialect does
	// it; empty: Name. Read and Write are the default checks; empty:
	// policy.Reader and policy.Member for rows with an owner, else
	// policy.Anyone and policy.Admin. Access overrides them per operation.
	Policy      string
	Read, Write string
	Access      map[Op]string

	Quota     string // name of the quota that each row counts against; empty: none
	WrapItems bool   // each entry of a list is in its own envelope
	Flat      bool   // one resource has no envelope
	Links     bool   // entries carry links as the dialect has them
	Detail    bool   // Path lists fields with the word brief, Path/detail all
	Codes     Codes
	Without   []Op         // that do not exist although they could
	Sort      []store.Sort // order of lists that ask for none; empty: created_at, if there is such a column, and the key
	Filters   []Filter     // beyond the fields with the word filter
	// FilterRest takes the query parameters that nothing else knows; nil
	// ignores them.
	FilterRest func(ctx context.Context, c *Call, name string, values []string) ([]store.Cond, error)

	Rows *store.Table[T]

	// Scope gives the conditions of the rows that the caller may see, in place
	// of Owner's.
	Scope func(ctx context.Context, c *Call) ([]store.Cond, error)
	// Fill completes rows before they are shown, all of a page at once.
	Fill func(ctx context.Context, c *Call, rows []*T) error

	// Creating runs before the row of in is inserted: id, owner and times are
	// set already. Updating runs before new replaces old, Deleting before the
	// row goes. All may change in, new and other tables by tx.
	Creating func(ctx context.Context, tx *store.Tx, c *Call, in *T) error
	Updating func(ctx context.Context, tx *store.Tx, c *Call, old, new *T) error
	Deleting func(ctx context.Context, tx *store.Tx, c *Call, row *T) error

	Create func(ctx context.Context, c *Call, in *T) (*T, error)
	List   func(ctx context.Context, c *Call, q store.Query) ([]T, error)
	Show   func(ctx context.Context, c *Call, key string) (*T, error)
	Update func(ctx context.Context, c *Call, old, new *T) (*T, error) // new: old with the body laid over it
	Delete func(ctx context.Context, c *Call, row *T) error

	Actions []Action[T] // POST Path/{id}/action
	Below   []Below[T]  // Path/{id}/...
}

// An Action is one thing that POST Path/{id}/action does, in the body
// {Name: {...}}. [Decode] reads the inner value.
type Action[T any] struct {
	Name   string // "os-start"
	Rule   string // its policy rule; empty: Resource's Policy + ":" + Name
	Access string // default check of the rule; empty: Resource's Write
	Since  string // the microversion that has it; empty: all
	Until  string // the last one that has it
	Code   int    // 0: 202
	Do     func(ctx context.Context, c *Call, row *T) (answer any, err error)
}

// A Below is something below one resource: PUT /routers/{id}/add_router_interface.
// The row is loaded, and the caller may see it, before Do runs. [Decode] reads
// the body.
type Below[T any] struct {
	Method string
	Path   string // "/add_router_interface", "/metadata/{key}"
	Rule   string // empty: the resource's rule for show (GET, HEAD) or update
	Access string // default check of Rule when it is named
	Code   int    // 0: 200 with an answer, 204 without
	// Stream leaves the body to Do to read and the answer to Do to write
	// (Call.Request, Call.Writer), without limits of size and time.
	Stream bool
	Do     func(ctx context.Context, c *Call, row *T) (answer any, err error)
}

// A Filter is a query parameter of a list that is no field with the word
// filter.
type Filter struct {
	Name string
	Cond func(ctx context.Context, c *Call, values []string) ([]store.Cond, error)
}

// Info says what the resource is.
func (r Resource[T]) Info() Info {
	b, err := compile(r, IdentityDialect())
	if err != nil {
		return Info{Name: r.Name, Path: r.Path}
	}
	return b.info()
}

// access is the default check of an operation.
func (r *Resource[T]) access(op Op) string {
	if a, ok := r.Access[op]; ok {
		return a
	}
	switch op {
	case OpList, OpDetail, OpShow:
		switch {
		case r.Read != "":
			return r.Read
		case r.Owner == Project:
			return policy.Reader
		case r.Owner == User:
			return policy.Self
		case r.Owner == Domain:
			return policy.DomainReader
		default:
			return policy.Anyone
		}
	default:
		switch {
		case r.Write != "":
			return r.Write
		case r.Owner == Project:
			return policy.Member
		case r.Owner == User:
			return policy.Self
		default:
			return policy.Admin
		}
	}
}
