package api

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// create answers POST Path.
func (r *compiled[T]) create(ctx context.Context, c *Call) error {
	if err := c.Allow(r.rule(OpCreate), nil); err != nil {
		return err
	}
	if err := c.readBody(); err != nil {
		return err
	}
	if r.dialect.Bulk {
		if items, ok := r.bulk(c.body); ok {
			return r.createAll(ctx, c, items)
		}
	}
	if err := r.openBody(c); err != nil {
		return err
	}
	row, err := r.createOne(ctx, c)
	if err != nil {
		return err
	}
	return r.answer(ctx, c, OpCreate, row)
}

// openBody takes the object out of its envelope, if it has one.
func (r *compiled[T]) openBody(c *Call) error {
	if r.Flat {
		return c.members()
	}
	return c.open(r.Name)
}

// createOne makes what c.body describes.
func (r *compiled[T]) createOne(ctx context.Context, c *Call) (*T, error) {
	in := new(T)
	v := reflect.ValueOf(in).Elem()
	r.own(c, v)
	if err := c.decode(r.shape, v, c.body, OpCreate, ""); err != nil {
		return nil, err
	}
	if r.Create != nil {
		return r.Create(ctx, c, in)
	}
	err := c.service.service.DB.Transact(ctx, func(tx *store.Tx) error {
		return r.insert(ctx, tx, c, in)
	})
	return in, err
}

// insert adds a row in the kit's transaction.
func (r *compiled[T]) insert(ctx context.Context, tx *store.Tx, c *Call, in *T) error {
	if r.Quota != "" {
		if err := c.service.service.Quotas.Reserve(ctx, tx, r.project(reflect.ValueOf(in).Elem()), r.Quota, 1); err != nil {
			return err
		}
	}
	if r.Creating != nil {
		if err := r.Creating(ctx, tx, c, in); err != nil {
			return err
		}
	}
	return r.Rows.In(tx).Insert(ctx, in)
}

// own sets the fields that say whose a new row is, and since when.
func (r *compiled[T]) own(c *Call, v reflect.Value) {
	now := c.service.clock()
	if key := r.shape.byName[r.Key]; !key.create {
		id := cloud.NewID()
		if r.dialect.HexIDs {
			id = cloud.NewHexID()
		}
		setText(v, key, id)
	}
	for i := range r.shape.fields {
		f := &r.shape.fields[i]
		switch f.column {
		case "project_id":
			setText(v, f, c.Caller.ProjectID)
		case "user_id":
			setText(v, f, c.Caller.UserID)
		case "created_at", "updated_at":
			setTime(v, f, now)
		}
	}
}

func setText(v reflect.Value, f *field, s string) {
	if fv := v.FieldByIndex(f.index); fv.Kind() == reflect.String {
		fv.SetString(s)
	}
}

func setTime(v reflect.Value, f *field, t time.Time) {
	if fv := v.FieldByIndex(f.index); fv.Type() == timeType {
		fv.Set(reflect.ValueOf(t))
	}
}

// text is a text column of a row; empty if there is none.
func (r *compiled[T]) text(v reflect.Value, column string) string {
	for i := range r.shape.fields {
		f := &r.shape.fields[i]
		if f.column != column {
			continue
		}
		fv := v.FieldByIndex(f.index)
		if fv.Kind() == reflect.Pointer && !fv.IsNil() {
			fv = fv.Elem()
		}
		if fv.Kind() == reflect.String {
			return fv.String()
		}
	}
	return ""
}

// project is whose quota a row counts against: users have quotas too.
func (r *compiled[T]) project(v reflect.Value) string {
	if r.Owner == User {
		return r.text(v, "user_id")
	}
	return r.text(v, "project_id")
}

// target is what a rule may ask of a row.
func (r *compiled[T]) target(row *T) policy.Target {
	v := reflect.ValueOf(row).Elem()
	t := policy.Target{"id": r.text(v, r.keyCol), "project_id": r.text(v, "project_id"), "user_id": r.text(v, "user_id"), "domain_id": r.text(v, "domain_id")}
	t["tenant_id"] = t["project_id"]
	return t
}

// scope is what the caller may see.
func (r *compiled[T]) scope(ctx context.Context, c *Call, list bool) ([]store.Cond, error) {
	conds := r.pathConds(c)
	if r.Owner == Domain && list && !c.Caller.IsAdmin && c.Caller.Scope() != cloud.ScopeSystem {
		conds = append(conds, store.Eq("domain_id", c.Caller.DomainID)) // what one may see of others, the rule of a show decides
	}
	if r.Scope != nil {
		more, err := r.Scope(ctx, c)
		return append(conds, more...), err
	}
	if list && !c.Caller.IsAdmin && r.dialect.AllProjects != "" && asksAll(c, r.dialect.AllProjects) {
		return nil, cloud.Forbidden("Only administrators may list the %s of all projects.", r.Plural)
	}
	if r.Owner == Cloud || r.Owner == Domain || c.Caller.IsAdmin && (!list || r.dialect.AllProjects == "" || asksAll(c, r.dialect.AllProjects)) {
		return conds, nil
	}
	if r.Owner == User {
		return append(conds, store.Eq("user_id", c.Caller.UserID)), nil
	}
	return append(conds, store.Eq("project_id", c.Caller.ProjectID)), nil
}

func asksAll(c *Call, parameter string) bool {
	values, ok := c.Query()[parameter]
	return ok && !slices.Contains([]string{"0", "false", "False", "no"}, values[0])
}

// pathConds limits rows to what the path is below: a parameter {server_id}
// whose name is a column.
func (r *compiled[T]) pathConds(c *Call) []store.Cond {
	var conds []store.Cond
	if r.Rows == nil {
		return nil
	}
	for _, name := range pathParams(r.Path) {
		if r.Rows.HasColumn(name) {
			conds = append(conds, store.Eq(name, c.Param(name)))
		}
	}
	return conds
}

// load reads the row that the path names, if the caller may see it.
func (r *compiled[T]) load(ctx context.Context, c *Call) (*T, error) {
	key := c.Param("id")
	c.done.Target = cut(key, 255)
	row, err := r.find(ctx, c, key)
	if cloud.IsNotFound(err) {
		return nil, cloud.NotFound("%s", r.dialect.NotFound(r.Noun, key)).Named(camel(r.Noun) + "NotFound").Because(err)
	}
	if err != nil {
		return nil, err
	}
	if !c.Allows(r.rule(OpShow), r.target(row)) {
		if r.dialect.Forbid {
			return nil, c.Allow(r.rule(OpShow), r.target(row))
		}
		return nil, cloud.NotFound("%s", r.dialect.NotFound(r.Noun, key)).Named(camel(r.Noun) + "NotFound")
	}
	return row, nil
}

func (r *compiled[T]) find(ctx context.Context, c *Call, key string) (*T, error) {
	if r.Show != nil {
		return r.Show(ctx, c, key)
	}
	if r.Rows == nil {
		return nil, cloud.NotFound("")
	}
	conds, err := r.scope(ctx, c, false)
	if err != nil {
		return nil, err
	}
	return r.Rows.First(ctx, append(conds, store.Eq(r.keyCol, key))...)
}

// show answers GET Path/{id}.
func (r *compiled[T]) show(ctx context.Context, c *Call) error {
	row, err := r.load(ctx, c)
	if err != nil {
		return err
	}
	return r.answer(ctx, c, OpShow, row)
}

// update answers PUT or PATCH Path/{id}.
func (r *compiled[T]) update(ctx context.Context, c *Call) error {
	old, err := r.load(ctx, c)
	if err != nil {
		return err
	}
	if err := c.Allow(r.rule(OpUpdate), r.target(old)); err != nil {
		return err
	}
	if err := c.readBody(); err != nil {
		return err
	}
	if err := r.openBody(c); err != nil {
		return err
	}
	changed := *old
	v := reflect.ValueOf(&changed).Elem()
	if err := c.decode(r.shape, v, c.body, OpUpdate, ""); err != nil {
		return err
	}
	row, err := r.change(ctx, c, old, &changed)
	if err != nil {
		return err
	}
	return r.answer(ctx, c, OpUpdate, row)
}

// change replaces a row.
func (r *compiled[T]) change(ctx context.Context, c *Call, old, changed *T) (*T, error) {
	if r.Update != nil {
		return r.Update(ctx, c, old, changed)
	}
	v := reflect.ValueOf(changed).Elem()
	for i := range r.shape.fields {
		if r.shape.fields[i].column == "updated_at" {
			setTime(v, &r.shape.fields[i], c.service.clock())
		}
	}
	err := c.service.service.DB.Transact(ctx, func(tx *store.Tx) error {
		if r.Updating != nil {
			if err := r.Updating(ctx, tx, c, old, changed); err != nil {
				return err
			}
		}
		return r.Rows.In(tx).Update(ctx, changed)
	})
	return changed, err
}

// remove answers DELETE Path/{id}.
func (r *compiled[T]) remove(ctx context.Context, c *Call) error {
	row, err := r.load(ctx, c)
	if err != nil {
		return err
	}
	if err := c.Allow(r.rule(OpDelete), r.target(row)); err != nil {
		return err
	}
	if r.Delete != nil {
		err = r.Delete(ctx, c, row)
	} else {
		err = c.service.service.DB.Transact(ctx, func(tx *store.Tx) error { return r.take(ctx, tx, c, row) })
	}
	if err != nil {
		return err
	}
	return c.Empty(c.code(r.Codes, OpDelete))
}

// take deletes a row in the kit's transaction.
func (r *compiled[T]) take(ctx context.Context, tx *store.Tx, c *Call, row *T) error {
	if r.Deleting != nil {
		if err := r.Deleting(ctx, tx, c, row); err != nil {
			return err
		}
	}
	v := reflect.ValueOf(row).Elem()
	key := v.FieldByIndex(r.columns[r.Rows.Key()]).Interface()
	n, err := r.Rows.In(tx).Delete(ctx, store.Eq(r.Rows.Key(), key))
	switch {
	case err != nil:
		return err
	case n == 0: // somebody was faster
		return cloud.NotFound("%s", r.dialect.NotFound(r.Noun, r.text(v, r.keyCol)))
	case r.Quota == "":
		return nil
	}
	return c.service.service.Quotas.Release(ctx, tx, r.project(v), r.Quota, 1)
}

// act answers POST Path/{id}/action.
func (r *compiled[T]) act(ctx context.Context, c *Call) error {
	c.Op = OpAction
	if err := c.readBody(); err != nil {
		return err
	}
	if err := c.members(); err != nil || len(c.present) != 1 {
		return cloud.BadRequest("The request body must be an object with exactly one action.")
	}
	name := sortedKeys(c.present)[0]
	for i := range r.Actions {
		if a := &r.Actions[i]; a.Name == name && c.within(a.Since, a.Until) {
			return r.doAction(ctx, c, a)
		}
	}
	return cloud.BadRequest("There is no such action: %s", short([]byte(name)))
}

// within tells whether the version is between two, either may be empty.
func (c *Call) within(since, until string) bool {
	last, err := ParseVersion(until)
	return (since == "" || c.Since(since)) && (err != nil || !last.Less(c.Version))
}

func (r *compiled[T]) doAction(ctx context.Context, c *Call, a *Action[T]) error {
	row, err := r.load(ctx, c)
	if err != nil {
		return err
	}
	c.done.Action = a.Name
	if err := c.Allow(r.actionRule(a), r.target(row)); err != nil {
		return err
	}
	c.body = c.present[a.Name]
	c.present = nil
	if len(c.body) > 0 && c.body[0] == '{' {
		if err := c.members(); err != nil {
			return err
		}
	}
	answer, err := a.Do(ctx, c, row)
	if err != nil {
		return err
	}
	return c.reply(answer, a.Code, http.StatusAccepted, http.StatusAccepted)
}

// below answers a request below one resource.
func (r *compiled[T]) below(ctx context.Context, c *Call, b *Below[T]) error {
	row, err := r.load(ctx, c)
	if err != nil {
		return err
	}
	if err := c.Allow(r.belowRule(b), r.target(row)); err != nil {
		return err
	}
	if b.Stream {
		_, err := b.Do(ctx, c, row)
		return err
	}
	if err := c.readBody(); err != nil {
		return err
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(c.body, &members) == nil {
		c.present = members
	}
	answer, err := b.Do(ctx, c, row)
	if err != nil {
		return err
	}
	return c.reply(answer, b.Code, http.StatusOK, http.StatusNoContent)
}

// reply writes what an action answered.
func (c *Call) reply(answer any, code, with, without int) error {
	if c.status != 0 {
		code = c.status
	}
	if answer == nil {
		if code == 0 {
			code = without
		}
		return c.Empty(code)
	}
	if code == 0 {
		code = with
	}
	return c.JSON(code, answer)
}

// code is the status of an operation.
func (c *Call) code(codes Codes, op Op) int {
	if c.status != 0 {
		return c.status
	}
	if n := codes.at(op, c.Version); n != 0 {
		return n
	}
	return defaultCodes[op]
}
