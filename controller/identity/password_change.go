package identity

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// An oldPassword is a password that a user had before.
type oldPassword struct {
	ID     int64  `db:"id,key,auto"`
	UserID string `db:"user_id"`
	Hash   string `db:"password_hash"`
}

// setPassword gives u, which still has the hash of the old one, a new
// password. The row itself is the caller's to write.
func (s *Service) setPassword(ctx context.Context, tx *store.Tx, u *User, password string, byOther bool) error {
	if err := s.fits(password); err != nil {
		return err
	}
	hash, err := s.hashPassword(ctx, password)
	if err != nil {
		return err
	}
	if err := s.keepOld(ctx, tx, u); err != nil {
		return err
	}
	now := s.clock()
	u.PasswordHash, u.PasswordCreated, u.PasswordExpires = hash, &now, nil
	if hash != "" {
		u.PasswordExpires = s.expiry(u.Options, now, byOther)
	}
	return nil
}

// keepOld puts the present password of a user into the history, as far as the
// rules want to know it, and forgets the oldest.
func (s *Service) keepOld(ctx context.Context, tx *store.Tx, u *User) error {
	most := max(0, s.rules.UniqueLast-1) // the present one is in the user's row
	if most > 0 && u.PasswordHash != "" {
		if err := s.tables.passwords.In(tx).Insert(ctx, &oldPassword{UserID: u.ID, Hash: u.PasswordHash}); err != nil {
			return err
		}
	}
	old, err := s.oldPasswords(ctx, tx, u.ID)
	if err != nil || len(old) <= most {
		return err
	}
	_, err = s.tables.passwords.In(tx).Delete(ctx, store.Eq("user_id", u.ID), store.Le("id", old[most].ID))
	return err
}

// oldPasswords are the passwords of a user before the present one, the newest
// first.
func (s *Service) oldPasswords(ctx context.Context, q store.Querier, user string) ([]oldPassword, error) {
	return s.tables.passwords.In(q).List(ctx, store.Query{Where: []store.Cond{store.Eq("user_id", user)}, Sort: []store.Sort{{Column: "id", Desc: true}}})
}

// isNew refuses a password that the user has had not long ago.
func (s *Service) isNew(ctx context.Context, u *User, password string) error {
	if s.rules.UniqueLast == 0 {
		return nil
	}
	old, err := s.oldPasswords(ctx, s.db, u.ID)
	if err != nil {
		return err
	}
	hashes := []string{u.PasswordHash}
	for _, o := range old[:min(len(old), s.rules.UniqueLast-1)] {
		hashes = append(hashes, o.Hash)
	}
	for _, hash := range hashes {
		same, err := s.checkPassword(ctx, &User{PasswordHash: hash}, password)
		if err != nil {
			return err
		}
		if same {
			return cloud.BadRequest("Password validation error: the new password is one of the last %d; it must differ from each.", s.rules.UniqueLast)
		}
	}
	return nil
}

// changePassword answers POST /users/{user_id}/password: who knows the old
// password needs no token.
func (s *Service) changePassword(ctx context.Context, c *api.Call) error {
	var body struct {
		User json.RawMessage `json:"user"`
	}
	if err := c.Read(&body); err != nil {
		return err
	}
	in, err := api.DecodeRaw[struct {
		Password string `json:"password"          api:"required,min=1,max=1024"`
		Original string `json:"original_password" api:"required,max=1024"`
	}](c, body.User)
	if err != nil {
		return err
	}
	snap := s.now.Load()
	u := snap.users.at(c.Param("user_id"))
	if u != nil {
		if err := fromDirectory("user", u.ID, u.LocalID); err != nil {
			return err
		}
	}
	right, _, err := s.guess(ctx, u, &named{ID: c.Param("user_id")}, in.Original)
	switch {
	case err != nil:
		return err
	case !right || !u.Enabled || !snap.enabledDomain(u.DomainID):
		return cloud.Unauthorized("")
	case u.Options.on(optLockPassword):
		return cloud.Forbidden("The password of user %s is locked: it can be changed by an administrator only.", u.ID)
	}
	if err := s.changeOwn(ctx, u, in.Password); err != nil {
		return err
	}
	return c.Empty(http.StatusNoContent)
}

// changeOwn gives a user the password of the user's own choice, if the rules
// allow it. All tokens of before end.
func (s *Service) changeOwn(ctx context.Context, known *User, password string) error {
	if err := s.tooYoung(known); err != nil {
		return err
	}
	if err := s.fits(password); err != nil {
		return err
	}
	if err := s.isNew(ctx, known, password); err != nil {
		return err
	}
	return s.change(ctx, func(tx *store.Tx) error {
		u, err := s.tables.users.In(tx).Lock(ctx, known.ID)
		switch {
		case err != nil:
			return err
		case u.PasswordHash != known.PasswordHash: // somebody was faster
			return cloud.Unauthorized("")
		}
		if err := s.setPassword(ctx, tx, u, password, false); err != nil {
			return err
		}
		u.ValidFrom = s.clock()
		if err := s.forgetFailures(ctx, tx, u.ID); err != nil {
			return err
		}
		return s.tables.users.In(tx).Update(ctx, u, "password_hash", "password_created_at", "password_expires_at", "valid_from")
	}, wrote(kindUser, known.ID))
}
