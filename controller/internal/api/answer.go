package api

import (
	"context"
	"encoding/json"
	"net/url"
	"reflect"
	"strconv"
	"strings"
)

// answer writes one resource.
func (r *compiled[T]) answer(ctx context.Context, c *Call, op Op, row *T) error {
	code := c.code(r.Codes, op)
	if row == nil {
		return c.Empty(code)
	}
	if op == OpCreate {
		c.done.Target = cut(r.text(reflect.ValueOf(row).Elem(), r.keyCol), 255)
	}
	if r.Fill != nil {
		if err := r.Fill(ctx, c, []*T{row}); err != nil {
			return err
		}
	}
	o := r.object(c, row, op, false)
	if r.Flat {
		return c.JSON(code, o)
	}
	return c.JSON(code, object{{r.Name, o}})
}

// createAll answers a bulk creation. What was made before a failure is taken
// back.
func (r *compiled[T]) createAll(ctx context.Context, c *Call, items []json.RawMessage) error {
	rows := make([]T, 0, len(items))
	for _, item := range items {
		row, err := r.createItem(ctx, c, item)
		if err != nil {
			r.undo(ctx, c, rows)
			return err
		}
		rows = append(rows, *row)
	}
	objects, err := r.encodeAll(ctx, c, rows)
	if err != nil {
		return err
	}
	return c.JSON(c.code(r.Codes, OpCreate), object{{r.Plural, objects}})
}

// encodeAll makes the objects of a page.
func (r *compiled[T]) encodeAll(ctx context.Context, c *Call, rows []T) ([]object, error) {
	if r.Fill != nil {
		pointers := make([]*T, len(rows))
		for i := range rows {
			pointers[i] = &rows[i]
		}
		if err := r.Fill(ctx, c, pointers); err != nil {
			return nil, err
		}
	}
	brief := r.Detail && c.Op == OpList
	objects := make([]object, len(rows))
	for i := range rows {
		objects[i] = r.object(c, &rows[i], c.Op, brief)
	}
	return objects, nil
}

// object is one resource as the caller may see it.
func (r *compiled[T]) object(c *Call, row *T, op Op, brief bool) object {
	v := reflect.ValueOf(row).Elem()
	o := c.encode(r.shape, v, op, brief)
	if r.Links {
		if links := r.dialect.Links(c.Base(), c.service.service.Version, r.path(c), url.PathEscape(r.text(v, r.keyCol))); links != nil {
			o = append(o, member{"links", links})
		}
	}
	if r.dialect.Fields {
		o = o.only(c.Query()["fields"])
	}
	return o
}

// path is the collection's path with its parameters filled in.
func (r *compiled[T]) path(c *Call) string {
	path := r.Path
	for _, name := range pathParams(path) {
		path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(c.Param(name)))
	}
	return path
}

// pathParams are the names in braces of a path.
func pathParams(path string) []string {
	var names []string
	for part := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}

// links are the members that say where a list goes on.
func (r *compiled[T]) links(c *Call, p page, rows []T) []member {
	full := p.limit > 0 && len(rows) == p.limit
	key := func(i int) string { return r.text(reflect.ValueOf(&rows[i]).Elem(), r.keyCol) }
	here := c.service.service.Version + r.path(c)
	if c.Op == OpDetail {
		here += "/detail"
	}
	switch r.dialect.Paging {
	case PageNext:
		if full {
			return []member{{r.Plural + "_links", []any{link("next", c.Base()+"/"+here+c.again(key(len(rows)-1), "", p))}}}
		}
	case PageNextPrev:
		if p.asked && len(rows) > 0 {
			return r.bothLinks(c, p, full, key(0), key(len(rows)-1), c.Base()+"/"+here)
		}
	case PageImage:
		list := []member{{"first", "/" + here + c.again("", "", p)}, {"schema", "/" + c.service.service.Version + "/schemas" + r.Path}}
		if full {
			list = append(list, member{"next", "/" + here + c.again(key(len(rows)-1), "", p)})
		}
		return list
	case PageIdentity:
		links := object{{"next", nil}, {"self", c.Base() + "/" + here + query(c.Query())}, {"previous", nil}}
		if full {
			links[0].value = c.Base() + "/" + here + c.again(key(len(rows)-1), "", p)
		}
		if full && !p.asked { // cut by us
			return []member{{"links", links}, {"truncated", true}}
		}
		return []member{{"links", links}}
	}
	return nil
}

// bothLinks are next and previous.
func (r *compiled[T]) bothLinks(c *Call, p page, full bool, first, last, here string) []member {
	var list []any
	if full || p.back {
		list = append(list, link("next", here+c.again(last, "", p)))
	}
	if p.marker != "" && (!p.back || full) {
		list = append(list, link("previous", here+c.again(first, "True", p)))
	}
	if len(list) == 0 {
		return nil
	}
	return []member{{r.Plural + "_links", list}}
}

func link(rel, href string) map[string]string { return map[string]string{"rel": rel, "href": href} }

// again is the request's query with another marker.
func (c *Call) again(marker, reverse string, p page) string {
	values := c.Query()
	values.Del("marker")
	values.Del("page_reverse")
	if marker != "" {
		values.Set("marker", marker)
	}
	if reverse != "" {
		values.Set("page_reverse", reverse)
	}
	if p.asked {
		values.Set("limit", strconv.Itoa(p.limit))
	}
	return query(values)
}

func query(values url.Values) string {
	if len(values) == 0 {
		return ""
	}
	return "?" + values.Encode()
}

// camel makes "security group" and "security_group" SecurityGroup.
func camel(s string) string {
	var b strings.Builder
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '_' || r == '-' }) {
		b.WriteString(title(w))
	}
	return b.String()
}
