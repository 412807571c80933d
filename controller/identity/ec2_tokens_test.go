package identity

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
)

// Signatures as another implementation makes them (python-keystoneclient), and
// AWS's own example of version 4 (get-vanilla).
func TestSignatures(t *testing.T) {
	const secret, empty = "89cdf9e94e2643cab35b8b8ac5a51f83", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	tests := []struct {
		name, secret string
		r            signedRequest
		want         string
	}{
		{"version 2", secret, signedRequest{Host: "cloud.example:8773", Verb: "GET", Path: "/", Params: map[string]plainText{
			"SignatureVersion": "2", "SignatureMethod": "HmacSHA256", "AWSAccessKeyId": "ann key", "Timestamp": "2026-11-22T22:00:00Z", "Action": "Foo bar~/*",
		}}, "JjvMHJj8NCQykIMH6eukysighCPWAQMcVLN4xzv9MvY="},
		{"version 4, header", secret, signedRequest{
			Access: "access", Host: "iam.amazonaws.com", Verb: "POST", Path: "/", Params: map[string]plainText{"Action": "ListUsers"},
			Headers: map[string]plainText{
				"Content-type": "application/x-www-form-urlencoded; charset=utf-8", "X-Amz-Date": "20261122T220000Z", "Host": "iam.amazonaws.com",
				"Authorization": "AWS4-HMAC-SHA256 Credential=access/20261122/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=x",
			},
			BodyHash: "b6359072c78d70ebee1e81adcbab4f01bf2c23245fa365ef83fe8f1f955085e2",
		}, "3121eb742d95701134ee9620d0aa3449bd9fcdf7714b2a7eeea98d9ce718a140"},
		{"version 4, query", secret, signedRequest{
			Access: "access", Host: "iam.amazonaws.com", Verb: "GET", Path: "/", Headers: map[string]plainText{"Host": "iam.amazonaws.com"}, BodyHash: empty,
			Params: map[string]plainText{
				"Action": "ListUsers", "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": "access/20261122/us-east-1/iam/aws4_request",
				"X-Amz-Date": "20261122T220000Z", "X-Amz-SignedHeaders": "host",
			},
		}, "e43b4c2b0cba12783e226f18040a3d4374a76fb2e40b62593e1676c49412dc19"},
		{"version 4, AWS", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", signedRequest{
			Access: "AKIDEXAMPLE", Host: "example.amazonaws.com", Verb: "GET", Path: "/", BodyHash: empty, Headers: map[string]plainText{
				"Host": "example.amazonaws.com", "X-Amz-Date": "20150830T123600Z",
				"Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=x",
			},
		}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	}
	for _, tt := range tests {
		got, err := tt.r.signatures(tt.secret)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got[0]); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// keyPair is a user with a role on a project and an EC2 key pair.
type keyPair struct{ user, project, access, secret string }

func (a *accounts) keyPair() keyPair {
	a.t.Helper()
	k := keyPair{user: a.user("ann", "right", "")}
	k.project = textAt(a.t, a.asRoot(201, http.MethodPost, "/projects", `{"project": {"name": "shop"}}`), "project", "id")
	member := a.service.now.Load().roleNamed.at("", "member").ID
	a.asRoot(204, http.MethodPut, "/projects/"+k.project+"/users/"+k.user+"/roles/"+member, "")
	w := a.asRoot(201, http.MethodPost, "/users/"+k.user+"/credentials/OS-EC2", `{"tenant_id": "`+k.project+`"}`)
	k.access, k.secret = textAt(a.t, w, "credential", "access"), textAt(a.t, w, "credential", "secret")
	return k
}

// signed is a request of version 2, signed.
func (a *accounts) signed(k keyPair, at time.Time) *signedRequest {
	a.t.Helper()
	r := &signedRequest{Access: k.access, Host: "cloud.example:8773", Verb: "GET", Path: "/", Params: map[string]plainText{
		"SignatureVersion": "2", "SignatureMethod": "HmacSHA256", "Timestamp": plainText(at.Format(time.RFC3339)), "AWSAccessKeyId": plainText(k.access),
	}}
	list, err := r.signatures(k.secret)
	if err != nil {
		a.t.Fatal(err)
	}
	r.Signature = list[0]
	return r
}

func (r *signedRequest) body(t *testing.T, under string) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{under: map[string]any{
		"access": r.Access, "signature": r.Signature, "host": r.Host, "verb": r.Verb, "path": r.Path, "params": r.Params, "headers": r.Headers, "body_hash": r.BodyHash, "token": r.Token,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A service learns whose a signature is; what it gets cannot be exchanged, nor
// read what else the user has.
func TestEC2Tokens(t *testing.T) {
	a := startAccounts(t, DefaultPasswordRules())
	k := a.keyPair()
	service := apitest.Token("s3", "service", "service")
	r := a.signed(k, a.clock.now())
	a.ask(401, "", http.MethodPost, "/ec2tokens", r.body(t, "ec2Credentials"))
	a.ask(403, apitest.Token("bob", "member", "bob"), http.MethodPost, "/ec2tokens", r.body(t, "ec2Credentials"))
	w := a.ask(200, service, http.MethodPost, "/ec2tokens", r.body(t, "ec2Credentials"))
	token := w.Header().Get(headerSubject)
	if textAt(t, w, "token", "project", "id") != k.project || textAt(t, w, "token", "user", "id") != k.user || !strings.Contains(w.Body.String(), `"methods":["ec2credential"]`) {
		t.Errorf("the token is %s", w.Body)
	}
	a.ask(200, service, http.MethodPost, "/ec2tokens", r.body(t, "credentials"))
	a.ask(200, token, http.MethodGet, "/auth/catalog", "")
	a.ask(403, "", http.MethodPost, "/auth/tokens", `{"auth": {"identity": {"methods": ["token"], "token": {"id": "`+token+`"}}}}`)
	a.ask(403, token, http.MethodGet, "/credentials", "")
	a.ask(403, token, http.MethodGet, "/users/"+k.user+"/credentials/OS-EC2", "")
	a.ask(403, token, http.MethodPost, "/users/"+k.user+"/application_credentials", `{"application_credential": {"name": "x"}}`)

	without := *r
	without.Host = "cloud.example"
	a.ask(401, service, http.MethodPost, "/ec2tokens", without.body(t, "credentials"))
	without.Signature = without.version2(k.secret, "cloud.example")
	without.Host = r.Host // the client did not sign the port
	a.ask(200, service, http.MethodPost, "/ec2tokens", without.body(t, "credentials"))

	wrong := *r
	wrong.Access = "nope"
	unknown := a.ask(401, service, http.MethodPost, "/ec2tokens", wrong.body(t, "credentials")).Body.String()
	wrong = *r
	wrong.Path = "/other"
	if forged := a.ask(401, service, http.MethodPost, "/ec2tokens", wrong.body(t, "credentials")).Body.String(); forged != unknown {
		t.Errorf("no key: %s; no signature: %s", unknown, forged)
	}
	for _, d := range []time.Duration{-16 * time.Minute, 16 * time.Minute} {
		a.ask(401, service, http.MethodPost, "/ec2tokens", a.signed(k, a.clock.now().Add(d)).body(t, "credentials"))
	}
	a.ask(400, service, http.MethodPost, "/ec2tokens", `{}`)
	a.ask(401, service, http.MethodPost, "/ec2tokens", `{"credentials": {}}`)
	a.asRoot(200, http.MethodPatch, "/users/"+k.user, `{"user": {"enabled": false}}`)
	a.ask(401, service, http.MethodPost, "/ec2tokens", r.body(t, "credentials"))
}

// Of S3 the object store sends the text that was signed, and gets no token to
// pass on.
func TestS3Tokens(t *testing.T) {
	a := startAccounts(t, DefaultPasswordRules())
	k := a.keyPair()
	service := apitest.Token("s3", "service", "service")
	day := a.clock.now().Format("20060102")
	for _, text := range []string{
		"GET\n\n\nSun, 22 Nov 2026 22:00:00 GMT\n/bucket/object",
		"AWS4-HMAC-SHA256\n" + day + "T000000Z\n" + day + "/RegionOne/s3/aws4_request\nhash",
	} {
		signature, err := s3Signature(k.secret, text)
		if err != nil {
			t.Fatal(err)
		}
		r := &signedRequest{Access: k.access, Signature: signature, Token: base64.URLEncoding.EncodeToString([]byte(text))}
		w := a.ask(200, service, http.MethodPost, "/s3tokens", r.body(t, "credentials"))
		if got := w.Header().Get(headerSubject); got != "" || textAt(t, w, "token", "project", "id") != k.project {
			t.Errorf("token %q, %s", got, w.Body)
		}
		a.ask(403, apitest.Token("bob", "member", "bob"), http.MethodPost, "/s3tokens", r.body(t, "credentials"))
		r.Token = base64.URLEncoding.EncodeToString([]byte(text + "x"))
		a.ask(401, service, http.MethodPost, "/s3tokens", r.body(t, "credentials"))
	}
	// A signature for another service is none of S3's.
	text := "AWS4-HMAC-SHA256\n" + day + "T000000Z\n" + day + "/RegionOne/ec2/aws4_request\nhash"
	if _, err := s3Signature(k.secret, text); err == nil {
		t.Error("a text of another service is signed")
	}
}

// A key that says what it was made with is held to that.
func TestKeyOfTrust(t *testing.T) {
	a := startAccounts(t, DefaultPasswordRules())
	k := a.keyPair()
	other := textAt(t, a.asRoot(201, http.MethodPost, "/projects", `{"project": {"name": "other"}}`), "project", "id")
	for _, blob := range []string{`"trust_id": "nope"`, `"app_cred_id": "nope"`, `"access_token_id": "nope"`} {
		text, err := json.Marshal(`{"access": "` + blob[1:5] + `", "secret": "s", ` + blob + `}`)
		if err != nil {
			t.Fatal(err)
		}
		for _, project := range []string{k.project, other} {
			a.asRoot(201, http.MethodPost, "/credentials", `{"credential": {"type": "ec2", "user_id": "`+k.user+`", "project_id": "`+project+`", "blob": `+string(text)+`}}`)
			made := keyPair{access: blob[1:5], secret: "s"}
			a.ask(401, apitest.Token("s3", "service", "service"), http.MethodPost, "/ec2tokens", a.signed(made, a.clock.now()).body(t, "credentials"))
			a.asRoot(204, http.MethodDelete, "/credentials/"+accessID(made.access), "")
		}
	}
}

// Whatever a body says, describing what was signed says yes or no.
func FuzzSignedRequest(f *testing.F) {
	f.Add(`{"access": "a", "params": {"SignatureVersion": 2, "SignatureMethod": "HmacSHA256"}, "host": "h:1"}`, "secret")
	f.Add(`{"access": "a", "headers": {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20261122/r/s/aws4_request, SignedHeaders=host, Signature=x", "X-Amz-Date": "20261122T220000Z", "Host": "h"}}`, "secret")
	f.Add(`{"access": "a", "params": {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": "a/b/c/d/aws4_request", "X-Amz-SignedHeaders": "host;x"}, "token": "QVdTNA"}`, "")
	f.Fuzz(func(t *testing.T, body, secret string) {
		var r signedRequest
		if json.Unmarshal([]byte(body), &r) != nil {
			return
		}
		list, err := r.signatures(secret)
		if err == nil && (len(list) == 0 || list[0] == "") {
			t.Error("no signature and no error")
		}
		if again, _ := r.signatures(secret); err == nil && !cmp.Equal(list, again) {
			t.Error("signing twice makes two signatures")
		}
		_ = signedS3(&r, secret)
	})
}
