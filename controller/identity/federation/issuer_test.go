package federation_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/cairn-cloud/cairn/controller/identity/federation"
	"github.com/cairn-cloud/cairn/controller/identity/federation/federationtest"
)

// A clock that is moved by hand.
type clock struct {
	mu sync.Mutex // guards at
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func settings(i *federationtest.Issuer) federation.Settings {
	return federation.Settings{
		Issuer: i.URL, Audiences: []string{"other", federationtest.Audience}, CA: i.CA, Local: true,
		ClientID: federationtest.Client, ClientSecret: federationtest.Secret,
	}
}

func trust(t *testing.T, s federation.Settings) (*federation.Issuer, *clock) {
	t.Helper()
	c := &clock{at: time.Now()}
	i, err := federation.NewIssuer(s, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return i, c
}

func TestProve(t *testing.T) {
	from := federationtest.Start(t)
	i, clock := trust(t, settings(from))
	good := from.Token(t, from.Claims("ann", map[string]any{"groups": []string{"a", "b"}, "realm": map[string]any{"roles": []string{"c"}}}))
	claims, err := i.Prove(t.Context(), good)
	if err != nil || len(claims["groups"]) != 2 || claims["realm.roles"][0] != "c" || claims["sub"][0] != "ann" {
		t.Fatalf("%v (%v)", claims, err)
	}
	for range 5 {
		if _, err := i.Prove(t.Context(), good); err != nil || from.Asked() != 1 {
			t.Fatalf("asked %d times for keys (%v)", from.Asked(), err)
		}
	}

	// A new key is fetched, but not at any speed.
	from.Rotate(t)
	rotated := from.Token(t, from.Claims("ann", nil))
	if _, err := i.Prove(t.Context(), rotated); !errors.Is(err, federation.ErrToken) || from.Asked() != 1 {
		t.Errorf("an unknown key at once: asked %d times (%v)", from.Asked(), err)
	}
	clock.move(31 * time.Second)
	if _, err := i.Prove(t.Context(), rotated); err != nil || from.Asked() != 2 {
		t.Errorf("an unknown key later: asked %d times (%v)", from.Asked(), err)
	}
	if _, err := i.Prove(t.Context(), good); !errors.Is(err, federation.ErrToken) || from.Asked() != 2 {
		t.Errorf("a key that is no more: asked %d times (%v)", from.Asked(), err)
	}
	clock.move(7 * time.Minute)
	if _, err := i.Prove(t.Context(), rotated); !errors.Is(err, federation.ErrToken) {
		t.Errorf("an old token: %v", err)
	}
}

// None of these is the word of the issuer.
func TestForged(t *testing.T) {
	from := federationtest.Start(t)
	i, _ := trust(t, settings(from))
	public, id := from.Public()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	claims := from.Claims("ann", nil)
	good := from.Token(t, claims)
	parts := strings.Split(good, ".")
	payload, err := json.Marshal(from.Claims("admin", nil))
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	hmac := func(key []byte) string {
		return federationtest.Sign(t, jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: key, KeyID: id}}, claims)
	}
	hour := time.Hour.Seconds()
	now := float64(time.Now().Unix())
	for name, token := range map[string]string{
		"empty":                  "",
		"no token":               "x.y.z",
		"unsigned":               b64([]byte(`{"alg":"none","kid":"`+id+`"}`)) + "." + parts[1] + ".",
		"HMAC with public PEM":   hmac(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"HMAC with public DER":   hmac(der),
		"another's key":          federationtest.Sign(t, jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: mine, KeyID: id}}, claims),
		"another's key embedded": embedded(t, mine, claims),
		"another algorithm":      federationtest.Sign(t, jose.SigningKey{Algorithm: jose.PS256, Key: jose.JSONWebKey{Key: mine, KeyID: id}}, claims),
		"another's claims":       parts[0] + "." + b64(payload) + "." + parts[2],
		"another issuer":         from.Token(t, from.Claims("ann", map[string]any{"iss": from.URL + "/"})),
		"for somebody else":      from.Token(t, from.Claims("ann", map[string]any{"aud": "else"})),
		"for nobody":             from.Token(t, from.Claims("ann", map[string]any{"aud": nil})),
		"without an end":         from.Token(t, from.Claims("ann", map[string]any{"exp": nil})),
		"expired":                from.Token(t, from.Claims("ann", map[string]any{"exp": now - hour})),
		"not yet":                from.Token(t, from.Claims("ann", map[string]any{"nbf": now + hour})),
		"of nobody":              from.Token(t, from.Claims("", nil)),
		"too long":               good + strings.Repeat("A", 40_000),
		"not active":             "opaque",
	} {
		if c, err := i.Prove(t.Context(), token); !errors.Is(err, federation.ErrToken) {
			t.Errorf("%s: %v (%v)", name, c, err)
		}
	}
	if _, err := i.Prove(t.Context(), good); err != nil {
		t.Error(err)
	}
}

// embedded signs with a key that the token brings along.
func embedded(t *testing.T, key *rsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestIntrospect(t *testing.T) {
	from := federationtest.Start(t)
	i, _ := trust(t, settings(from))
	from.Opaque("opaque", from.Claims("ann", nil))
	if c, err := i.Prove(t.Context(), "opaque"); err != nil || c["sub"][0] != "ann" {
		t.Errorf("%v (%v)", c, err)
	}
	from.Opaque("for somebody else", from.Claims("ann", map[string]any{"aud": "else"}))
	if _, err := i.Prove(t.Context(), "for somebody else"); !errors.Is(err, federation.ErrToken) {
		t.Error(err)
	}
	s := settings(from)
	s.ClientSecret = "wrong"
	i, _ = trust(t, s)
	if _, err := i.Prove(t.Context(), "opaque"); !errors.Is(err, federation.ErrAway) {
		t.Error(err)
	}
	s.ClientID = ""
	i, _ = trust(t, s)
	if _, err := i.Prove(t.Context(), "opaque"); !errors.Is(err, federation.ErrToken) {
		t.Error(err)
	}
}

// What an issuer says of itself leads nowhere else.
func TestElsewhere(t *testing.T) {
	for name, said := range map[string][2]string{
		"another issuer":        {"issuer", "https://other.example"},
		"keys of another host":  {"jwks_uri", "https://other.example/keys"},
		"keys without TLS":      {"jwks_uri", "http://127.0.0.1/keys"},
		"keys that are a moved": {"jwks_uri", "/elsewhere"},
	} {
		from := federationtest.Start(t)
		value := said[1]
		if value == "/elsewhere" {
			value = from.URL + value
		}
		from.Say(said[0], value)
		i, _ := trust(t, settings(from))
		if _, err := i.Prove(t.Context(), from.Token(t, from.Claims("ann", nil))); !errors.Is(err, federation.ErrAway) {
			t.Errorf("%s: %v", name, err)
		}
	}
	from := federationtest.Start(t)
	s := settings(from)
	s.Local = false
	i, _ := trust(t, s)
	if _, err := i.Prove(t.Context(), from.Token(t, from.Claims("ann", nil))); !errors.Is(err, federation.ErrAway) || !strings.Contains(err.Error(), "of this machine") {
		t.Errorf("an issuer on this machine: %v", err)
	}
	s = settings(from)
	s.CA = ""
	i, _ = trust(t, s)
	if _, err := i.Prove(t.Context(), from.Token(t, from.Claims("ann", nil))); !errors.Is(err, federation.ErrAway) {
		t.Errorf("an issuer whose certificate nobody knows: %v", err)
	}
}

func TestSettings(t *testing.T) {
	for _, s := range []federation.Settings{
		{Issuer: "http://a", Audiences: []string{"b"}}, {Issuer: "https://a"}, {Issuer: "https://a", Audiences: []string{""}},
		{Issuer: "https://a?b", Audiences: []string{"b"}}, {Issuer: "https://u:p@a", Audiences: []string{"b"}},
		{Issuer: "https://a", Audiences: []string{"b"}, CA: "x"}, {Issuer: "https://a", Audiences: []string{"b"}, KeysURL: "http://a"},
	} {
		if _, err := federation.NewIssuer(s, time.Now); err == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}
