package identity

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// follow takes in what has changed since this process looked last.
func (s *Service) follow(ctx context.Context) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	n, err := revisionOf(ctx, s.reader())
	if err != nil || n == s.now.Load().revision {
		return err
	}
	return s.catchUp(ctx)
}

// watchTimeout is after which time a connection that does not answer is given
// up.
const watchTimeout = 5 * time.Second

// watch follows changes on a connection of its own, so that it has not to wait
// for requests that wait for each other.
func (s *Service) watch(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	err := s.linkUp(ctx)
	if err == nil {
		err = s.follow(ctx)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		s.log.Warn("identity: cannot look for changes", "error", err)
		s.unlink()
	}
}

// linkUp takes a connection to keep, unless there is one.
func (s *Service) linkUp(ctx context.Context) error {
	s.reading.Lock()
	has := s.link != nil
	s.reading.Unlock()
	if has { // only Run takes it away
		return nil
	}
	c, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	s.link = c
	return nil
}

// unlink gives the connection back.
func (s *Service) unlink() {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.link != nil {
		_ = s.link.Close() // to the pool, which closes what is broken
		s.link = nil
	}
}

// A reader can begin a transaction for reading.
type reader interface {
	store.Querier
	BeginTx(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error)
}

// reader is the connection that is kept, if there is one. s.reading is held.
func (s *Service) reader() reader {
	if s.link != nil {
		return s.link
	}
	return s.db
}

func revisionOf(ctx context.Context, q store.Querier) (n int64, err error) {
	if err := q.QueryRowContext(ctx, "SELECT n FROM revision WHERE one = 1").Scan(&n); err != nil {
		return 0, fmt.Errorf("revision of identity's tables: %w", err)
	}
	return n, nil
}

// catchUp makes the snapshot what the tables are: by the log of changes if
// that has all that is missing, else by reading everything. s.reading is held.
func (s *Service) catchUp(ctx context.Context) (err error) {
	tx, err := s.reader().BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("read identity's tables: %w", err)
	}
	defer func() {
		if rerr := tx.Rollback(); err == nil {
			err = rerr
		}
	}()
	revision, err := revisionOf(ctx, tx)
	if err != nil {
		return err
	}
	old := s.now.Load()
	var next *snapshot
	changes, whole, err := changesSince(ctx, tx, old, revision)
	switch {
	case err != nil:
		return err
	case whole:
		next, err = s.read(ctx, tx)
	default:
		next, err = s.apply(ctx, tx, old, changes)
	}
	if err != nil {
		return err
	}
	next.revision = revision
	s.now.Store(next)
	return nil
}

// changesSince are the changes between a snapshot and a revision; whole if the
// log does not have them.
func changesSince(ctx context.Context, tx store.Querier, old *snapshot, revision int64) (changes []change, whole bool, err error) {
	if old == nil || revision < old.revision || revision-old.revision > keptRevisions {
		return nil, true, nil
	}
	rows, err := tx.QueryContext(ctx, "SELECT revision, kind, id, gone FROM changes WHERE revision > ? ORDER BY revision, seq", old.revision)
	if err != nil {
		return nil, false, fmt.Errorf("read the log of changes: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	last := old.revision
	for rows.Next() {
		var at int64
		var c change
		if err := rows.Scan(&at, &c.kind, &c.id, &c.gone); err != nil {
			return nil, false, err
		}
		if at > last+1 || c.kind == kindAll {
			return nil, true, nil
		}
		last, changes = at, append(changes, c)
	}
	return changes, last != revision, rows.Err()
}

// apply makes the next snapshot of an old one.
func (s *Service) apply(ctx context.Context, tx store.Querier, old *snapshot, changes []change) (*snapshot, error) {
	e := old.edit()
	parts := s.parts(e)
	ids := map[string][]string{}
	for _, c := range changes {
		if !c.gone {
			ids[c.kind] = append(ids[c.kind], c.id)
		}
	}
	for kind, p := range parts {
		if err := p.fetch(ctx, tx, ids[kind]); err != nil {
			return nil, err
		}
	}
	if err := parts[kindProject].fetch(ctx, tx, ids[kindDomain]); err != nil {
		return nil, err
	}
	if len(ids[kindCatalog]) > 0 {
		if err := s.readOffer(ctx, tx, e); err != nil {
			return nil, err
		}
	}
	for _, c := range changes {
		switch p := parts[c.kind]; {
		case p == nil:
			e.relate(c)
		case c.gone && c.kind == kindDomain && e.domains.at(c.id) == nil:
			// It came and went between two looks: what was in it is not known here.
			return s.read(ctx, tx)
		case c.gone:
			e.drop(c.kind, c.id)
		default:
			p.take(c.id)
			if c.kind == kindDomain {
				parts[kindProject].take(c.id)
			}
		}
	}
	return e.snapshot, nil
}

// relate makes a change whose id says all.
func (e *edit) relate(c change) {
	switch w := c.words(6); c.kind {
	case kindMember:
		m := member{GroupID: w[0], UserID: w[1]}
		if c.gone {
			e.dropMember(m)
		} else {
			e.putMember(m)
		}
	case kindAssignment:
		a := c.assignment()
		if c.gone {
			e.dropAssignment(&a)
		} else {
			e.putAssignment(a)
		}
	case kindImplication:
		i := implication{PriorID: w[0], ImpliedID: w[1]}
		if c.gone {
			e.implied.drop(e.by, i)
		} else {
			e.implied.put(e.by, i)
		}
	case kindCatalogPart:
		p := catalogPart{ProjectID: w[0], Kind: w[1], PartID: w[2]}
		if c.gone {
			e.catalogParts.drop(e.by, p)
		} else {
			e.catalogParts.put(e.by, p)
		}
	case kindNoPart:
		e.dropPart(w[0], w[1])
	}
}

// drop takes away a row and what goes with it.
func (e *edit) drop(kind, id string) {
	switch kind {
	case kindDomain:
		e.dropDomain(id)
	case kindProject:
		e.dropProject(id)
	case kindUser:
		e.dropUser(id)
	case kindGroup:
		e.dropGroup(id)
	case kindRole:
		e.dropRole(id)
	case kindAppCredential:
		e.dropAppCredential(id)
	case kindAccessRule:
		e.dropAccessRule(id)
	case kindTrust:
		e.dropTrust(id)
	case kindAccess:
		e.dropAccess(id)
	}
}
