// Package federationtest is an OpenID Connect provider for tests: it signs
// tokens with real keys and publishes them over TLS.
package federationtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Audience is whom tokens are for, unless their claims say otherwise.
const Audience = "cairn"

// Client may introspect, with Secret.
const (
	Client = "cairn introspects"
	Secret = "a secret: with + and %"
)

// An Issuer is a provider that runs.
type Issuer struct {
	URL string // what tokens have as iss
	CA  string // PEM

	mu     sync.Mutex // guards what follows
	key    crypto.Signer
	alg    jose.SignatureAlgorithm
	id     int
	asked  int // how often for keys
	opaque map[string]map[string]any
	said   map[string]any // instead of parts of the discovery document
}

// Start starts an issuer that signs with RSA, and ends it with the test.
func Start(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{opaque: map[string]map[string]any{}, said: map[string]any{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discover)
	mux.HandleFunc("GET /keys", i.keys)
	mux.HandleFunc("POST /introspect", i.introspect)
	mux.Handle("GET /elsewhere", http.RedirectHandler("/keys", http.StatusFound))
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	i.URL = server.URL
	i.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i.key, i.alg = key, jose.RS256
	return i
}

// Rotate makes the issuer sign with another key, of ECDSA.
func (i *Issuer) Rotate(t testing.TB) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.key, i.alg, i.id = key, jose.ES256, i.id+1
}

// Asked is how often the keys were fetched.
func (i *Issuer) Asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// Say makes the discovery document say something else.
func (i *Issuer) Say(name string, value any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.said[name] = value
}

// Public is the key that tokens are signed with, and its id.
func (i *Issuer) Public() (key crypto.PublicKey, id string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.key.Public(), fmt.Sprint(i.id)
}

// Claims are those of a good token for a subject, with more laid over them.
func (i *Issuer) Claims(subject string, more map[string]any) map[string]any {
	c := map[string]any{"iss": i.URL, "aud": Audience, "sub": subject, "exp": time.Now().Add(5 * time.Minute).Unix()}
	maps.Copy(c, more)
	return c
}

// Token signs claims.
func (i *Issuer) Token(t testing.TB, claims map[string]any) string {
	t.Helper()
	i.mu.Lock()
	key, alg, id := i.key, i.alg, fmt.Sprint(i.id)
	i.mu.Unlock()
	return Sign(t, jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: id}}, claims)
}

// Sign signs claims with any key.
func Sign(t testing.TB, key jose.SigningKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType("JWT"))
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

// Opaque makes a text a token of which the issuer says these claims.
func (i *Issuer) Opaque(text string, claims map[string]any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.opaque[text] = claims
}

func (i *Issuer) discover(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	said := map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "introspection_endpoint": i.URL + "/introspect"}
	maps.Copy(said, i.said)
	write(w, said)
}

func (i *Issuer) keys(w http.ResponseWriter, _ *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked++
	write(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: fmt.Sprint(i.id), Use: "sig", Algorithm: string(i.alg)}}})
}

func (i *Issuer) introspect(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if user != "cairn+introspects" || password != "a+secret%3A+with+%2B+and+%25" {
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	said := map[string]any{"active": false}
	if claims, ok := i.opaque[r.PostFormValue("token")]; ok {
		said["active"] = true
		maps.Copy(said, claims)
	}
	write(w, said)
}

func write(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client has gone: nobody to tell
}
