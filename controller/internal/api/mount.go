package api

import (
	"context"
	"fmt"
	"net/http"
	"reflect"

	"github.com/cairn-cloud/cairn/controller/internal/policy"
)

// rules are the resource's rules in a dialect.
func (r Resource[T]) rules(d Dialect) []policy.Rule {
	c, err := compile(r, d)
	if err != nil {
		return nil // mount says why
	}
	return c.info().Rules
}

// mount puts the resource's operations into the router.
func (r Resource[T]) mount(m *mounting) error {
	c, err := compile(r, m.service.Dialect)
	if err != nil {
		return err
	}
	if err := c.checkFields(m); err != nil {
		return err
	}
	does := map[Op]func(ctx context.Context, c *Call) error{
		OpCreate: c.create, OpList: c.list, OpDetail: c.list, OpShow: c.show, OpUpdate: c.update, OpDelete: c.remove,
	}
	for _, op := range c.ops {
		for _, at := range c.places(op) {
			m.router.Method(at.method, at.path, m.handler(c.handling(m, at.path), func(ctx context.Context, call *Call) error {
				call.Op = op
				return does[op](ctx, call)
			}))
		}
	}
	if len(c.Actions) > 0 {
		m.router.Method(http.MethodPost, c.one()+"/action", m.handler(c.handling(m, c.one()+"/action"), c.act))
	}
	for _, b := range c.Below {
		h := c.handling(m, c.one()+b.Path)
		h.stream = b.Stream
		m.router.Method(b.Method, c.one()+b.Path, m.handler(h, func(ctx context.Context, call *Call) error {
			return c.below(ctx, call, &b)
		}))
	}
	return nil
}

// handling is how an operation of the resource is reached.
func (c *compiled[T]) handling(m *mounting, path string) handling {
	h := m.handling(path)
	h.resource = c.Name
	return h
}

// checkFields finds mistakes of tags, nested structs included.
func (c *compiled[T]) checkFields(m *mounting) error {
	if c.Quota != "" && m.service.Quotas == nil {
		return fmt.Errorf("resource %s: has the quota %q, but the service has no Quotas", c.Name, c.Quota)
	}
	if c.Rows != nil && m.service.DB == nil {
		return fmt.Errorf("resource %s: has Rows, but the service has no DB", c.Name)
	}
	return checkNested(c.shape, map[reflect.Type]bool{})
}

func checkNested(s *shape, seen map[reflect.Type]bool) error {
	if seen[s.typ] {
		return nil
	}
	seen[s.typ] = true
	for i := range s.fields {
		t := nested(s.fields[i].typ)
		if t == nil || !s.fields[i].hasJSON {
			continue
		}
		n, err := shapeOf(t)
		if err != nil {
			return err
		}
		if err := checkNested(n, seen); err != nil {
			return err
		}
	}
	return nil
}
