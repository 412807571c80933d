package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"
)

// A Querier runs SQL: a [DB] by itself, a [Tx] inside its transaction.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// A DB is a pool of connections to one schema.
type DB struct {
	*sql.DB
	name string // user@address/schema, for messages
	wake chan struct{}
}

// Open prepares a pool. It connects on first use, so the database need not be
// there yet: see [DB.Wait].
func Open(c Config) (*DB, error) {
	conf, err := c.driverConfig()
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(conf)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", c.Address, err)
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(32)
	pool.SetMaxIdleConns(8)
	pool.SetConnMaxLifetime(30 * time.Minute)
	return &DB{
		DB:   pool,
		name: conf.User + "@" + conf.Addr + "/" + conf.DBName,
		wake: make(chan struct{}, 1),
	}, nil
}

// Wait returns when the database answers, and says in the log what it waits
// for. It ends early only with ctx.
func (db *DB) Wait(ctx context.Context, log *slog.Logger) error {
	start := time.Now()
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := db.PingContext(ctx)
		if err == nil {
			if waited := time.Since(start); waited > time.Second {
				log.Info("database answers", "database", db.name, "waited", waited.Round(time.Millisecond))
			}
			return nil
		}
		log.Info("waiting for the database", "database", db.name, "error", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for database %s: %w", db.name, errors.Join(ctx.Err(), err))
		case <-time.After(pause):
		}
	}
}

// The numbers of MariaDB's errors that this package tells apart.
const (
	errDuplicate   = 1062
	errLockTimeout = 1205
	errDeadlock    = 1213
	errReferenced  = 1451 // a row that others refer to
	errNoReferred  = 1452 // a row that refers to nothing
)

// awayNumbers are errors that say that the database cannot do its work now:
// it stops or has no connection, no place, or no time left.
var awayNumbers = []uint16{
	1021, // disk full
	1040, // too many connections
	1053, // shutdown
	1114, // a table cannot grow
	1203, // too many connections of the account
	1205, // lock timeout
	1213, // deadlock
	1226, // a limit of the account
	1927, // the connection was killed
}

// IsAway tells whether err says that the database cannot be reached or cannot
// do its work now; the same may succeed later.
func IsAway(err error) bool {
	if slices.Contains(awayNumbers, number(err)) {
		return true
	}
	_, network := errors.AsType[*net.OpError](err)
	return network || errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, sql.ErrConnDone)
}

// number is MariaDB's number of err, 0 if it is not one of its errors.
func number(err error) uint16 {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return e.Number
	}
	return 0
}

// IsDuplicate tells whether err says that a row with the same unique key is
// there already.
func IsDuplicate(err error) bool { return number(err) == errDuplicate }

// IsReferenced tells whether err says that other rows refer to the row.
func IsReferenced(err error) bool { return number(err) == errReferenced }
