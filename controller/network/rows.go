package network

import (
	"context"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// tables is every table of the schema that has a struct.
type tables struct {
	networks *store.Table[Network]
	subnets  *store.Table[Subnet]
	ports    *store.Table[Port]
	groups   *store.Table[SecurityGroup]
	rules    *store.Table[SecurityGroupRule]
}

func newTables(db *store.DB) tables {
	return tables{
		networks: store.NewTable[Network](db, "networks"),
		subnets:  store.NewTable[Subnet](db, "subnets"),
		ports:    store.NewTable[Port](db, "ports"),
		groups:   store.NewTable[SecurityGroup](db, "security_groups"),
		rules:    store.NewTable[SecurityGroupRule](db, "security_group_rules"),
	}
}

// collect runs a query and scans each row with f.
func collect[T any](ctx context.Context, q store.Querier, f func(scan func(...any) error) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := f(rows.Scan)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// column scans rows of one string.
func column(scan func(...any) error) (s string, err error) {
	err = scan(&s)
	return s, err
}

// A pair is a row of two strings, like a port and one of its groups.
type pair struct{ a, b string }

func columns2(scan func(...any) error) (p pair, err error) {
	err = scan(&p.a, &p.b)
	return p, err
}

// in is a list of placeholders and its arguments, for a non-empty list.
func in(values []string) (string, []any) {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return "(" + strings.Repeat("?,", len(values)-1) + "?)", args
}
