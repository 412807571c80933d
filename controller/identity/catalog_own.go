package identity

import (
	"context"

	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// enterCatalog makes the rows of what this cloud serves itself, and takes away
// those of what it does not serve any more.
func (s *Service) enterCatalog(ctx context.Context, tx *store.Tx) error {
	if _, err := tx.ExecContext(ctx, "INSERT IGNORE INTO regions (id, description, own) VALUES (?, '', TRUE)", s.region); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE regions SET own = (id = ?)", s.region); err != nil {
		return err
	}
	kept := map[string]bool{}
	for _, e := range s.served {
		id := entryID("service", e.Type)
		kept[id] = true
		_, err := tx.ExecContext(ctx, `INSERT INTO services (id, type, name, description, enabled, own) VALUES (?, ?, ?, '', TRUE, TRUE)
			ON DUPLICATE KEY UPDATE name = VALUES(name), own = TRUE`, id, e.Type, e.Name)
		if err != nil {
			return err
		}
		for _, i := range interfaces {
			_, err := tx.ExecContext(ctx, `INSERT INTO endpoints (id, service_id, interface, region_id, url, enabled, own) VALUES (?, ?, ?, ?, ?, TRUE, TRUE)
				ON DUPLICATE KEY UPDATE region_id = VALUES(region_id), url = VALUES(url), own = TRUE`,
				entryID("endpoint", e.Type, i), id, i, s.region, e.Path)
			if err != nil {
				return err
			}
		}
	}
	rows, err := s.tables.services.In(tx).List(ctx, store.Query{Where: []store.Cond{store.Eq("own", true)}})
	if err != nil {
		return err
	}
	for i := range rows {
		if kept[rows[i].ID] {
			continue
		}
		if _, err := s.tables.services.In(tx).Delete(ctx, store.Eq("id", rows[i].ID)); err != nil {
			return err
		}
	}
	return nil
}
