package federation

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Settings say which issuer is trusted, and for what.
type Settings struct {
	Issuer       string   // https://...: what tokens have as iss
	Audiences    []string // a token must be for one of them
	KeysURL      string   // where the keys are; empty: what the issuer's discovery document says, on the issuer's host
	CA           string   // PEM; empty: the machine's authorities
	Local        bool     // the issuer may be on this machine or link
	ClientID     string   // introspects opaque tokens; empty: only JWTs are taken
	ClientSecret string
}

// Errors of proving a token.
var (
	ErrToken = errors.New("the token proves nothing")   // it is wrong, old, or not for us
	ErrAway  = errors.New("the issuer does not answer") // not now
)

// algorithms are those that tokens may be signed with: of public keys, so
// neither "none" nor an HMAC.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// leeway is how far the issuer's clock may differ from ours.
const leeway = time.Minute

// mostToken is how long a token may be, in bytes.
const mostToken = 32 << 10

// An Issuer proves tokens. It asks nothing until a token has to be proved.
type Issuer struct {
	s      Settings
	host   string
	client *http.Client
	keys   keys
	clock  func() time.Time
	asking chan struct{} // has room for each token that the issuer is asked about
}

// askAtOnce is about how many tokens an issuer is asked at a time.
const askAtOnce = 8

// NewIssuer checks settings.
func NewIssuer(s Settings, clock func() time.Time) (*Issuer, error) {
	u, err := secureURL(s.Issuer)
	if err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	if len(s.Audiences) == 0 || slices.Contains(s.Audiences, "") {
		return nil, errors.New("oidc.audiences is empty; needed: whom the issuer makes tokens for, like the client's id")
	}
	if s.KeysURL != "" {
		if _, err := secureURL(s.KeysURL); err != nil {
			return nil, fmt.Errorf("oidc.jwks_uri: %w", err)
		}
	}
	var roots *x509.CertPool
	if s.CA != "" {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM([]byte(s.CA)) {
			return nil, errors.New("oidc.ca has no certificate that can be read; needed: one or more as PEM")
		}
	}
	return &Issuer{s: s, host: u.Host, client: newClient(roots, s.Local), clock: clock, asking: make(chan struct{}, askAtOnce)}, nil
}

// Prove gives the claims of a token: [ErrToken] if they are nobody's word,
// [ErrAway] if that cannot be found out.
func (i *Issuer) Prove(ctx context.Context, token string) (Claims, error) {
	if token == "" || len(token) > mostToken {
		return nil, fmt.Errorf("%w: it has %d bytes; allowed: 1 to %d", ErrToken, len(token), mostToken)
	}
	payload, err := i.open(ctx, token)
	if err != nil {
		return nil, err
	}
	var said jwt.Claims
	if err := json.Unmarshal(payload, &said); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	if said.Expiry == nil || said.Subject == "" {
		return nil, fmt.Errorf("%w: it has no exp or no sub", ErrToken)
	}
	want := jwt.Expected{Issuer: i.s.Issuer, AnyAudience: i.s.Audiences, Time: i.clock()}
	if err := said.ValidateWithLeeway(want, leeway); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	c, err := ClaimsOf(payload)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	return c, nil
}

// open gives the claims of a token as JSON: signed ones, or what the issuer
// says of an opaque token.
func (i *Issuer) open(ctx context.Context, token string) ([]byte, error) {
	if strings.Count(token, ".") != 2 {
		return i.introspect(ctx, token)
	}
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrToken, err)
	}
	header := signed.Signatures[0].Protected
	if typ, ok := header.ExtraHeaders[jose.HeaderType].(string); ok && !slices.Contains([]string{"jwt", "at+jwt", "application/at+jwt"}, strings.ToLower(typ)) {
		return nil, fmt.Errorf("%w: it is a %q", ErrToken, typ)
	}
	candidates, err := i.keysFor(ctx, header.KeyID)
	if err != nil {
		return nil, err
	}
	for _, k := range candidates {
		if k.Algorithm != "" && k.Algorithm != header.Algorithm || !k.IsPublic() || k.Use != "" && k.Use != "sig" {
			continue
		}
		if payload, err := signed.Verify(k.Key); err == nil {
			return payload, nil
		}
	}
	return nil, fmt.Errorf("%w: no key of the issuer fits its signature", ErrToken)
}

// discover reads the issuer's description of itself.
func (i *Issuer) discover(ctx context.Context) (keysURL, introspectURL string, err error) {
	var said struct {
		Issuer     string `json:"issuer"`
		Keys       string `json:"jwks_uri"`
		Introspect string `json:"introspection_endpoint"`
	}
	address := strings.TrimSuffix(i.s.Issuer, "/") + "/.well-known/openid-configuration"
	if err := fetch(ctx, i.client, address, &said); err != nil {
		return "", "", fmt.Errorf("%w: %w", ErrAway, err)
	}
	if said.Issuer != i.s.Issuer {
		return "", "", fmt.Errorf("%w: what is at %s calls itself %q", ErrAway, address, said.Issuer)
	}
	return said.Keys, said.Introspect, nil
}

// own refuses an address that the issuer names and that is on another host.
func (i *Issuer) own(address string) error {
	u, err := secureURL(address)
	if err == nil && u.Host != i.host {
		err = fmt.Errorf("%s is not the issuer's own host %s", u.Host, i.host)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	return nil
}

// introspect asks the issuer about an opaque token (RFC 7662).
func (i *Issuer) introspect(ctx context.Context, token string) ([]byte, error) {
	if i.s.ClientID == "" {
		return nil, fmt.Errorf("%w: it is no JWT, and there is no oidc.client_id to ask the issuer with", ErrToken)
	}
	select {
	case i.asking <- struct{}{}:
		defer func() { <-i.asking }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrAway, ctx.Err())
	}
	_, address, err := i.discover(ctx)
	if err != nil {
		return nil, err
	}
	if err := i.own(address); err != nil {
		return nil, err
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(i.s.ClientID), url.QueryEscape(i.s.ClientSecret)) // RFC 6749, 2.3.1
	var said map[string]json.RawMessage
	if err := answer(i.client, r, &said); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAway, err)
	}
	if string(said["active"]) != "true" {
		return nil, fmt.Errorf("%w: the issuer says that it is not active", ErrToken)
	}
	if _, ok := said["iss"]; !ok { // optional here: it is the issuer that answers
		said["iss"], err = json.Marshal(i.s.Issuer)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(said)
}
