package api

import (
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/policy"
)

// An Operation is one thing that clients can ask for: a row of the table of
// who may what, a section of the reference, a label of the metrics. What is
// not listed is not served.
type Operation struct {
	Service  string // "compute"
	Method   string
	Path     string // with the service's path and version: "/compute/v2.1/servers/{id}"
	Resource string // its name; empty for a route that belongs to none
	Op       Op     // empty for what is below a resource and for routes
	Action   string // of POST {id}/action: "os-start"
	Rule     string // what must allow it; empty: any valid token, or as the handler decides
	Public   bool   // needs no token
	Stream   bool
	Since    string // the microversions that have it; empty: all
	Until    string
	Code     int // of its success, in the oldest version; 0: as the handler decides
}

// String is method and path, and what the body says if that decides.
func (o Operation) String() string {
	if o.Action == "" {
		return o.Method + " " + o.Path
	}
	return o.Method + " " + o.Path + " " + o.Action
}

// Reads tells whether the operation changes nothing.
func (o Operation) Reads() bool { return o.Method == http.MethodGet || o.Method == http.MethodHead }

// Operations are all that the services serve, in the order of their
// descriptions.
func (s *Server) Operations() []Operation {
	var list []Operation
	for _, b := range s.services {
		list = append(list, b.operations()...)
	}
	return list
}

// Unasked are the rules of a service that nobody has been held against since
// the server was made: with every operation tried, rules without a use.
func (s *Server) Unasked(service string) []string {
	for _, b := range s.services {
		if b.service.Name == service {
			return b.policy.Unasked()
		}
	}
	return nil
}

// operations lists what the service serves, version documents left out.
func (b *bound) operations() []Operation {
	var list []Operation
	s := b.service
	for _, r := range s.Resources {
		list = append(list, r.operations(s)...)
	}
	for _, r := range s.Routes {
		o := Operation{Service: s.Name, Method: r.Method, Path: s.at(r.Path), Rule: r.Rule, Public: r.Public, Stream: r.Stream}
		if r.Root {
			o.Path = s.Path + r.Path
		}
		list = append(list, o)
	}
	return list
}

// at is a path of the service, version included.
func (s *Service) at(path string) string { return s.Path + "/" + s.Version + path }

// operations lists what can be done to the resource in a service.
func (r Resource[T]) operations(s *Service) []Operation {
	c, err := compile(r, s.Dialect)
	if err != nil {
		return nil // mount says why
	}
	var list []Operation
	for _, op := range c.ops {
		for _, at := range c.places(op) {
			list = append(list, Operation{
				Service: s.Name, Method: at.method, Path: s.at(at.path), Resource: c.Name, Op: op, Rule: c.rule(op), Code: c.firstCode(op),
			})
		}
	}
	for i := range c.Actions {
		a := &c.Actions[i]
		list = append(list, Operation{
			Service: s.Name, Method: http.MethodPost, Path: s.at(c.one() + "/action"), Resource: c.Name, Op: OpAction, Action: a.Name,
			Rule: c.actionRule(a), Since: a.Since, Until: a.Until, Code: a.Code,
		})
	}
	for i := range c.Below {
		o := &c.Below[i]
		list = append(list, Operation{
			Service: s.Name, Method: o.Method, Path: s.at(c.one() + o.Path), Resource: c.Name, Rule: c.belowRule(o), Stream: o.Stream, Code: o.Code,
		})
	}
	return list
}

// one is the path of one resource.
func (c *compiled[T]) one() string { return c.Path + "/{id}" }

// A place is where an operation is.
type place struct{ method, path string }

// places are where an operation is served, version left out.
func (c *compiled[T]) places(op Op) []place {
	switch op {
	case OpCreate:
		return []place{{http.MethodPost, c.Path}}
	case OpList:
		return []place{{http.MethodGet, c.Path}}
	case OpDetail:
		return []place{{http.MethodGet, c.Path + "/detail"}}
	case OpShow:
		return []place{{http.MethodGet, c.one()}, {http.MethodHead, c.one()}}
	case OpUpdate:
		return []place{{c.dialect.UpdateMethod, c.one()}}
	case OpDelete:
		return []place{{http.MethodDelete, c.one()}}
	default:
		return nil
	}
}

// firstCode is the status of an operation's success in the oldest version.
func (c *compiled[T]) firstCode(op Op) int {
	if n := c.Codes.at(op, Version{2, 1}); n != 0 {
		return n
	}
	return defaultCodes[op]
}

// defaults are the rules of a service before anybody overrides them, those of its
// resources first.
func (s *Service) defaults() []policy.Rule {
	var rules []policy.Rule
	for _, r := range s.Resources {
		rules = append(rules, r.rules(s.Dialect)...)
	}
	return append(rules, s.Rules...)
}
