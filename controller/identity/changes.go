package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A change is one entry of the log of changes: something that every process
// has to read again, or that is gone together with what belongs to it.
type change struct {
	kind, id string
	gone     bool
}

// The kinds of changes whose id is a row's.
const (
	kindDomain        = "domain"        // and its project
	kindConfig        = "domain_config" // by domain
	kindProject       = "project"
	kindUser          = "user"
	kindGroup         = "group"
	kindRole          = "role"
	kindRevocation    = "revocation"
	kindAppCredential = "application_credential"
	kindAccessRule    = "access_rule"
	kindTrust         = "trust"
	kindAccess        = "oauth_access"
	kindProvider      = "identity_provider" // as the next two it is read with everything: it changes seldom
	kindMapping       = "mapping"
	kindProtocol      = "protocol"
)

// The kinds that have no row to read: their id says all (see the methods
// change of their types).
const (
	kindMember      = "member"
	kindAssignment  = "assignment"
	kindImplication = "implication"
	kindCatalogPart = "catalog_part"
	kindNoPart      = "no_catalog_part" // kind and id of a part that no project has any more
)

// Kinds without an id.
const (
	kindCatalog = "catalog" // services, endpoints and their groups
	kindAll     = ""        // everything
)

// wrote is a row that was made or changed.
func wrote(kind, id string) change { return change{kind: kind, id: id} }

// gone is a row that was deleted, with all that belonged to it.
func gone(kind, id string) change { return change{kind: kind, id: id, gone: true} }

// catalogChanged is a service, an endpoint or a group of endpoints.
var catalogChanged = change{kind: kindCatalog}

func (m member) change(gone bool) change {
	return change{kindMember, m.GroupID + " " + m.UserID, gone}
}

func (i implication) change(gone bool) change {
	return change{kindImplication, i.PriorID + " " + i.ImpliedID, gone}
}

func (p catalogPart) change(gone bool) change {
	return change{kindCatalogPart, p.ProjectID + " " + p.Kind + " " + p.PartID, gone}
}

func (a *assignment) change(gone bool) change {
	words := []string{a.ActorKind, a.ActorID, a.TargetKind, a.TargetID, a.RoleID}
	if a.Inherited {
		words = append(words, "inherited")
	}
	return change{kindAssignment, strings.Join(words, " "), gone}
}

// assignment is that of a change.
func (c change) assignment() assignment {
	w := c.words(6)
	return assignment{ActorKind: w[0], ActorID: w[1], TargetKind: w[2], TargetID: w[3], RoleID: w[4], Inherited: w[5] != ""}
}

// words are the parts of the id of a change; empty ones are added up to n.
func (c change) words(n int) []string {
	words := strings.Split(c.id, " ")
	for len(words) < n {
		words = append(words, "")
	}
	return words
}

// change runs f in a transaction that changes who there is or may do what, as
// the changes say, and has it count here before it returns. Without changes
// everything is read again, by every process: right and slow.
func (s *Service) change(ctx context.Context, f func(tx *store.Tx) error, changes ...change) error {
	return s.db.Transact(ctx, func(tx *store.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return s.touch(ctx, tx, changes...)
	})
}

// touch writes down what a transaction changes, and reads it again after the
// commit. Until then no other transaction can do so: revisions are committed
// in their order, without a gap.
func (s *Service) touch(ctx context.Context, tx *store.Tx, changes ...change) error {
	revision, err := logChanges(ctx, tx, changes...)
	if err != nil {
		return err
	}
	tx.After(func() {
		// The change is made, whether the client still waits or not.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterChange)
		defer cancel()
		if err := s.reach(ctx, revision); err != nil {
			s.log.Error("identity: cannot read what has changed", "error", err)
		}
	})
	return nil
}

// afterChange bounds how long an answer waits until what it changed counts
// here. The database had just committed it.
const afterChange = 10 * time.Second

// reach returns when this process has the revision.
func (s *Service) reach(ctx context.Context, revision int64) error {
	for pause := 20 * time.Millisecond; s.now.Load().revision < revision; pause *= 2 {
		err := s.follow(ctx)
		if err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(pause):
		}
	}
	return nil
}

// logChanges gives a transaction its revision and writes down what it changes.
func logChanges(ctx context.Context, tx store.Querier, changes ...change) (revision int64, err error) {
	if len(changes) == 0 {
		changes = []change{{kind: kindAll}}
	}
	res, err := tx.ExecContext(ctx, "UPDATE revision SET n = LAST_INSERT_ID(n + 1) WHERE one = 1")
	if err != nil {
		return 0, fmt.Errorf("count the revision: %w", err)
	}
	if revision, err = res.LastInsertId(); err != nil {
		return 0, err
	}
	var args []any
	for i, c := range changes {
		args = append(args, revision, i, c.kind, c.id, c.gone)
	}
	values := strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?, ?), ", len(changes)), ", ")
	if _, err := tx.ExecContext(ctx, "INSERT INTO changes (revision, seq, kind, id, gone) VALUES "+values, args...); err != nil {
		return 0, fmt.Errorf("write down what changes: %w", err)
	}
	return revision, nil
}

// keptRevisions is how many revisions the log keeps: who is further behind
// reads everything.
const keptRevisions = 10_000

// trim deletes old revisions from the log, and rows of what has expired.
func (s *Service) trim(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, "DELETE FROM changes WHERE revision <= ? LIMIT 50000", s.now.Load().revision-keptRevisions)
	if err != nil {
		return fmt.Errorf("trim the log of changes: %w", err)
	}
	if _, err := s.tables.revocations.Delete(ctx, store.Le("expires_at", s.clock().Add(-expiredWindow))); err != nil {
		return err
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	e := s.now.Load().edit()
	e.dropExpired(s.clock())
	s.now.Store(e.snapshot)
	return nil
}
