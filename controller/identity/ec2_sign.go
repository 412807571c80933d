package identity

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what version 2 of S3's signatures is made with
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"net"
	"slices"
	"strings"
)

// A signedRequest is a request that somebody has signed with an EC2 key pair,
// as the service that received it describes it.
type signedRequest struct {
	Access    string               `json:"access"`
	Signature string               `json:"signature"`
	Host      string               `json:"host"`
	Verb      string               `json:"verb"`
	Path      string               `json:"path"`
	Params    map[string]plainText `json:"params"`
	Headers   map[string]plainText `json:"headers"`
	BodyHash  string               `json:"body_hash"` // SHA-256 in hexadecimal digits, of version 4
	Token     string               `json:"token"`     // of S3: what was signed, in base64
}

// plainText is a text, or a number as it is written.
type plainText string

// UnmarshalJSON takes texts and numbers.
func (p *plainText) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(p))
	}
	var n json.Number
	err := json.Unmarshal(b, &n)
	*p = plainText(n)
	return err
}

// errSignature is what is wrong with a signed request, for the log.
var errSignature = errors.New("the request is not signed in a way that there is")

const algorithmV4 = "AWS4-HMAC-SHA256"

// header is a header, its name in letters of any size.
func (r *signedRequest) header(name string) (string, bool) {
	for n, v := range r.Headers {
		if strings.EqualFold(strings.TrimSpace(n), name) {
			return string(v), true
		}
	}
	return "", false
}

// date is when the request was signed: in a header, a parameter of version 4,
// or one of version 2.
func (r *signedRequest) date() string {
	if v, ok := r.header("X-Amz-Date"); ok {
		return v
	}
	if v := r.Params["X-Amz-Date"]; v != "" {
		return string(v)
	}
	return string(r.Params["Timestamp"])
}

// signatures are those of the request with a secret that are right: one, or
// of version 2 two, for some clients leave the port of the host out.
func (r *signedRequest) signatures(secret string) ([]string, error) {
	if r.Params["SignatureVersion"] == "2" {
		if m := r.Params["SignatureMethod"]; m != "HmacSHA256" {
			return nil, fmt.Errorf("SignatureMethod is %q; allowed: HmacSHA256: %w", short(string(m)), errSignature)
		}
		list := []string{r.version2(secret, r.Host)}
		if host, _, err := net.SplitHostPort(r.Host); err == nil {
			list = append(list, r.version2(secret, host))
		}
		return list, nil
	}
	s, err := r.version4(secret)
	return []string{s}, err
}

// version2 signs the request with AWS's signature version 2.
func (r *signedRequest) version2(secret, host string) string {
	text := r.Verb + "\n" + host + "\n" + r.Path + "\n" + r.canonicalQuery("Signature")
	return base64.StdEncoding.EncodeToString(sign(sha256.New, []byte(secret), text))
}

// A scopeV4 is the credential of version 4 in its parts: the access key, the
// day, the region and the service.
type scopeV4 struct{ access, day, region, service string }

func parseScopeV4(credential string) (scopeV4, error) {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || parts[4] != "aws4_request" || slices.Contains(parts, "") {
		return scopeV4{}, errSignature
	}
	return scopeV4{parts[0], parts[1], parts[2], parts[3]}, nil
}

// text is the scope behind the access key.
func (s scopeV4) text() string { return s.day + "/" + s.region + "/" + s.service + "/aws4_request" }

// key is what is signed with.
func (s scopeV4) key(secret string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.day, s.region, s.service, "aws4_request"} {
		key = sign(sha256.New, key, part)
	}
	return key
}

// version4 signs the request with AWS's signature version 4, whose parameters
// are in the header Authorization or in the query.
func (r *signedRequest) version4(secret string) (string, error) {
	credential, signed, err := r.parametersV4()
	if err != nil {
		return "", err
	}
	scope, err := parseScopeV4(credential)
	if err != nil {
		return "", err
	}
	date := r.date()
	if scope.access != r.Access || !strings.HasPrefix(date, scope.day) {
		return "", errSignature
	}
	headers, err := r.canonicalHeaders(signed)
	if err != nil {
		return "", err
	}
	query := ""
	if !strings.EqualFold(r.Verb, "POST") { // whose parameters are in the body
		query = r.canonicalQuery("X-Amz-Signature")
	}
	request := strings.Join([]string{strings.ToUpper(r.Verb), r.Path, query, headers, signed, r.BodyHash}, "\n")
	sum := sha256.Sum256([]byte(request))
	text := strings.Join([]string{algorithmV4, date, scope.text(), hex.EncodeToString(sum[:])}, "\n")
	return hex.EncodeToString(sign(sha256.New, scope.key(secret), text)), nil
}

// parametersV4 are the credential and the list of headers that are signed.
func (r *signedRequest) parametersV4() (credential, signed string, err error) {
	authorization, _ := r.header("Authorization")
	rest, ok := strings.CutPrefix(authorization, algorithmV4)
	if !ok {
		if r.Params["X-Amz-Algorithm"] != algorithmV4 {
			return "", "", errSignature
		}
		return string(r.Params["X-Amz-Credential"]), string(r.Params["X-Amz-SignedHeaders"]), nil
	}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			credential = value
		case "SignedHeaders":
			signed = value
		}
	}
	return credential, signed, nil
}

// canonicalHeaders are the headers that are signed, a line for each. The host
// must be among them: else the signature would do for any cloud.
func (r *signedRequest) canonicalHeaders(signed string) (string, error) {
	names := strings.Split(signed, ";")
	if !slices.Contains(names, "host") {
		return "", fmt.Errorf("the host is not signed: %w", errSignature)
	}
	var b strings.Builder
	for _, name := range names {
		value, ok := r.header(name)
		if !ok {
			continue
		}
		b.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	return b.String(), nil
}

// canonicalQuery are the parameters but one, sorted and escaped.
func (r *signedRequest) canonicalQuery(without string) string {
	var pairs []string
	for _, name := range sortedKeys(r.Params) {
		if name != without {
			pairs = append(pairs, percent(name)+"="+percent(string(r.Params[name])))
		}
	}
	return strings.Join(pairs, "&")
}

// percent escapes all but the unreserved characters of RFC 3986, 2.3; so do
// AWS's signatures and OAuth's.
func percent(s string) string {
	const unreserved = "-._~"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte(unreserved, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// s3Signature signs a text as clients of S3 do: with version 4, which the text
// says by itself, or with version 2.
func s3Signature(secret, text string) (string, error) {
	if !strings.HasPrefix(text, "AWS4") {
		return base64.StdEncoding.EncodeToString(sign(sha1.New, []byte(secret), text)), nil
	}
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[0] != algorithmV4 {
		return "", errSignature
	}
	scope, err := parseScopeV4("x/" + lines[2])
	if err != nil || scope.service != "s3" || !strings.HasPrefix(lines[1], scope.day) {
		return "", errSignature
	}
	return hex.EncodeToString(sign(sha256.New, scope.key(secret), text)), nil
}

func sign(of func() hash.Hash, key []byte, text string) []byte {
	mac := hmac.New(of, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
