package identity

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// tokenLifetime is how long a token is valid; a token made with another one
// ends with that.
const tokenLifetime = time.Hour

// A token is what is inside of one.
type token struct {
	user    string
	scope   target // kind "" is unscoped
	methods methods
	expires time.Time
	issued  time.Time
	audit   auditID
	parent  auditID // of the token that it was made with; zero: none
	root    auditID // of the first one of the chain; zero: none
	appCred string  // the application credential that it was made with; empty: none
	trust   string  // the trust that it was made with; empty: none
	access  string  // the access token of OAuth that it was made with; empty: none

	idp      string   // the identity provider that says who the user is; empty: none
	protocol string   // by which it says so
	groups   []string // that it says the user is in
}

// An auditID names a token in logs and revocations without giving it away.
type auditID [16]byte

func newAuditID() auditID {
	var a auditID
	_, _ = rand.Read(a[:]) // never fails (crypto/rand)
	return a
}

// String is the id in base64, as tokens' bodies have it.
func (a auditID) String() string { return base64.RawURLEncoding.EncodeToString(a[:]) }

// methods are the ways in which somebody proved who they are, as bits.
type methods byte

const (
	methodPassword methods = 1 << iota
	methodToken
	methodAppCredential
	methodTOTP
	methodOAuth1
	methodEC2
	methodMapped // by an identity provider
)

// methodNames are the methods in the API's words, by bit.
var methodNames = []string{"password", "token", "application_credential", "totp", "oauth1", "ec2credential", "mapped"}

// names are the methods in the API's words.
func (m methods) names() []string {
	var list []string
	for i, name := range methodNames {
		if m&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	return list
}

// The kinds of scope in a payload.
var scopeKinds = []string{"", "project", "domain", "system"}

// The formats of payloads: the first byte. Those of delegations have one more
// id behind the scope.
const (
	formatPlain byte = 1 + iota
	formatTrust
	formatAppCredential
	formatAccess
	formatFederated // a provider, a protocol, and groups with their number before them
)

// payload is the token in bytes: format, methods, scope kind, user, scope,
// delegation, times in microseconds, audit ids. Ids of 32 or 64 hex digits take
// half as many bytes, others their length and their text.
func (t *token) payload() []byte {
	b := make([]byte, 0, 128)
	format, by := formatPlain, ""
	switch {
	case t.trust != "":
		format, by = formatTrust, t.trust
	case t.appCred != "":
		format, by = formatAppCredential, t.appCred
	case t.access != "":
		format, by = formatAccess, t.access
	case t.idp != "":
		format, by = formatFederated, t.idp
	}
	b = append(b, format, byte(t.methods), scopeKind(t.scope.kind))
	b = appendID(b, t.user)
	b = appendID(b, t.scope.id)
	if format != formatPlain {
		b = appendID(b, by)
	}
	if format == formatFederated {
		b = t.appendFederation(b)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(t.issued.UnixMicro()))  // after 1970
	b = binary.BigEndian.AppendUint64(b, uint64(t.expires.UnixMicro())) // after 1970
	b = append(b, t.audit[:]...)
	if t.parent != (auditID{}) {
		b = append(b, t.parent[:]...)
		b = append(b, t.root[:]...)
	}
	return b
}

// appendFederation adds the protocol and the groups, of which there are
// mostGroups at most.
func (t *token) appendFederation(b []byte) []byte {
	groups := t.groups[:min(len(t.groups), mostGroups)]
	b = append(appendID(b, t.protocol), byte(len(groups)))
	for _, g := range groups {
		b = appendID(b, g)
	}
	return b
}

// cutFederation reads what appendFederation wrote, and the provider before it.
func (t *token) cutFederation(b []byte) (rest []byte, ok bool) {
	if t.idp, b, ok = cutID(b); !ok {
		return nil, false
	}
	if t.protocol, b, ok = cutID(b); !ok || len(b) == 0 || t.idp == "" {
		return nil, false
	}
	n := int(b[0])
	b = b[1:]
	for range n {
		var g string
		if g, b, ok = cutID(b); !ok {
			return nil, false
		}
		t.groups = append(t.groups, g)
	}
	return b, n <= mostGroups
}

func scopeKind(kind string) byte {
	for i, k := range scopeKinds {
		if k == kind {
			return byte(i)
		}
	}
	return 0
}

// parseToken reads a payload.
func parseToken(b []byte) (*token, error) {
	if len(b) < 3 || b[0] < formatPlain || b[0] > formatFederated || int(b[2]) >= len(scopeKinds) {
		return nil, errToken
	}
	format := b[0]
	t := &token{methods: methods(b[1]), scope: target{kind: scopeKinds[b[2]]}}
	b = b[3:]
	var ok bool
	if t.user, b, ok = cutID(b); !ok {
		return nil, errToken
	}
	if t.scope.id, b, ok = cutID(b); !ok {
		return nil, errToken
	}
	switch format {
	case formatTrust:
		t.trust, b, ok = cutID(b)
	case formatAppCredential:
		t.appCred, b, ok = cutID(b)
	case formatAccess:
		t.access, b, ok = cutID(b)
	case formatFederated:
		b, ok = t.cutFederation(b)
	}
	if !ok || len(b) != 2*8+16 && len(b) != 2*8+3*16 {
		return nil, errToken
	}
	t.issued = time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC()      // what payload wrote: it is signed
	t.expires = time.UnixMicro(int64(binary.BigEndian.Uint64(b[8:]))).UTC() // as above
	t.audit = auditID(b[16:32])
	if len(b) > 32 {
		t.parent, t.root = auditID(b[32:48]), auditID(b[48:64])
	}
	return t, nil
}

// The marks of an id in hex that is 16 or 32 bytes; smaller numbers are
// lengths.
const (
	hexMark  = 0xff
	longMark = 0xfe
)

func appendID(b []byte, id string) []byte {
	if raw, err := hex.DecodeString(id); err == nil && hex.EncodeToString(raw) == id {
		switch {
		case cloud.IsHexID(id):
			return append(append(b, hexMark), raw...)
		case len(raw) == 32:
			return append(append(b, longMark), raw...)
		}
	}
	return append(append(b, byte(min(len(id), 64))), id[:min(len(id), 64)]...)
}

func cutID(b []byte) (id string, rest []byte, ok bool) {
	if len(b) == 0 {
		return "", nil, false
	}
	n := int(b[0])
	if n == hexMark || n == longMark {
		size := map[int]int{hexMark: 16, longMark: 32}[n]
		if len(b) < 1+size {
			return "", nil, false
		}
		return hex.EncodeToString(b[1 : 1+size]), b[1+size:], true
	}
	if len(b) < 1+n {
		return "", nil, false
	}
	return string(b[1 : 1+n]), b[1+n:], true
}
