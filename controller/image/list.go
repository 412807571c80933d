package image

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// filters are the query parameters of lists beyond the fields that compare
// plainly.
func filters() []api.Filter {
	list := []api.Filter{
		{Name: "tag", Cond: byTags}, {Name: "size_min", Cond: bySize(store.Ge)}, {Name: "size_max", Cond: bySize(store.Le)},
		{Name: "created_at", Cond: byTime("created_at")}, {Name: "updated_at", Cond: byTime("updated_at")},
		{Name: "visibility", Cond: byVisibility}, {Name: "member_status", Cond: nothing}, {Name: "all_tenants", Cond: nothing},
	}
	for _, column := range []string{"id", "name", "status", "disk_format", "container_format"} {
		list = append(list, api.Filter{Name: column, Cond: byChoice(column)})
	}
	return list
}

// visible are the images that a caller may see by their ids.
func visible(caller *cloud.Caller) []store.Cond {
	if caller.IsAdmin {
		return nil
	}
	return []store.Cond{store.Or(
		store.In("visibility", "public", "community"),
		store.Eq("project_id", caller.ProjectID),
		sharedWith(caller.ProjectID, "all"),
	)}
}

// sharedWith wants images that others share with a project, which has them in
// the member status.
func sharedWith(project, status string) store.Cond {
	query, args := "SELECT image_id FROM image_members WHERE member_id = ?", []any{project}
	if status != "all" {
		query, args = query+" AND status = ?", append(args, status)
	}
	return store.All(store.Eq("visibility", "shared"), store.Sub("id", query, args...))
}

// scope is what a call may see: lists leave out what others have hidden, what
// the project has not accepted, and community images of others unless they are
// asked for.
func scope(_ context.Context, c *api.Call) ([]store.Cond, error) {
	if c.Op != api.OpList {
		return visible(c.Caller), nil
	}
	q := c.Query()
	if err := checkSort(q["sort"], q["sort_key"], q["sort_dir"]); err != nil {
		return nil, err
	}
	status := "accepted"
	if q.Has("member_status") {
		status = q.Get("member_status")
	}
	if !slices.Contains([]string{"pending", "accepted", "rejected", "all"}, status) {
		return nil, cloud.BadRequest("The member_status %.32q is unknown; allowed: accepted, pending, rejected, all.", status)
	}
	var conds []store.Cond
	if !q.Has("os_hidden") {
		conds = append(conds, store.Eq("os_hidden", false))
	}
	if c.Caller.IsAdmin {
		return conds, nil
	}
	listed := []store.Cond{store.Eq("visibility", "public"), store.Eq("project_id", c.Caller.ProjectID), sharedWith(c.Caller.ProjectID, status)}
	if v := q.Get("visibility"); v == "community" || v == "all" {
		listed = append(listed, store.Eq("visibility", "community"))
	}
	return append(conds, store.Or(listed...)), nil
}

// checkSort refuses sorts that could be meant in two ways.
func checkSort(sort, keys, dirs []string) error {
	switch {
	case len(sort) > 0 && len(keys)+len(dirs) > 0:
		return cloud.BadRequest("sort cannot be combined with sort_key and sort_dir.")
	case len(sort) > 1:
		return cloud.BadRequest("sort comes %d times; allowed: once, with commas.", len(sort))
	case len(dirs) > 1 && len(dirs) != len(keys):
		return cloud.BadRequest("There are %d sort_dir for %d sort_key; allowed: one, or as many.", len(dirs), len(keys))
	default:
		return nil
	}
}

// byVisibility wants the visibility; "all" is any.
func byVisibility(_ context.Context, _ *api.Call, values []string) ([]store.Cond, error) {
	switch v := values[0]; v {
	case "all":
		return nil, nil
	case "public", "community", "shared", "private":
		return []store.Cond{store.Eq("visibility", v)}, nil
	default:
		return nil, cloud.BadRequest("The visibility %.32q is unknown; allowed: public, community, shared, private, all.", v)
	}
}

// byChoice wants a column to have the value, or with "in:" one of a list.
func byChoice(column string) func(context.Context, *api.Call, []string) ([]store.Cond, error) {
	return func(_ context.Context, _ *api.Call, values []string) ([]store.Cond, error) {
		var conds []store.Cond
		for _, v := range values {
			choice := []string{v}
			if rest, ok := strings.CutPrefix(v, "in:"); ok {
				var err error
				if choice, err = splitQuoted(rest); err != nil {
					return nil, err
				}
			} else if rest, ok := strings.CutPrefix(v, "eq:"); ok {
				choice = []string{rest}
			}
			conds = append(conds, store.In(column, choice...))
		}
		return conds, nil
	}
}

// splitQuoted splits at commas that are not within double quotes, in which
// a backslash takes the next character as it is.
func splitQuoted(s string) ([]string, error) {
	var list []string
	var word strings.Builder
	quoted, escaped := false, false
	for _, r := range s {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		case r == ',' && !quoted:
			list = append(list, word.String())
			word.Reset()
		default:
			word.WriteRune(r)
		}
	}
	if quoted {
		return nil, cloud.BadRequest("The filter %.64q has a quote without an end.", s)
	}
	return append(list, word.String()), nil
}

// byTime compares a time, which is shown in whole seconds, in one of six ways:
// "gte:2026-01-01T00:00:00Z".
func byTime(column string) func(context.Context, *api.Call, []string) ([]store.Cond, error) {
	return func(_ context.Context, _ *api.Call, values []string) ([]store.Cond, error) {
		var conds []store.Cond
		for _, v := range values {
			op, text, ok := strings.Cut(v, ":")
			if !ok || op == "" || op[0] < 'a' || op[0] > 'z' {
				op, text = "eq", v
			}
			at, err := parseTime(text)
			if err != nil {
				return nil, cloud.BadRequest("The %s %.64q is no time; allowed: like gte:2026-01-01T00:00:00Z.", column, v)
			}
			cond, err := compareTime(column, op, at)
			if err != nil {
				return nil, err
			}
			conds = append(conds, cond)
		}
		return conds, nil
	}
}

// parseTime reads a time with or without its zone, which is then UTC.
func parseTime(text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		at, err = time.Parse("2006-01-02T15:04:05", text)
	}
	return at.UTC().Truncate(time.Second), err
}

func compareTime(column, op string, at time.Time) (store.Cond, error) {
	next := at.Add(time.Second)
	switch op {
	case "gt":
		return store.Ge(column, next), nil
	case "gte":
		return store.Ge(column, at), nil
	case "lt":
		return store.Lt(column, at), nil
	case "lte":
		return store.Lt(column, next), nil
	case "eq":
		return store.All(store.Ge(column, at), store.Lt(column, next)), nil
	case "neq":
		return store.Or(store.Lt(column, at), store.Ge(column, next)), nil
	default:
		return store.Cond{}, cloud.BadRequest("The operator %.16q is unknown; allowed: gt, gte, lt, lte, eq, neq.", op)
	}
}

// byTags wants all of the tags.
func byTags(_ context.Context, _ *api.Call, values []string) ([]store.Cond, error) {
	var conds []store.Cond
	for _, v := range values {
		b, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		conds = append(conds, store.Contains("tags", string(b)))
	}
	return conds, nil
}

// byProperty wants a property to have the value.
func byProperty(_ context.Context, _ *api.Call, name string, values []string) ([]store.Cond, error) {
	b, err := json.Marshal(map[string]string{name: values[0]})
	if err != nil {
		return nil, err
	}
	return []store.Cond{store.Contains("properties", string(b[1:len(b)-1]))}, nil
}

func bySize(compare func(string, any) store.Cond) func(context.Context, *api.Call, []string) ([]store.Cond, error) {
	return func(_ context.Context, _ *api.Call, values []string) ([]store.Cond, error) {
		n, err := strconv.ParseInt(values[0], 10, 64)
		if err != nil || n < 0 {
			return nil, cloud.BadRequest("The size %.32q is not a number of bytes.", values[0])
		}
		return []store.Cond{compare("size", n)}, nil
	}
}

// nothing takes a parameter that changes nothing here.
func nothing(context.Context, *api.Call, []string) ([]store.Cond, error) { return nil, nil }
