package identity

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// Failed log-ins are counted in the database, so that the count is one however
// many controllers there are. A log-in that succeeds reads one row and writes
// only if there is something to forget. Names of nobody are counted too, in a
// number of places that they share: neither an answer nor its time tells
// whether there is such a user.

// failures are the log-ins of one user that failed since the last one that did
// not.
type failures struct {
	Who      string    `db:"who,key"`
	Count    int       `db:"failures"`
	FailedAt time.Time `db:"failed_at"`
}

// nobodies is how many places there are to count names of nobody in.
const nobodies = 1024

// whoFails is where the failures of a user are counted, or of a name that is
// nobody's; empty: nowhere. Who is exempt from being locked out is counted as
// nobody, to take as long.
func (s *Service) whoFails(u *User, asked *named) (who string, exempt bool) {
	if s.rules.LockoutAttempts == 0 {
		return "", true
	}
	exempt = u != nil && u.Options.on(optIgnoreLockout)
	if u != nil && !exempt {
		return u.ID, false
	}
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%q", []string{asked.ID, asked.Name}) // never fails (hash.Hash)
	return fmt.Sprintf("nobody %d", h.Sum32()%nobodies), exempt
}

// failed reads how many log-ins failed and whether that is too many.
func (s *Service) failed(ctx context.Context, who string) (count int, locked bool, err error) {
	if who == "" {
		return 0, false, nil
	}
	rows, err := s.tables.failures.List(ctx, store.Query{Where: []store.Cond{store.Eq("who", who)}})
	if err != nil || len(rows) == 0 {
		return 0, false, err
	}
	f := rows[0]
	return f.Count, f.Count >= s.rules.LockoutAttempts && (s.rules.LockoutSeconds == 0 || f.FailedAt.After(s.forgotten())), nil
}

// forgotten is the time before which failures do not count any more.
func (s *Service) forgotten() time.Time {
	if s.rules.LockoutSeconds == 0 {
		return time.Unix(0, 0).UTC()
	}
	return s.clock().Add(-time.Duration(s.rules.LockoutSeconds) * time.Second)
}

// countFailure counts one more.
func (s *Service) countFailure(ctx context.Context, who string) error {
	if who == "" {
		return nil
	}
	// A client that does not wait for the answer has guessed all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, err := s.db.ExecContext(ctx, `INSERT INTO login_failures (who, failures, failed_at) VALUES (?, 1, ?)
		ON DUPLICATE KEY UPDATE failures = IF(failed_at <= ?, 1, failures + 1), failed_at = VALUES(failed_at)`, who, s.clock(), s.forgotten())
	if err != nil {
		return fmt.Errorf("count a failed log-in: %w", err)
	}
	return nil
}

// forgetFailures forgets the failures of a user; q may be a transaction.
func (s *Service) forgetFailures(ctx context.Context, q store.Querier, who string) error {
	if who == "" {
		return nil
	}
	_, err := s.tables.failures.In(q).Delete(ctx, store.Eq("who", who))
	return err
}

// guess tells whether a password is right, and counts if not. Who is locked
// out is wrong, after the same time. The count is read and written within one
// of the places for hashing: guessing at the same time gains one guess for
// each core at most. before is how many failures there are to forget.
func (s *Service) guess(ctx context.Context, u *User, asked *named, password string) (right bool, before int, err error) {
	hash := nobodysHash
	if u != nil && u.PasswordHash != "" {
		hash = u.PasswordHash
	}
	who, exempt := s.whoFails(u, asked)
	if s.known.has(hash, password) {
		before, locked, err := s.failed(ctx, who)
		if err != nil || !locked || exempt {
			return err == nil, ownFailures(before, exempt), err
		}
	}
	release, err := s.hash(ctx)
	if err != nil {
		return false, 0, err
	}
	defer release()
	before, locked, err := s.failed(ctx, who)
	if err != nil {
		return false, before, err
	}
	if locked && !exempt {
		hash = nobodysHash
	}
	right, err = s.compare(hash, password)
	if err != nil || right || locked {
		return right, ownFailures(before, exempt), err
	}
	return false, before, s.countFailure(ctx, who)
}

// ownFailures are none of a user who is counted as nobody.
func ownFailures(before int, exempt bool) int {
	if exempt {
		return 0
	}
	return before
}

// counted runs a proof that somebody else makes, a directory, and counts if it
// fails. Who is locked out is wrong without being asked, so that guessing does
// not go on there. There is one proof of a user at a time in each controller.
func (s *Service) counted(ctx context.Context, u *User, asked *named, prove func() error) (before int, err error) {
	who, exempt := s.whoFails(u, asked)
	if exempt {
		return 0, prove()
	}
	release, err := s.proving.take(ctx, who)
	if err != nil {
		return 0, err
	}
	defer release()
	before, locked, err := s.failed(ctx, who)
	if err != nil {
		return before, err
	}
	if locked {
		return before, cloud.Unauthorized("")
	}
	err = prove()
	if cloud.KindOf(err) != cloud.KindUnauthorized {
		return before, err
	}
	return before, errors.Join(s.countFailure(ctx, who), err)
}

// turns let one at a time do something, by key.
type turns struct {
	mu    sync.Mutex // guards what follows
	taken map[string]*turn
}

type turn struct {
	free chan struct{} // has one entry while nobody has the turn
	want int           // who has it or waits for it
}

// take waits for the turn of a key.
func (t *turns) take(ctx context.Context, key string) (release func(), err error) {
	t.mu.Lock()
	if t.taken == nil {
		t.taken = map[string]*turn{}
	}
	mine := t.taken[key]
	if mine == nil {
		mine = &turn{free: make(chan struct{}, 1)}
		mine.free <- struct{}{}
		t.taken[key] = mine
	}
	mine.want++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if mine.want--; mine.want == 0 {
			delete(t.taken, key)
		}
	}
	select {
	case <-mine.free:
		return func() { mine.free <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
