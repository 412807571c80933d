package api

import (
	"context"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// list answers GET Path and GET Path/detail.
func (r *compiled[T]) list(ctx context.Context, c *Call) error {
	if err := c.Allow(r.rule(c.Op), nil); err != nil {
		return err
	}
	q, p, err := r.query(ctx, c)
	if err != nil {
		return err
	}
	rows, err := r.rowsOf(ctx, c, q, p.limit)
	if err != nil {
		return err
	}
	objects, err := r.encodeAll(ctx, c, rows)
	if err != nil {
		return err
	}
	if r.WrapItems {
		for i := range objects {
			objects[i] = object{{r.Name, objects[i]}}
		}
	}
	body := object{{r.Plural, objects}}
	body = append(body, r.links(c, p, rows)...)
	return c.JSON(c.code(r.Codes, c.Op), body)
}

// rowsOf reads a page; a limit of zero that was asked for is an empty page.
func (r *compiled[T]) rowsOf(ctx context.Context, c *Call, q store.Query, limit int) ([]T, error) {
	switch {
	case limit == 0:
		return nil, nil
	case r.List != nil:
		return r.List(ctx, c, q)
	default:
		return r.Rows.List(ctx, q)
	}
}

// A page is what a list's query asks of paging. limit is -1 for all.
type page struct {
	limit  int
	asked  bool // a limit was asked for
	marker string
	back   bool
}

// query makes a store.Query of the request's.
func (r *compiled[T]) query(ctx context.Context, c *Call) (store.Query, page, error) {
	values := c.Query()
	p, err := r.page(values)
	if err != nil {
		return store.Query{}, p, err
	}
	var q store.Query
	if q.Where, err = r.scope(ctx, c, true); err != nil {
		return q, p, err
	}
	filters, err := r.filters(ctx, c, values)
	if err != nil {
		return q, p, err
	}
	q = q.And(filters...)
	if q.Sort, err = r.sorts(values); err != nil {
		return q, p, err
	}
	if p.marker != "" {
		if q.Marker, err = r.marker(ctx, c, p.marker); err != nil {
			return q, p, err
		}
	}
	q.Limit, q.Backward = max(p.limit, 0), p.back
	return q, p, nil
}

// marker is the row's key of the wire's key.
func (r *compiled[T]) marker(ctx context.Context, c *Call, marker string) (any, error) {
	if r.Rows == nil || r.keyCol == r.Rows.Key() {
		return marker, nil
	}
	row, err := r.find(ctx, c, marker)
	if cloud.IsNotFound(err) {
		return nil, cloud.BadRequest("marker [%s] not found", marker)
	}
	if err != nil {
		return nil, err
	}
	return reflect.ValueOf(row).Elem().FieldByIndex(r.columns[r.Rows.Key()]).Interface(), nil
}

// page reads limit and marker.
func (r *compiled[T]) page(values url.Values) (page, error) {
	p := page{limit: -1, marker: values.Get("marker")}
	p.back = r.dialect.Paging == PageNextPrev && truth(values.Get("page_reverse"))
	if text := values.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return p, cloud.BadRequest("Invalid input for query parameters limit. Value: %s. It must be a non-negative integer", short([]byte(text)))
		}
		p.limit, p.asked = n, true
		if n == 0 && r.dialect.Paging == PageNextPrev { // Neutron: no limit
			p.limit, p.asked = -1, false
		}
	}
	if most := r.dialect.MaxLimit; most > 0 && (p.limit < 0 || p.limit > most) {
		p.limit = most
	}
	return p, nil
}

// sorts reads sort_key and sort_dir, or sort=key:dir,key:dir.
func (r *compiled[T]) sorts(values url.Values) ([]store.Sort, error) {
	keys, dirs := values["sort_key"], values["sort_dir"]
	if text := values.Get("sort"); text != "" {
		keys, dirs = nil, nil
		for part := range strings.SplitSeq(text, ",") {
			key, dir, _ := strings.Cut(part, ":")
			keys, dirs = append(keys, key), append(dirs, orElse(dir, "desc"))
		}
	}
	if len(keys) == 0 {
		return r.order, nil
	}
	var list []store.Sort
	for i, key := range keys {
		f := r.shape.byName[key]
		if f == nil || !f.sort && key != r.Key {
			return nil, cloud.BadRequest("Invalid sort key: %s", short([]byte(key)))
		}
		dir := "asc"
		if i < len(dirs) {
			dir = dirs[i]
		} else if len(dirs) > 0 {
			dir = dirs[len(dirs)-1]
		} else if r.dialect.Paging == PageNext || r.dialect.Paging == PageImage {
			dir = "desc"
		}
		if dir != "asc" && dir != "desc" {
			return nil, cloud.BadRequest("Invalid sort direction: %s. It must be asc or desc", short([]byte(dir)))
		}
		list = append(list, store.Sort{Column: f.column, Desc: dir == "desc"})
	}
	return list, nil
}

// filters makes conditions of the query's parameters.
func (r *compiled[T]) filters(ctx context.Context, c *Call, values url.Values) ([]store.Cond, error) {
	var conds []store.Cond
	for i := range r.shape.fields {
		f := &r.shape.fields[i]
		if !f.filter || !f.in(c.Version) {
			continue
		}
		got := values[f.name]
		if f.also != "" {
			got = append(got, values[f.also]...)
		}
		if len(got) == 0 {
			continue
		}
		cond, err := f.cond(got)
		if err != nil {
			return nil, err
		}
		conds = append(conds, cond)
	}
	for _, f := range r.Filters {
		got, ok := values[f.Name]
		if !ok {
			continue
		}
		more, err := f.Cond(ctx, c, got)
		if err != nil {
			return nil, err
		}
		conds = append(conds, more...)
	}
	if r.FilterRest == nil {
		return conds, nil
	}
	for _, name := range sortedKeys(values) {
		if r.knows(name) {
			continue
		}
		more, err := r.FilterRest(ctx, c, name, values[name])
		if err != nil {
			return nil, err
		}
		conds = append(conds, more...)
	}
	return conds, nil
}

// knows tells whether a query parameter means something by itself.
func (r *compiled[T]) knows(name string) bool {
	switch name {
	case "limit", "marker", "sort", "sort_key", "sort_dir", "fields", "page_reverse", r.dialect.AllProjects:
		return true
	}
	if f := r.shape.byName[name]; f != nil && f.filter {
		return true
	}
	return slices.ContainsFunc(r.Filters, func(f Filter) bool { return f.Name == name })
}

// cond is a filter's condition: any of the values.
func (f *field) cond(texts []string) (store.Cond, error) {
	if f.like {
		var any []store.Cond
		for _, t := range texts {
			any = append(any, store.Contains(f.column, t))
		}
		return store.Or(any...), nil
	}
	values := make([]any, len(texts))
	for i, t := range texts {
		v, err := f.parse(t)
		if err != nil {
			return store.Cond{}, err
		}
		values[i] = v
	}
	if len(values) == 1 {
		return store.Eq(f.column, values[0]), nil
	}
	return store.In(f.column, values...), nil
}

// parse reads a filter's text as the field's type.
func (f *field) parse(text string) (any, error) {
	t := f.typ
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == timeType:
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return nil, cloud.BadRequest("Invalid input for query parameters %s. Value: %s. It is not a time", f.name, short([]byte(text)))
		}
		return v, nil
	case t.Kind() == reflect.Bool:
		switch strings.ToLower(text) {
		case "true", "1", "yes", "on", "t", "":
			return true, nil
		case "false", "0", "no", "off", "f":
			return false, nil
		}
		return nil, cloud.BadRequest("Invalid input for query parameters %s. Value: %s. It is not a boolean", f.name, short([]byte(text)))
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, cloud.BadRequest("Invalid input for query parameters %s. Value: %s. It is not an integer", f.name, short([]byte(text)))
		}
		return n, nil
	default:
		return text, nil
	}
}

func truth(s string) bool {
	switch strings.ToLower(s) {
	case "true", "1", "yes":
		return true
	default:
		return false
	}
}
