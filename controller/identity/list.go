package identity

import (
	"iter"
	"strconv"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// listLimit is the most entries that a list of no resource gives at once, and
// what it gives when nothing is asked: as those of resources (see
// api.IdentityDialect).
const listLimit = 1000

// A page is what a request asks of a list that is no resource.
type page struct {
	limit  int
	asked  bool   // the limit was asked for
	marker string // of the last entry of the page before; empty: begin at the start
}

func pageOf(c *api.Call) (page, error) {
	q := c.Query()
	p := page{limit: listLimit, marker: q.Get("marker")}
	text := q.Get("limit")
	if text == "" {
		return p, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return p, cloud.BadRequest("limit is %.20q; allowed: a number from 0 to %d", text, listLimit)
	}
	p.limit, p.asked = min(n, listLimit), true
	return p, nil
}

// body is a page in identity's envelope: the entries behind the marker, by the
// keys by which they are sorted, as show has them. Entries that show has no
// answer for are left out.
func body[T any](c *api.Call, p page, name string, entries iter.Seq2[string, T], show func(T) any) map[string]any {
	list, last, more := []any{}, "", false
	for key, e := range entries {
		if p.marker != "" && key <= p.marker {
			continue
		}
		if more = len(list) == p.limit; more {
			break
		}
		if shown := show(e); shown != nil {
			list, last = append(list, shown), key
		}
	}
	return p.envelope(c, name, list, last, more)
}

// envelope is a list with its links. A list that was cut although no limit was
// asked for says so, as Keystone's do.
func (p page) envelope(c *api.Call, name string, list any, last string, more bool) map[string]any {
	links := listLinks(c)
	o := map[string]any{name: list, "links": links}
	if !more || p.limit == 0 {
		return o
	}
	q := c.Query()
	q.Set("marker", last)
	if p.asked {
		q.Set("limit", strconv.Itoa(p.limit))
	} else {
		o["truncated"] = true
	}
	links["next"] = c.Host() + c.Request().URL.Path + "?" + q.Encode()
	return o
}

// byID are rows with their ids, of ids that are sorted.
func byID[T any](ids iter.Seq[string], row func(id string) *T) iter.Seq2[string, *T] {
	return func(yield func(string, *T) bool) {
		for id := range ids {
			if r := row(id); r != nil && !yield(id, r) {
				return
			}
		}
	}
}
