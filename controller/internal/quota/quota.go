// Package quota keeps limits and usage per project, and reserves inside the
// caller's transaction: a roll-back gives back what was reserved.
//
// Each service has the tables of [Migrations] in its own schema and its own
// [Quotas] with its own names. It imports cloud and store.
package quota

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// Migrations make the tables that a [Quotas] needs.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Unlimited as a limit means that there is none.
const Unlimited = -1

// Quotas are the limits and the usage of the projects of one service.
type Quotas struct {
	defaults map[string]int64
}

// New takes the limits that hold for a project that has none of its own, by
// the name of what they limit. A name that is not here has no quota.
func New(defaults map[string]int64) *Quotas {
	return &Quotas{defaults: maps.Clone(defaults)}
}

// Names are all names with a quota, sorted.
func (q *Quotas) Names() []string { return slices.Sorted(maps.Keys(q.defaults)) }

// Defaults are the limits of a project that has none of its own.
func (q *Quotas) Defaults() map[string]int64 { return maps.Clone(q.defaults) }

// Reserve takes n of name for the project, or fails with OverQuota and takes
// nothing if the transaction is then rolled back. Reservations of one project
// and name wait for each other until their transactions end.
func (q *Quotas) Reserve(ctx context.Context, tx *store.Tx, project, name string, n int64) error {
	limit, ok := q.defaults[name]
	if !ok {
		return fmt.Errorf("quota %q is not declared", name)
	}
	if err := q.add(ctx, tx, project, name, n); err != nil {
		return err
	}
	var used int64
	err := tx.QueryRowContext(ctx, `SELECT u.in_use, COALESCE(l.hard_limit, ?) FROM quota_usage u
		LEFT JOIN quota_limits l ON l.project_id = u.project_id AND l.name = u.name
		WHERE u.project_id = ? AND u.name = ?`, limit, project, name).Scan(&used, &limit)
	if err != nil {
		return fmt.Errorf("quota %s of project %s: %w", name, project, err)
	}
	if limit != Unlimited && used > limit {
		return cloud.OverQuota("Quota exceeded for %s: Requested %d, but already used %d of %d %s", name, n, used-n, limit, name).Named("OverQuota")
	}
	return nil
}

// Release gives n of name back.
func (q *Quotas) Release(ctx context.Context, tx *store.Tx, project, name string, n int64) error {
	return q.add(ctx, tx, project, name, -n)
}

func (q *Quotas) add(ctx context.Context, tx *store.Tx, project, name string, n int64) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO quota_usage (project_id, name, in_use) VALUES (?, ?, GREATEST(?, 0))
		ON DUPLICATE KEY UPDATE in_use = GREATEST(in_use + ?, 0)`, project, name, n, n)
	if err != nil {
		return fmt.Errorf("quota %s of project %s: %w", name, project, err)
	}
	return nil
}

// A Usage is one quota of a project.
type Usage struct {
	Limit int64
	InUse int64
}

// Usage gives all quotas of a project by name.
func (q *Quotas) Usage(ctx context.Context, db store.Querier, project string) (usage map[string]Usage, err error) {
	usage = make(map[string]Usage, len(q.defaults))
	for name, limit := range q.defaults {
		usage[name] = Usage{Limit: limit}
	}
	rows, err := db.QueryContext(ctx, `SELECT name, 0, hard_limit FROM quota_limits WHERE project_id = ?
		UNION ALL SELECT name, 1, in_use FROM quota_usage WHERE project_id = ?`, project, project)
	if err != nil {
		return nil, fmt.Errorf("quotas of project %s: %w", project, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var name string
		var used bool
		var n int64
		if err := rows.Scan(&name, &used, &n); err != nil {
			return nil, fmt.Errorf("quotas of project %s: %w", project, err)
		}
		u, ok := usage[name]
		if !ok {
			continue
		}
		if used {
			u.InUse = n
		} else {
			u.Limit = n
		}
		usage[name] = u
	}
	return usage, rows.Err()
}

// SetLimit gives the project a limit of its own.
func (q *Quotas) SetLimit(ctx context.Context, db store.Querier, project, name string, limit int64) error {
	if _, ok := q.defaults[name]; !ok {
		return cloud.BadRequest("quota %q is unknown; allowed: %v", name, q.Names())
	}
	_, err := db.ExecContext(ctx, `INSERT INTO quota_limits (project_id, name, hard_limit) VALUES (?, ?, ?)
		ON DUPLICATE KEY UPDATE hard_limit = VALUES(hard_limit)`, project, name, limit)
	if err != nil {
		return fmt.Errorf("quota %s of project %s: %w", name, project, err)
	}
	return nil
}

// Reset takes the project's own limits away.
func (q *Quotas) Reset(ctx context.Context, db store.Querier, project string) error {
	if _, err := db.ExecContext(ctx, "DELETE FROM quota_limits WHERE project_id = ?", project); err != nil {
		return fmt.Errorf("quotas of project %s: %w", project, err)
	}
	return nil
}
