package store

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"sort"
	"strings"
)

// Migrations are the outbox's tables.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// A Source is a set of migrations: files migrations/NNNN_name.sql in FS, run
// in the order of their names, each once.
type Source struct {
	Name string // of the package that they belong to
	FS   fs.FS
}

// Migrate brings the schema up to date with the account that may change it
// (and is not used for anything else). MariaDB commits each statement by
// itself, so every statement is a step of its own, remembered in
// schema_version; a file that was changed after it ran is an error.
func Migrate(ctx context.Context, c Config, log *slog.Logger, sources ...Source) (err error) {
	db, err := Open(c)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := db.Close(); err == nil {
			err = cerr
		}
	}()
	if err := db.Wait(ctx, log); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_version (
		step   VARCHAR(191) NOT NULL PRIMARY KEY,
		digest CHAR(64)     NOT NULL,
		at     DATETIME(6)  NOT NULL DEFAULT CURRENT_TIMESTAMP(6))`)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", db.name, err)
	}
	for _, s := range sources {
		if err := db.migrateSource(ctx, log, s); err != nil {
			return fmt.Errorf("migrate %s: %w", db.name, err)
		}
	}
	return nil
}

func (db *DB) migrateSource(ctx context.Context, log *slog.Logger, s Source) error {
	files, err := fs.Glob(s.FS, "migrations/*.sql")
	if err != nil {
		return err
	}
	sort.Strings(files)
	for _, file := range files {
		text, err := fs.ReadFile(s.FS, file)
		if err != nil {
			return err
		}
		for i, statement := range statements(string(text)) {
			step := fmt.Sprintf("%s/%s#%d", s.Name, strings.TrimPrefix(file, "migrations/"), i+1)
			if err := db.step(ctx, log, step, statement); err != nil {
				return fmt.Errorf("step %s: %w", step, err)
			}
		}
	}
	return nil
}

// step runs one statement unless it has run.
func (db *DB) step(ctx context.Context, log *slog.Logger, step, statement string) error {
	sum := sha256.Sum256([]byte(statement))
	digest := hex.EncodeToString(sum[:])
	var n int
	var before string
	err := db.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(MAX(digest), '') FROM schema_version WHERE step = ?", step).Scan(&n, &before)
	if err != nil {
		return err
	}
	if n > 0 {
		if before != digest {
			return fmt.Errorf("the statement differs from the one that ran; add a new file instead of changing one")
		}
		return nil
	}
	if _, err := db.ExecContext(ctx, statement); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "INSERT INTO schema_version (step, digest) VALUES (?, ?)", step, digest); err != nil {
		return err
	}
	log.Info("schema changed", "database", db.name, "step", step)
	return nil
}

// statements cuts a file at the semicolons that end a line, and drops lines
// that are comments.
func statements(text string) []string {
	var list []string
	var b strings.Builder
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "--") || trimmed == "" {
			continue
		}
		b.WriteString(line)
		if strings.HasSuffix(trimmed, ";") {
			list = append(list, strings.TrimSuffix(strings.TrimSpace(b.String()), ";"))
			b.Reset()
		}
	}
	if rest := strings.TrimSpace(b.String()); rest != "" {
		list = append(list, rest)
	}
	return list
}
