package identity

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 5849 has it, and so have clients
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// oauthParams are the parameters of an Authorization header (RFC 5849, 3.5.1),
// unescaped.
type oauthParams map[string]string

// The parameters that every signed request has.
const (
	oauthConsumer  = "oauth_consumer_key"
	oauthToken     = "oauth_token"
	oauthVerifier  = "oauth_verifier"
	oauthMethod    = "oauth_signature_method"
	oauthSignature = "oauth_signature"
	oauthTimestamp = "oauth_timestamp"
	oauthNonce     = "oauth_nonce"
	oauthVersion   = "oauth_version"
)

// oauthMethods are the ways to sign that there are. PLAINTEXT would show the
// secrets, and RSA needs a key of the consumer that nobody has given us.
var oauthMethods = map[string]func() hash.Hash{"HMAC-SHA1": sha1.New, "HMAC-SHA256": sha256.New}

// maxOAuthHeader is the most that a header of OAuth has, in bytes.
const maxOAuthHeader = 8192

// parseOAuth reads an Authorization header. Each parameter comes once.
func parseOAuth(header string) (oauthParams, error) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "OAuth") || len(header) > maxOAuthHeader {
		return nil, cloud.BadRequest("The request has no Authorization header of OAuth 1.0.")
	}
	p := oauthParams{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if strings.TrimSpace(part) == "" {
			continue
		}
		value, quoted := strings.CutPrefix(value, `"`)
		value, closed := strings.CutSuffix(value, `"`)
		if !ok || !quoted || !closed {
			return nil, cloud.BadRequest("The Authorization header has %q; allowed: name=\"value\", separated by commas.", short(part))
		}
		n, nerr := url.PathUnescape(name)
		v, verr := url.PathUnescape(value)
		if _, twice := p[n]; nerr != nil || verr != nil || twice {
			return nil, cloud.BadRequest("The Authorization header has %q twice, or not percent-encoded.", short(name))
		}
		p[n] = v
	}
	return p, p.check()
}

// check sees that all is there that must be.
func (p oauthParams) check() error {
	for _, name := range []string{oauthConsumer, oauthMethod, oauthSignature, oauthTimestamp, oauthNonce} {
		if p[name] == "" {
			return cloud.BadRequest("%s is missing in the Authorization header.", name)
		}
	}
	if v, ok := p[oauthVersion]; ok && v != "1.0" {
		return cloud.BadRequest("%s is %q; allowed: 1.0", oauthVersion, short(v))
	}
	if oauthMethods[p[oauthMethod]] == nil {
		return cloud.BadRequest("%s is %q; allowed: %v", oauthMethod, short(p[oauthMethod]), sortedKeys(oauthMethods))
	}
	return nil
}

// baseString is what is signed (RFC 5849, 3.4.1): the method, where the
// request goes, and all parameters. host is scheme and host as the client has
// them; form are the parameters of a body that is a form.
func baseString(r *http.Request, host string, p oauthParams, form url.Values) string {
	var pairs []string
	add := func(name, value string) { pairs = append(pairs, percent(name)+"="+percent(value)) }
	for _, values := range []url.Values{r.URL.Query(), form} {
		for name, list := range values {
			for _, v := range list {
				add(name, v)
			}
		}
	}
	for name, v := range p {
		if name != oauthSignature && name != "realm" {
			add(name, v)
		}
	}
	// Pairs are sorted by name, then by value: '=' must not come between.
	slices.SortFunc(pairs, func(a, b string) int {
		an, av, _ := strings.Cut(a, "=")
		bn, bv, _ := strings.Cut(b, "=")
		if c := strings.Compare(an, bn); c != 0 {
			return c
		}
		return strings.Compare(av, bv)
	})
	return strings.ToUpper(r.Method) + "&" + percent(baseURI(r, host)) + "&" + percent(strings.Join(pairs, "&"))
}

// baseURI is where the request goes, without query and without a port that
// goes without saying (RFC 5849, 3.4.1.2).
func baseURI(r *http.Request, host string) string {
	scheme, name, _ := strings.Cut(strings.ToLower(host), "://")
	if h, port, err := net.SplitHostPort(name); err == nil && (scheme == "https" && port == "443" || scheme == "http" && port == "80") {
		name = h
		if strings.Contains(h, ":") { // IPv6
			name = "[" + h + "]"
		}
	}
	return scheme + "://" + name + r.URL.EscapedPath()
}

// signed is the signature of a text by the secrets of a consumer and a token.
func (p oauthParams) signed(text, consumerSecret, tokenSecret string) string {
	key := []byte(percent(consumerSecret) + "&" + percent(tokenSecret))
	return base64.StdEncoding.EncodeToString(sign(oauthMethods[p[oauthMethod]], key, text))
}

// right tells whether the signature of the header is that of the text.
func (p oauthParams) right(text, consumerSecret, tokenSecret string) bool {
	return hmac.Equal([]byte(p.signed(text, consumerSecret, tokenSecret)), []byte(p[oauthSignature]))
}

// isForm tells whether a request has a form as its body.
func isForm(r *http.Request) bool {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && t == "application/x-www-form-urlencoded"
}

// oauthAnswer is a token and its secret as OAuth's answers have them.
func oauthAnswer(id, secret string, expires time.Time) string {
	return fmt.Sprintf("oauth_token=%s&oauth_token_secret=%s&oauth_expires_at=%s", percent(id), percent(secret), percent(expires.Format(timeLayout)))
}
