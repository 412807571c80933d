package identity

import (
	"errors"
	"fmt"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// PasswordRules are what passwords and their users are held to: Keystone's
// security_compliance, by its names. A zero turns a rule off.
type PasswordRules struct {
	// LockoutAttempts is how many log-ins may fail in a row before the user is
	// locked out, LockoutSeconds for how long. For ever (0 s) is until an
	// administrator enables the user or sets a password.
	LockoutAttempts int `json:"lockout_failure_attempts"`
	LockoutSeconds  int `json:"lockout_duration"`

	Regex            string `json:"password_regex"` // see passwordPattern; empty: any password
	RegexDescription string `json:"password_regex_description"`

	MinimumAgeDays int `json:"minimum_password_age"`  // before its user may change it
	ExpiresDays    int `json:"password_expires_days"` // of passwords that are set from now on
	// UniqueLast is how many of a user's last passwords, the present one among
	// them, a new one must differ from.
	UniqueLast int `json:"unique_last_password_count"`
	// ChangeUponFirstUse lets users do nothing with a password that somebody
	// else has set but change it.
	ChangeUponFirstUse bool `json:"change_password_upon_first_use"`
	InactiveDays       int  `json:"disable_user_account_days_inactive"` // without a log-in, until the user is disabled
}

// DefaultPasswordRules hold where nothing else is configured: who guesses is
// locked out, with the numbers of PCI DSS 8.3.4.
func DefaultPasswordRules() PasswordRules {
	return PasswordRules{LockoutAttempts: 10, LockoutSeconds: 30 * 60}
}

// The most that rules may ask for: each remembered password is 50 ms of a
// core when the next one is set.
const (
	maxUniqueLast = 24
	maxRuleDays   = 3650
)

// Check says everything that is wrong with the rules, by the names of their
// fields.
func (r *PasswordRules) Check() error {
	var errs []error
	between := func(field string, value, most int) {
		if value < 0 || value > most {
			errs = append(errs, fmt.Errorf("%s is %d; allowed: 0 (off) to %d", field, value, most))
		}
	}
	between("lockout_failure_attempts", r.LockoutAttempts, 1000)
	between("lockout_duration", r.LockoutSeconds, 365*24*3600)
	between("minimum_password_age", r.MinimumAgeDays, maxRuleDays)
	between("password_expires_days", r.ExpiresDays, maxRuleDays)
	between("unique_last_password_count", r.UniqueLast, maxUniqueLast)
	between("disable_user_account_days_inactive", r.InactiveDays, maxRuleDays)
	if r.ExpiresDays > 0 && r.MinimumAgeDays >= r.ExpiresDays {
		errs = append(errs, fmt.Errorf("minimum_password_age is %d; allowed: less than password_expires_days, which is %d", r.MinimumAgeDays, r.ExpiresDays))
	}
	if _, err := parsePattern(r.Regex); err != nil {
		errs = append(errs, fmt.Errorf("password_regex: %w", err))
	}
	return errors.Join(errs...)
}

const day = 24 * time.Hour

// expiry is when a password expires that is set now; nil: never. byOther is
// one that is not set by its user.
func (s *Service) expiry(o options, now time.Time, byOther bool) *plainTime {
	switch {
	case byOther && s.rules.ChangeUponFirstUse && !o.on(optIgnoreFirstUse):
		return &plainTime{now}
	case s.rules.ExpiresDays > 0 && !o.on(optIgnoreExpiry):
		return &plainTime{now.Add(time.Duration(s.rules.ExpiresDays) * day).Truncate(time.Second)}
	default:
		return nil
	}
}

// expired tells whether the password is good for nothing but being changed.
func (u *User) expired(now time.Time) bool {
	return u.PasswordExpires != nil && !u.Options.on(optIgnoreExpiry) && !now.Before(u.PasswordExpires.Time)
}

// tooYoung refuses the change of a password that is not old enough.
func (s *Service) tooYoung(u *User) error {
	now := s.clock()
	if s.rules.MinimumAgeDays == 0 || u.PasswordCreated == nil || u.expired(now) {
		return nil
	}
	from := u.PasswordCreated.Add(time.Duration(s.rules.MinimumAgeDays) * day)
	if !now.Before(from) {
		return nil
	}
	return cloud.BadRequest("Password validation error: the password must be used for %d days before it is changed; this one can be from %s on, or by an administrator.",
		s.rules.MinimumAgeDays, from.Format(time.RFC3339))
}

// fits holds a new password against the expression of the rules.
func (s *Service) fits(password string) error {
	if password == "" || s.pattern.matches(password) {
		return nil
	}
	says := s.rules.RegexDescription
	if says == "" {
		says = "they match " + s.rules.Regex
	}
	return cloud.BadRequest("Password validation error: the password does not meet the requirements of passwords: %s.", says)
}
