package identity

import (
	"encoding/binary"
	"net/http"
	"slices"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// headerReceipt carries a receipt: what somebody has proved already who has to
// prove more.
const headerReceipt = "Openstack-Auth-Receipt"

// receiptLifetime is how long there is to prove the rest.
const receiptLifetime = 5 * time.Minute

// formatReceipt is the first byte of a receipt, which is sealed as tokens are.
const formatReceipt byte = 0x80

// byItself are the methods that are not held against a user's rules: what they
// prove with was given by somebody who had proved everything.
const byItself = methodToken | methodAppCredential | methodOAuth1 | methodEC2

// missing are the sets of methods of which a user must have proved one and has
// not; nil if nothing is missing. Users without rules need any method, but a
// passcode of six digits is a second factor and no first one: alone it is
// enough only where a rule says so.
func (u *User) missing(have methods) [][]string {
	if have&byItself != 0 {
		return nil
	}
	rules, _ := methodRules(u.Options[optMultiFactorRules])
	if on, ok := u.Options[optMultiFactor].(bool); ok && !on || len(rules) == 0 {
		if have == methodTOTP {
			return [][]string{{"password", "totp"}}
		}
		return nil
	}
	names := have.names()
	for _, rule := range rules {
		if !slices.ContainsFunc(rule, func(m string) bool { return !slices.Contains(names, m) }) {
			return nil
		}
	}
	return rules
}

// giveReceipt answers somebody who has to prove more.
func (s *Service) giveReceipt(c *api.Call, t *token, rules [][]string) error {
	snap := s.now.Load()
	u := snap.users.at(t.user)
	if u == nil {
		return cloud.Unauthorized("")
	}
	r := receipt{t.user, t.methods, t.issued, t.issued.Add(receiptLifetime).Truncate(time.Second)}
	text, err := s.keys.seal(r.payload(), r.issued)
	if err != nil {
		return err
	}
	c.Header().Set(headerReceipt, text)
	return c.JSON(http.StatusUnauthorized, map[string]any{
		"receipt": map[string]any{
			"methods": t.methods.names(), "issued_at": t.issued.Truncate(time.Second).Format(timeLayout), "expires_at": r.expires.Format(timeLayout),
			"user": map[string]any{"id": u.ID, "name": u.Name, "domain": domainRef(snap.domains.at(u.DomainID))},
		},
		"required_auth_methods": rules,
	})
}

// A receipt is what somebody has proved, until when it counts.
type receipt struct {
	user            string
	methods         methods
	issued, expires time.Time
}

// payload is the receipt in bytes: format, methods, times in microseconds,
// user.
func (r *receipt) payload() []byte {
	b := []byte{formatReceipt, byte(r.methods)}
	b = binary.BigEndian.AppendUint64(b, uint64(r.issued.UnixMicro()))  // after 1970
	b = binary.BigEndian.AppendUint64(b, uint64(r.expires.UnixMicro())) // after 1970
	return appendID(b, r.user)
}

// parseReceipt reads a payload.
func parseReceipt(b []byte) (*receipt, error) {
	if len(b) < 18 || b[0] != formatReceipt {
		return nil, errToken
	}
	user, rest, ok := cutID(b[18:])
	if !ok || len(rest) > 0 {
		return nil, errToken
	}
	return &receipt{
		user: user, methods: methods(b[1]),
		issued:  time.UnixMicro(int64(binary.BigEndian.Uint64(b[2:]))),  // what payload wrote: it is signed
		expires: time.UnixMicro(int64(binary.BigEndian.Uint64(b[10:]))), // as above
	}, nil
}

// byReceipt adds what a receipt says that the same user has proved before.
func (s *Service) byReceipt(text string, t *token) error {
	if text == "" {
		return nil
	}
	b, err := s.keys.open(text)
	if err != nil {
		return cloud.Unauthorized("").Because(err)
	}
	r, err := parseReceipt(b)
	if err != nil {
		return cloud.Unauthorized("").Because(err)
	}
	u := s.now.Load().users.at(r.user)
	if u == nil || r.user != t.user || !s.clock().Before(r.expires) || r.issued.Before(u.ValidFrom) {
		return cloud.Unauthorized("")
	}
	t.methods |= r.methods
	return nil
}
