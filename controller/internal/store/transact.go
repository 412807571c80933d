package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// A Tx is one transaction.
type Tx struct {
	*sql.Tx
	published bool // rows were added to the outbox
	after     []func()
}

// After runs f when the transaction has been committed, and never if not.
func (tx *Tx) After(f func()) { tx.after = append(tx.after, f) }

// attempts bounds how often a transaction is begun again.
const attempts = 8

// Transact runs f in a transaction and commits it if f returns nil. After a
// deadlock or a lock timeout it does so again, so f may run twice: it must
// change nothing but the database and what it overwrites the next time.
func (db *DB) Transact(ctx context.Context, f func(tx *Tx) error) error {
	for try := 1; ; try++ {
		err := db.once(ctx, f)
		n := number(err)
		if n != errDeadlock && n != errLockTimeout || try == attempts {
			return err
		}
		pause := time.Duration(rand.Int64N(int64(10*time.Millisecond) << try))
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// once runs f in one transaction.
func (db *DB) once(ctx context.Context, f func(tx *Tx) error) (err error) {
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	tx := &Tx{Tx: t}
	committed := false
	defer func() {
		if committed {
			return
		}
		if rerr := t.Rollback(); rerr != nil && !errors.Is(rerr, sql.ErrTxDone) {
			err = errors.Join(err, fmt.Errorf("roll back: %w", rerr))
		}
	}()
	if err := f(tx); err != nil {
		return err
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	committed = true
	if tx.published {
		db.nudge()
	}
	for _, g := range tx.after {
		g()
	}
	return nil
}

// nudge tells the outbox's dispatcher that there is something to do.
func (db *DB) nudge() {
	select {
	case db.wake <- struct{}{}:
	default: // it knows already
	}
}
