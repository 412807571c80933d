package identity

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what RFC 6238 and all apps for one-time passcodes use
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// typeTOTP is the type of credentials whose blob is a secret for one-time
// passcodes by time (RFC 6238): six digits, a new passcode each 30 s, SHA-1,
// the secret in base32. A user may have several.
const typeTOTP = "totp"

const (
	totpStep   = 30 * time.Second
	totpDigits = 6
	// totpSkew is how many steps a clock may be off, and a user slow.
	totpSkew = 1
	// minTOTPSecret is the least that a secret may have, in bytes.
	minTOTPSecret = 10
)

// A totpKey is what there is to know of such a credential when somebody logs
// in: also the step of the last passcode, for none counts twice.
type totpKey struct {
	ID       string `db:"id,key"`
	UserID   string `db:"user_id"`
	Type     string `db:"type"`
	Sealed   string `db:"blob_sealed"`
	LastStep int64  `db:"last_step"`
}

// totpSecret reads a secret in base32: with or without padding, in letters of
// any size and in groups, as apps show it.
func totpSecret(blob string) ([]byte, error) {
	text := strings.ToUpper(strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '=' || r == '\n' {
			return -1
		}
		return r
	}, blob))
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
	if err != nil || len(secret) < minTOTPSecret {
		return nil, cloud.BadRequest("blob of a totp credential; needed: a secret of %d bytes or more in base32", minTOTPSecret)
	}
	return secret, nil
}

// passcode is the passcode of a step (RFC 4226, 5.3).
func passcode(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step)) // after 1970
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	n := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", totpDigits, n%1_000_000)
}

// stepOf is the step that a passcode is of, about now; not ok if of none.
func stepOf(secret []byte, now time.Time, code string) (step int64, ok bool) {
	at := now.Unix() / int64(totpStep/time.Second)
	for s := at - totpSkew; s <= at+totpSkew; s++ {
		if subtle.ConstantTimeCompare([]byte(passcode(secret, s)), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}

// byTOTP checks a passcode. Wrong ones count as wrong passwords do, and who is
// locked out is wrong.
func (s *Service) byTOTP(ctx context.Context, l *login, t *token) error {
	if t.methods&methodTOTP != 0 {
		return nil
	}
	asked := &l.Auth.Identity.TOTP.User
	snap := s.now.Load()
	u := snap.findUser(&asked.named)
	who, exempt := s.whoFails(u, &asked.named)
	before, locked, err := s.failed(ctx, who)
	if err != nil {
		return err
	}
	right, err := s.usePasscode(ctx, u, asked.Passcode, locked && !exempt)
	if err != nil {
		return err
	}
	if !right {
		if !locked {
			err = s.countFailure(ctx, who)
		}
		return cloud.Unauthorized("").Because(err)
	}
	if !u.Enabled || !snap.enabledDomain(u.DomainID) || t.user != "" && t.user != u.ID {
		return cloud.Unauthorized("")
	}
	if gone, err := s.inactive(ctx, u); err != nil || gone {
		return cloud.Unauthorized("").Because(err)
	}
	l.failed = l.failed || before > 0 && !exempt
	t.user = u.ID
	t.methods |= methodTOTP
	return nil
}

// usePasscode tells whether a passcode is of one of the user's secrets, and
// uses it up. Nobody (nil) has one that nobody knows.
func (s *Service) usePasscode(ctx context.Context, u *User, code string, locked bool) (bool, error) {
	id := ""
	if u != nil {
		id = u.ID
	}
	keys, err := s.tables.totp.List(ctx, store.Query{Where: []store.Cond{store.Eq("user_id", id), store.Eq("type", typeTOTP)}})
	if err != nil {
		return false, err
	}
	for i := range keys {
		text, err := s.secrets.open(keys[i].Sealed, keys[i].ID)
		if err != nil {
			return false, err
		}
		secret, err := totpSecret(text)
		if err != nil {
			continue // of before secrets were looked at
		}
		step, ok := stepOf(secret, s.clock(), code)
		if !ok || locked {
			continue
		}
		n, err := s.tables.totp.Change(ctx, store.Set{"last_step": step}, store.Eq("id", keys[i].ID), store.Lt("last_step", step))
		if err != nil || n == 1 {
			return err == nil, err
		}
	}
	return false, nil
}
