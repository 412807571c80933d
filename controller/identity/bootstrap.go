package identity

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// bootstrap makes what every cloud has and leaves what is there alone: the
// domain Default, the roles, the project admin, and the user admin with a
// random password that stands in a file only.
func (s *Service) bootstrap(ctx context.Context) error {
	return s.db.Transact(ctx, func(tx *store.Tx) error {
		statements := []struct {
			query string
			args  []any
		}{
			{"INSERT IGNORE INTO domains (id, name, description, enabled) VALUES (?, 'Default', 'The default domain', TRUE)", []any{DefaultDomain}},
			{"INSERT IGNORE INTO projects (id, domain_id, parent_id, name, description, enabled, is_domain) SELECT id, id, '', name, description, enabled, TRUE FROM domains WHERE id = ?",
				[]any{DefaultDomain}},
			{"INSERT IGNORE INTO projects (id, domain_id, parent_id, name, description, enabled) VALUES (?, ?, ?, 'admin', 'Bootstrap project for initializing the cloud.', TRUE)",
				[]any{cloud.NewHexID(), DefaultDomain, DefaultDomain}},
		}
		for _, st := range statements {
			if _, err := tx.ExecContext(ctx, st.query, st.args...); err != nil {
				return err
			}
		}
		if err := bootstrapRoles(ctx, tx); err != nil {
			return err
		}
		if err := s.bootstrapAdmin(ctx, tx); err != nil {
			return err
		}
		if err := s.enterCatalog(ctx, tx); err != nil {
			return fmt.Errorf("catalog: %w", err)
		}
		_, err := logChanges(ctx, tx) // at a start everything is read anyway
		return err
	})
}

// firstRoles are the roles of every cloud: each implies the next one. Beside
// them stands the role of services, which implies none.
var firstRoles = []string{"admin", "manager", "member", "reader"}

const roleService = "service"

// bootstrapRoles makes the first roles. What a role implies is written down
// together with it and may be changed afterwards.
func bootstrapRoles(ctx context.Context, tx *store.Tx) error {
	if _, err := tx.ExecContext(ctx, "INSERT IGNORE INTO roles (id, name, description) VALUES (?, ?, '')", cloud.NewHexID(), roleService); err != nil {
		return err
	}
	for i, role := range firstRoles {
		res, err := tx.ExecContext(ctx, "INSERT IGNORE INTO roles (id, name, description) VALUES (?, ?, '')", cloud.NewHexID(), role)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		if n == 0 || i == 0 {
			continue
		}
		_, err = tx.ExecContext(ctx, `INSERT IGNORE INTO implied_roles (prior_id, implied_id)
			SELECT p.id, i.id FROM roles p, roles i WHERE p.name = ? AND i.name = ? AND p.domain_id IS NULL AND i.domain_id IS NULL`, firstRoles[i-1], role)
		if err != nil {
			return err
		}
	}
	return nil
}

// bootstrapAdmin makes the user admin, unless it is there. The file is written
// first: a crash in between leaves a password without a user, and the next
// start another one.
func (s *Service) bootstrapAdmin(ctx context.Context, tx *store.Tx) error {
	admin, err := s.tables.users.In(tx).First(ctx, store.Eq("domain_id", DefaultDomain), store.Eq("name", "admin"))
	if cloud.IsNotFound(err) {
		admin, err = s.makeAdmin(ctx, tx)
	}
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT IGNORE INTO assignments (actor_kind, actor_id, target_kind, target_id, role_id)
		SELECT 'user', ?, 'project', p.id, r.id FROM projects p, roles r WHERE p.domain_id = ? AND p.name = 'admin' AND r.name = 'admin' AND r.domain_id IS NULL
		UNION ALL SELECT 'user', ?, 'system', 'all', r.id FROM roles r WHERE r.name = 'admin' AND r.domain_id IS NULL`, admin.ID, DefaultDomain, admin.ID)
	return err
}

func (s *Service) makeAdmin(ctx context.Context, tx *store.Tx) (*User, error) {
	password := newPassword()
	hash, err := s.hashPassword(ctx, password)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(s.adminPasswordFile), 0o700); err != nil {
		return nil, fmt.Errorf("password of admin: %w", err)
	}
	if err := writeSecret(s.adminPasswordFile, password+"\n"); err != nil {
		return nil, fmt.Errorf("password of admin: %w", err)
	}
	// The group of the directory is who may log in to the machine.
	if err := os.Chmod(s.adminPasswordFile, 0o640); err != nil {
		return nil, fmt.Errorf("password of admin: %w", err)
	}
	now := s.clock()
	admin := &User{
		ID: cloud.NewHexID(), Name: "admin", DomainID: DefaultDomain, PasswordHash: hash, PasswordCreated: &now, Enabled: true, ValidFrom: now.Add(-time.Second),
		// Nobody guesses this password, and nobody may lock everybody out.
		Options: options{optIgnoreLockout: true},
	}
	s.log.Info("identity: made the user admin", "password_file", s.adminPasswordFile)
	return admin, s.tables.users.In(tx).Insert(ctx, admin)
}
