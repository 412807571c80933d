package identity

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
)

// The examples of RFC 5849 (3.4.1.1) and of the first OAuth (appendix A).
func TestOAuthSignature(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b", nil)
	p, err := parseOAuth(`OAuth realm="Example", oauth_consumer_key="9djdj82h48djs9d2", oauth_token="kkk9d7dh3k39sjv7", oauth_signature_method="HMAC-SHA1",
		oauth_timestamp="137131201", oauth_nonce="7d8f3e4a", oauth_signature="bYT5CMsGcbgUdFHObYMEfcx6bsw%3D"`)
	if err != nil {
		t.Fatal(err)
	}
	want := "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26c2%3D%26" +
		"oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
	if diff := cmp.Diff(want, baseString(r, "http://EXAMPLE.COM:80", p, url.Values{"c2": {""}, "a3": {"2 q"}})); diff != "" {
		t.Error(diff)
	}

	r = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/photos?file=vacation.jpg&size=original", nil)
	p, err = parseOAuth(`OAuth oauth_consumer_key="dpf43f3p2l4k3l03", oauth_token="nnch734d00sl2jdk", oauth_signature_method="HMAC-SHA1",
		oauth_signature="tR3%2BTy81lMeYAr%2FFid0kMTYa%2FWM%3D", oauth_timestamp="1191242096", oauth_nonce="kllo9940pd9333jh", oauth_version="1.0"`)
	if err != nil {
		t.Fatal(err)
	}
	if text := baseString(r, "http://photos.example.net", p, nil); !p.right(text, "kd94hf93k423kf44", "pfkkdhi9sl3r4s00") || p.right(text, "kd94hf93k423kf44", "") {
		t.Errorf("the signature of %s is %s", text, p.signed(text, "kd94hf93k423kf44", "pfkkdhi9sl3r4s00"))
	}
}

// oauthClient signs requests as a consumer.
type oauthClient struct {
	*accounts
	key, secret        string
	token, tokenSecret string
	verifier, method   string
	nonce              int
}

// header is the Authorization header of a request, signed.
func (o *oauthClient) header(path string, replay bool) string {
	o.t.Helper()
	if !replay {
		o.nonce++
	}
	p := oauthParams{oauthConsumer: o.key, oauthMethod: o.method, oauthTimestamp: fmt.Sprint(o.clock.now().Unix()), oauthNonce: fmt.Sprint("n", o.nonce), oauthVersion: "1.0"}
	if o.token != "" {
		p[oauthToken] = o.token
	}
	if o.verifier != "" {
		p[oauthVerifier] = o.verifier
	}
	r := httptest.NewRequestWithContext(o.t.Context(), http.MethodPost, "/identity/v3"+path, nil)
	p[oauthSignature] = p.signed(baseString(r, "http://example.com", p, nil), o.secret, o.tokenSecret)
	var parts []string
	for _, name := range sortedKeys(p) {
		parts = append(parts, percent(name)+`="`+percent(p[name])+`"`)
	}
	return "OAuth " + strings.Join(parts, ", ")
}

// post makes a signed request.
func (o *oauthClient) post(status int, path, body string, header ...string) *httptest.ResponseRecorder {
	o.t.Helper()
	return o.ask(status, "", http.MethodPost, path, body, append([]string{"Authorization", o.header(path, false)}, header...)...)
}

// take reads a token and its secret out of an answer.
func (o *oauthClient) take(w *httptest.ResponseRecorder) {
	o.t.Helper()
	v, err := url.ParseQuery(w.Body.String())
	if err != nil || v.Get("oauth_token") == "" || v.Get("oauth_token_secret") == "" || v.Get("oauth_expires_at") == "" {
		o.t.Fatalf("no token in %s (%v)", w.Body, err)
	}
	o.token, o.tokenSecret = v.Get("oauth_token"), v.Get("oauth_token_secret")
}

const oauthLogin = `{"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}`

// A consumer asks, a user agrees, the consumer acts; each secret is needed,
// and no request counts twice.
func TestOAuth(t *testing.T) {
	for _, method := range sortedKeys(oauthMethods) {
		t.Run(method, func(t *testing.T) { testOAuth(t, method) })
	}
}

func testOAuth(t *testing.T, method string) {
	a := startAccounts(t, DefaultPasswordRules())
	k := a.keyPair()
	w := a.asRoot(201, http.MethodPost, "/OS-OAUTH1/consumers", `{"consumer": {"description": "printer"}}`)
	o := &oauthClient{accounts: a, key: textAt(t, w, "consumer", "id"), secret: textAt(t, w, "consumer", "secret"), method: method}
	const askPath, getPath = "/OS-OAUTH1/request_token", "/OS-OAUTH1/access_token"

	a.ask(400, "", http.MethodPost, askPath, "")
	o.post(400, askPath, "")
	o.post(404, askPath, "", "Requested-Project-Id", "nope")
	wrong := *o
	wrong.secret = "wrong"
	forged := wrong.post(401, askPath, "", "Requested-Project-Id", k.project).Body.String()
	wrong.key = "nobody"
	if unknown := wrong.post(401, askPath, "", "Requested-Project-Id", k.project).Body.String(); unknown != forged {
		t.Errorf("no such consumer: %s; wrong secret: %s", unknown, forged)
	}
	o.take(o.post(201, askPath, "", "Requested-Project-Id", k.project))
	a.ask(401, "", http.MethodPost, askPath, "", "Authorization", (&oauthClient{accounts: a, key: o.key, secret: o.secret, method: method, nonce: o.nonce}).header(askPath, true), "Requested-Project-Id", "x")

	// Nobody has agreed yet.
	o.verifier = "guess"
	o.post(401, getPath, "")
	ann := a.logIn(201, k.user, "right").Header().Get(headerSubject)
	agree := func(status int, as, roles string) *httptest.ResponseRecorder {
		t.Helper()
		return a.ask(status, as, http.MethodPut, "/OS-OAUTH1/authorize/"+o.token, `{"roles": [`+roles+`]}`)
	}
	agree(401, "", `{"name": "member"}`)
	agree(400, ann, "")
	agree(401, ann, `{"name": "admin"}`)
	agree(401, apitest.Token("bob", "member", "bob"), `{"name": "member"}`)
	verifier := textAt(t, agree(200, ann, `{"name": "reader"}`), "token", "oauth_verifier")
	agree(401, apitest.Token("bob", "member", "bob"), `{"name": "reader"}`)
	o.post(401, getPath, "")
	o.verifier = verifier
	again := *o
	o.take(o.post(201, getPath, ""))
	again.nonce += 100
	again.post(401, getPath, "")

	// The access token is the user, with the role and on the project only.
	o.verifier = ""
	w = o.post(201, "/auth/tokens", oauthLogin)
	token := w.Header().Get(headerSubject)
	if textAt(t, w, "token", "project", "id") != k.project || textAt(t, w, "token", "OS-OAUTH1", "access_token_id") != o.token || strings.Contains(w.Body.String(), `"member"`) {
		t.Errorf("the token is %s", w.Body)
	}
	a.ask(401, "", http.MethodPost, "/auth/tokens", oauthLogin, "Authorization", o.header("/auth/tokens", true)) // replayed
	a.ask(403, "", http.MethodPost, "/auth/tokens", `{"auth": {"identity": {"methods": ["token"], "token": {"id": "`+token+`"}}}}`)
	a.ask(403, token, http.MethodGet, "/users/"+k.user+"/OS-OAUTH1/access_tokens", "")
	a.ask(403, token, http.MethodPut, "/OS-OAUTH1/authorize/x", `{"roles": [{"name": "reader"}]}`)
	wrong = *o
	wrong.tokenSecret = "wrong"
	wrong.nonce += 200
	wrong.post(401, "/auth/tokens", oauthLogin)
	o.clock.move(time.Second)

	// Users see what they let be done, and end it.
	path := "/users/" + k.user + "/OS-OAUTH1/access_tokens"
	w = a.ask(200, ann, http.MethodGet, path, "")
	if !strings.Contains(w.Body.String(), `"authorizing_user_id":"`+k.user+`"`) || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("list: %s", w.Body)
	}
	a.ask(200, ann, http.MethodGet, path+"/"+o.token, "")
	w = a.ask(200, ann, http.MethodGet, path+"/"+o.token+"/roles", "")
	if strings.Count(w.Body.String(), `"name"`) != 1 || !strings.Contains(w.Body.String(), `"reader"`) {
		t.Errorf("roles: %s", w.Body)
	}
	a.ask(200, ann, http.MethodGet, path+"/"+o.token+"/roles/"+a.service.now.Load().roleNamed.at("", "reader").ID, "")
	a.ask(404, ann, http.MethodGet, path+"/"+o.token+"/roles/"+a.service.now.Load().roleNamed.at("", "member").ID, "")
	bob := apitest.Token("bob", "member", "bob")
	a.ask(404, bob, http.MethodGet, path+"/"+o.token, "")
	a.ask(404, bob, http.MethodDelete, path+"/"+o.token, "")
	a.ask(200, token, http.MethodGet, "/auth/catalog", "")
	a.ask(204, ann, http.MethodDelete, path+"/"+o.token, "")
	a.ask(401, token, http.MethodGet, "/auth/catalog", "")
	o.post(401, "/auth/tokens", oauthLogin)
}

// Tokens of OAuth end with their time and with their consumer.
func TestOAuthEnds(t *testing.T) {
	a := startAccounts(t, DefaultPasswordRules())
	k := a.keyPair()
	w := a.asRoot(201, http.MethodPost, "/OS-OAUTH1/consumers", `{"consumer": {}}`)
	o := &oauthClient{accounts: a, key: textAt(t, w, "consumer", "id"), secret: textAt(t, w, "consumer", "secret"), method: "HMAC-SHA256"}
	access := func() *oauthClient {
		c := *o
		c.take(c.post(201, "/OS-OAUTH1/request_token", "", "Requested-Project-Id", k.project))
		ann := a.logIn(201, k.user, "right").Header().Get(headerSubject)
		c.verifier = textAt(t, a.ask(200, ann, http.MethodPut, "/OS-OAUTH1/authorize/"+c.token, `{"roles": [{"name": "member"}]}`), "token", "oauth_verifier")
		o.nonce = c.nonce + 100
		return &c
	}
	late := access()
	a.clock.move(requestTokenLifetime)
	late.post(401, "/OS-OAUTH1/access_token", "")
	c := access()
	c.take(c.post(201, "/OS-OAUTH1/access_token", ""))
	c.verifier = ""
	a.clock.move(accessTokenLifetime - time.Minute)
	token := c.post(201, "/auth/tokens", oauthLogin).Header().Get(headerSubject)
	a.clock.move(time.Minute)
	a.ask(401, token, http.MethodGet, "/auth/catalog", "")
	c.post(401, "/auth/tokens", oauthLogin)

	c = access()
	c.take(c.post(201, "/OS-OAUTH1/access_token", ""))
	c.verifier = ""
	token = c.post(201, "/auth/tokens", oauthLogin).Header().Get(headerSubject)
	a.ask(200, token, http.MethodGet, "/auth/catalog", "")
	a.asRoot(204, http.MethodDelete, "/OS-OAUTH1/consumers/"+o.key, "")
	a.ask(401, token, http.MethodGet, "/auth/catalog", "")
	if err := a.service.sweepOAuth(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestOAuthHeader(t *testing.T) {
	const rest = `, oauth_signature="x", oauth_timestamp="1", oauth_nonce="n"`
	for _, header := range []string{
		"", "Basic x", "OAuth", `OAuth oauth_consumer_key=a` + rest, `OAuth oauth_consumer_key="a", oauth_signature_method="PLAINTEXT"` + rest,
		`OAuth oauth_consumer_key="a", oauth_consumer_key="b", oauth_signature_method="HMAC-SHA1"` + rest,
		`OAuth oauth_consumer_key="%", oauth_signature_method="HMAC-SHA1"` + rest,
		`OAuth oauth_consumer_key="a", oauth_version="2.0", oauth_signature_method="HMAC-SHA1"` + rest,
	} {
		if p, err := parseOAuth(header); err == nil {
			t.Errorf("%s is %v", header, p)
		}
	}
}

// Whatever a header says, reading it says yes or no; what is read signs the
// same however it is written.
func FuzzOAuth(f *testing.F) {
	f.Add(`OAuth realm="", oauth_consumer_key="a", oauth_token="%20", oauth_signature_method="HMAC-SHA256", oauth_timestamp="1", oauth_nonce="n", oauth_signature="x"`, "a=1&b=%20&a=", "https://h:443")
	f.Add(`OAuth oauth_consumer_key="a"`, "", "http://[::1]:80")
	f.Fuzz(func(t *testing.T, header, query, host string) {
		p, err := parseOAuth(header)
		if err != nil {
			return
		}
		r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: "/identity/v3/auth/tokens", RawQuery: query}}
		text := baseString(r, host, p, nil)
		var parts []string
		for _, name := range sortedKeys(p) {
			parts = append(parts, percent(name)+`="`+percent(p[name])+`"`)
		}
		again, err := parseOAuth("OAuth " + strings.Join(parts, ","))
		if err != nil && len(header) < maxOAuthHeader/3 {
			t.Fatalf("%q is not read again: %v", parts, err)
		}
		if err == nil && baseString(r, host, again, nil) != text {
			t.Errorf("%q is signed otherwise when it is written otherwise", header)
		}
	})
}
