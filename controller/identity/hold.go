package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// tableOf are the tables of what can be held, by kind.
var tableOf = map[string]string{
	kindDomain: "domains", kindProject: "projects", kindUser: "users", kindGroup: "user_groups", kindRole: "roles",
}

// hold has a row stay until the transaction ends, so that what is written down
// beside it does not speak of something that is gone meanwhile; NotFound if it
// is gone already. What is of the system is always there.
func hold(ctx context.Context, tx store.Querier, kind, id string) error {
	if kind == "system" {
		return nil
	}
	var one int
	err := tx.QueryRowContext(ctx, "SELECT 1 FROM "+tableOf[kind]+" WHERE id = ? LOCK IN SHARE MODE", id).Scan(&one)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return cloud.NotFound("Could not find %s: %s.", kind, id)
	case err != nil:
		return fmt.Errorf("hold %s %s: %w", kind, id, err)
	default:
		return nil
	}
}
