package identity

import (
	"context"
	"crypto/hmac"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
)

// Services that speak EC2's or S3's protocol send what a client has signed
// here, and learn whose it is. They must be services: a signature, that of a
// link that is good for all the world to fetch one object for instance, would
// else be a token of its user.
const (
	ruleEC2 = "identity:ec2tokens_validate"
	ruleS3  = "identity:s3tokens_validate"
)

// signedSkew is how old a signed request may be, and how far from the future.
const signedSkew = 15 * time.Minute

func (s *Service) signatureRoutes() []api.Route {
	return []api.Route{
		{Method: http.MethodPost, Path: "/ec2tokens", Rule: ruleEC2, Handle: func(ctx context.Context, c *api.Call) error {
			return s.bySignature(ctx, c, s.signedEC2)
		}},
		{Method: http.MethodPost, Path: "/s3tokens", Rule: ruleS3, Handle: func(ctx context.Context, c *api.Call) error {
			return s.bySignature(ctx, c, signedS3)
		}},
	}
}

func signatureRules() []policy.Rule {
	const services = "role:admin or role:service"
	return []policy.Rule{
		{Name: ruleEC2, Check: services, Doc: "whose EC2 signature it is"},
		{Name: ruleS3, Check: services, Doc: "whose S3 signature it is"},
	}
}

// bySignature answers with the token of whoever has signed a request. That
// the key does not exist and that the signature is wrong are one answer.
func (s *Service) bySignature(ctx context.Context, c *api.Call, signed func(r *signedRequest, secret string) error) error {
	r, err := readSigned(c)
	if err != nil {
		return err
	}
	key, err := s.tables.credentials.Get(ctx, accessID(r.Access))
	if err != nil && !cloud.IsNotFound(err) {
		return err
	}
	b := &ec2Blob{Secret: newSecret()}
	if key != nil && key.Type == typeEC2 {
		if b, err = s.openEC2(key); err != nil {
			return err
		}
	}
	if err := signed(r, b.Secret); err != nil || key == nil || key.Type != typeEC2 || b.Access != r.Access {
		return cloud.Unauthorized("").Because(err)
	}
	t, err := s.tokenOfKey(key, b)
	if err != nil {
		return err
	}
	v, err := s.resolve(t)
	if err != nil {
		return err
	}
	if err := s.useTrust(ctx, v.trust); err != nil {
		return err
	}
	text, err := s.keys.seal(t.payload(), t.issued)
	if err != nil {
		return err
	}
	if strings.HasSuffix(c.Request().URL.Path, "/ec2tokens") { // of S3 nobody needs the token itself
		c.Header().Set(headerSubject, text)
	}
	c.Header().Set("Vary", "X-Auth-Token")
	return c.JSON(http.StatusOK, map[string]any{"token": s.body(c, v)})
}

// readSigned reads the description of a request, under any of its names.
func readSigned(c *api.Call) (*signedRequest, error) {
	var body struct {
		Credentials    *signedRequest `json:"credentials"`
		Credential     *signedRequest `json:"credential"`
		EC2Credentials *signedRequest `json:"ec2Credentials"`
	}
	if err := c.Read(&body); err != nil {
		return nil, err
	}
	for _, r := range []*signedRequest{body.Credentials, body.Credential, body.EC2Credentials} {
		if r == nil {
			continue
		}
		if r.Access == "" || r.Signature == "" {
			return nil, cloud.Unauthorized("The request has no access key or no signature.")
		}
		return r, nil
	}
	return nil, cloud.BadRequest("The request body must be an object with the member \"credentials\" or \"ec2Credentials\".")
}

// tokenOfKey is the token of a key pair: for its project, with what it was
// made with.
func (s *Service) tokenOfKey(key *credential, b *ec2Blob) (*token, error) {
	t := &token{user: key.UserID, scope: target{"project", orNone(key.ProjectID)}, methods: methodEC2, issued: s.clock(), audit: newAuditID()}
	t.expires = t.issued.Add(tokenLifetime).Truncate(time.Second)
	snap := s.now.Load()
	project := t.scope.id
	switch {
	case orNone(b.TrustID) != "":
		t.trust = *b.TrustID
		tr := snap.trusts.at(t.trust)
		if tr == nil {
			return nil, cloud.Unauthorized("")
		}
		project = tr.ProjectID
		if tr.Impersonation && t.user == tr.TrustorID {
			t.user = tr.TrusteeID
		}
	case orNone(b.AppCredentialID) != "":
		t.appCred = *b.AppCredentialID
		a := snap.appCredentials.at(t.appCred)
		if a == nil {
			return nil, cloud.Unauthorized("")
		}
		project = a.ProjectID
	case orNone(b.AccessTokenID) != "":
		t.access = *b.AccessTokenID
		a := snap.accesses.at(t.access)
		if a == nil {
			return nil, cloud.Unauthorized("")
		}
		project = a.ProjectID
	}
	if project != t.scope.id || project == "" {
		return nil, cloud.Unauthorized("The key is for another project than what it was made with.")
	}
	return t, nil
}

// signedEC2 sees that a request was signed with the secret, not long ago.
func (s *Service) signedEC2(r *signedRequest, secret string) error {
	right, err := r.signatures(secret)
	if err != nil {
		return err
	}
	same := false
	for _, signature := range right {
		same = hmac.Equal([]byte(signature), []byte(r.Signature)) || same
	}
	if !same {
		return errSignature
	}
	return s.recent(r.date())
}

// recent sees that a time of a signature is near.
func (s *Service) recent(text string) error {
	at, err := time.Parse("20060102T150405Z", text)
	if err != nil {
		at, err = parseTime(text)
	}
	if err != nil {
		return err
	}
	if d := s.clock().Sub(at); d > signedSkew || d < -signedSkew {
		return cloud.Unauthorized("The signature is of %s; allowed: %s more or less.", at.Format(time.RFC3339), signedSkew)
	}
	return nil
}

// signedS3 sees that a text was signed with the secret. How old it may be is
// the object store's to say, which knows what the text is about.
func signedS3(r *signedRequest, secret string) error {
	text, err := base64.StdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(r.Token))
	if err != nil {
		return err
	}
	right, err := s3Signature(secret, string(text))
	if err != nil {
		return err
	}
	if !hmac.Equal([]byte(right), []byte(r.Signature)) {
		return errSignature
	}
	return nil
}
