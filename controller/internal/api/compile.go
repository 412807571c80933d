package api

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A compiled is a resource with everything worked out that does not change
// from call to call.
type compiled[T any] struct {
	Resource[T]
	shape   *shape
	keyCol  string
	columns map[string][]int // of the row, by column; empty without Rows
	dialect *Dialect
	ops     []Op
	order   []store.Sort
}

// compile checks a description and fills in what it leaves out.
func compile[T any](r Resource[T], d Dialect) (*compiled[T], error) {
	s, err := shapeOf(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	c := &compiled[T]{Resource: r, shape: s, dialect: &d, columns: map[string][]int{}}
	c.Plural = orElse(r.Plural, r.Name+"s")
	c.Noun = orElse(r.Noun, r.Name)
	c.Policy = orElse(r.Policy, r.Name)
	c.Key = orElse(r.Key, "id")
	key := s.byName[c.Key]
	if r.Name == "" || r.Path == "" || r.Path[0] != '/' {
		return nil, fmt.Errorf("resource %q: Name and Path (with a slash in front) are needed", r.Name)
	}
	if key == nil {
		return nil, fmt.Errorf("resource %s: no field has the json name %q of its key", r.Name, c.Key)
	}
	c.keyCol = key.column
	if r.Rows != nil {
		if c.columns, err = store.ColumnsOf(reflect.TypeFor[T]()); err != nil {
			return nil, err
		}
	}
	c.order = r.Sort
	if len(c.order) == 0 && r.Rows != nil && r.Rows.HasColumn("created_at") {
		c.order = []store.Sort{{Column: "created_at", Desc: d.Paging == PageNext || d.Paging == PageImage}}
	}
	c.ops = c.offers()
	return c, nil
}

// offers lists what can be done.
func (c *compiled[T]) offers() []Op {
	var creates, updates bool
	for i := range c.shape.fields {
		creates = creates || c.shape.fields[i].create
		updates = updates || c.shape.fields[i].update
	}
	rows := c.Rows != nil
	can := []struct {
		op  Op
		yes bool
	}{
		{OpCreate, c.Create != nil || rows && creates},
		{OpList, c.List != nil || rows},
		{OpDetail, c.Detail && (c.List != nil || rows)},
		{OpShow, c.Show != nil || rows},
		{OpUpdate, c.Update != nil || rows && updates},
		{OpDelete, c.Delete != nil || rows},
	}
	var ops []Op
	for _, x := range can {
		if x.yes && !slices.Contains(c.Without, x.op) {
			ops = append(ops, x.op)
		}
	}
	return ops
}

// rule is the name of an operation's rule.
func (c *compiled[T]) rule(op Op) string {
	return c.dialect.Rule(c.Policy, c.Name, c.Plural, op)
}

func (c *compiled[T]) actionRule(a *Action[T]) string { return orElse(a.Rule, c.Policy+":"+a.Name) }

// belowRule is the rule of something below one resource.
func (c *compiled[T]) belowRule(b *Below[T]) string {
	if b.Rule != "" {
		return b.Rule
	}
	if b.Method == "GET" || b.Method == "HEAD" {
		return c.rule(OpShow)
	}
	return c.rule(OpUpdate)
}

// info says what the resource is.
func (c *compiled[T]) info() Info {
	i := Info{Name: c.Name, Plural: c.Plural, Path: c.Path, Key: c.Key, Ops: c.ops, Noun: c.Noun, Owner: c.Owner, Quota: c.Quota, Flat: c.Flat, WrapItems: c.WrapItems}
	i.Fields = c.shape.describe(0)
	for _, op := range c.ops {
		i.Rules = append(i.Rules, policy.Rule{Name: c.rule(op), Check: c.access(op), Doc: string(op) + " " + c.Path})
	}
	for _, a := range c.Actions {
		i.Rules = append(i.Rules, policy.Rule{Name: c.actionRule(&a), Check: orElse(a.Access, c.access(OpUpdate)), Doc: a.Name + " of " + c.Path})
	}
	for _, b := range c.Below {
		op := OpUpdate
		if b.Method == "GET" || b.Method == "HEAD" {
			op = OpShow
		}
		i.Rules = append(i.Rules, policy.Rule{Name: c.belowRule(&b), Check: orElse(b.Access, c.access(op)), Doc: b.Method + " " + c.Path + "/{id}" + b.Path})
	}
	for _, f := range c.shape.fields {
		if f.filter {
			i.Filters = append(i.Filters, f.name)
		}
		if f.sort {
			i.Sorts = append(i.Sorts, f.name)
		}
	}
	for _, f := range c.Filters {
		i.Filters = append(i.Filters, f.Name)
	}
	return i
}

func orElse(s, other string) string {
	if s != "" {
		return s
	}
	return other
}
