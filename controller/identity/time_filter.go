package identity

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A timeFilter is a comparison of a time, as queries have it:
// lt:2026-11-22T00:00:00Z.
type timeFilter struct {
	operator string
	at       time.Time
}

// timeOperators are the operators, and what they make of a column.
var timeOperators = map[string]func(column string, value any) store.Cond{
	"lt": store.Lt, "lte": store.Le, "gt": store.Gt, "gte": store.Ge, "eq": store.Eq, "neq": store.Ne,
}

// parseTimeFilter reads the value of a query parameter.
func parseTimeFilter(field, text string) (timeFilter, error) {
	operator, at, ok := strings.Cut(text, ":")
	if !ok || timeOperators[operator] == nil {
		return timeFilter{}, cloud.BadRequest("%s is %q; allowed: an operator of %v, a colon and a time, like lt:2026-11-22T00:00:00Z", field, short(text), sortedKeys(timeOperators))
	}
	t, err := parseTime(at)
	if err != nil {
		return timeFilter{}, cloud.BadRequest("%s is %q; allowed behind the operator: a time like 2026-11-22T00:00:00Z", field, short(text))
	}
	return timeFilter{operator, t}, nil
}

// parseTimeFilters reads all values of a parameter: a row must meet each.
func parseTimeFilters(field string, values []string) (list []timeFilter, err error) {
	for _, v := range values {
		f, err := parseTimeFilter(field, v)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// match tells whether a time meets the filter; nil meets none.
func (f timeFilter) match(t *plainTime) bool {
	if t == nil {
		return false
	}
	order := t.Compare(f.at)
	switch f.operator {
	case "lt":
		return order < 0
	case "lte":
		return order <= 0
	case "gt":
		return order > 0
	case "gte":
		return order >= 0
	case "eq":
		return order == 0
	default: // neq
		return order != 0
	}
}

// expiryFilter is the filter of users by when their passwords expire. Who has
// a password that does not expire is in no answer.
func expiryFilter() api.Filter {
	const column = "password_expires_at"
	return api.Filter{Name: column, Cond: func(_ context.Context, _ *api.Call, values []string) ([]store.Cond, error) {
		filters, err := parseTimeFilters(column, values)
		conds := []store.Cond{store.Ne(column, nil)}
		for _, f := range filters {
			conds = append(conds, timeOperators[f.operator](column, f.at))
		}
		return conds, err
	}}
}

// meetAll tells whether a time meets all filters.
func meetAll(filters []timeFilter, t *plainTime) bool {
	return !slices.ContainsFunc(filters, func(f timeFilter) bool { return !f.match(t) })
}

// short is a text as messages may repeat it.
func short(text string) string { return text[:min(len(text), 100)] }
