package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// A remote is a server that speaks S3.
type remote struct {
	signer
	http     *http.Client
	endpoint string
}

// patience is how long a transfer may stand still.
const patience = 2 * time.Minute

func newRemote(o S3Options) (remote, error) {
	u, err := url.Parse("https://" + o.Endpoint)
	if err != nil || u.Host != o.Endpoint || u.Hostname() == "" {
		return remote{}, fmt.Errorf("endpoint %q; allowed: host or host:port, which is spoken to over TLS", o.Endpoint)
	}
	secret, err := readSecret(o.SecretFile)
	if err != nil {
		return remote{}, fmt.Errorf("secret_key_file: %w", err)
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return remote{}, err
		}
		if trust.RootCAs = x509.NewCertPool(); !trust.RootCAs.AppendCertsFromPEM(pem) {
			return remote{}, fmt.Errorf("%s has no certificate", o.CA)
		}
	}
	return remote{
		signer: signer{access: o.AccessKey, secret: secret, region: o.Region}, endpoint: u.String(),
		http: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{ // no proxy, whatever the environment says
				TLSClientConfig: trust, TLSHandshakeTimeout: 15 * time.Second, ResponseHeaderTimeout: patience,
				MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, DisableCompression: true,
			},
		},
	}, nil
}

// readSecret reads a key that only its owner and group may read.
func readSecret(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("%s has the mode %04o, everybody may read it; allowed: 0600, 0640", path, info.Mode().Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if secret := strings.TrimSpace(string(b)); secret != "" {
		return secret, nil
	}
	return "", fmt.Errorf("%s is empty; allowed: a secret key", path)
}

// An s3Error is what a server answers in place of what was asked for.
type s3Error struct {
	Status        int
	Code, Message string
}

// Error is all of it.
func (e *s3Error) Error() string {
	return fmt.Sprintf("S3 answers %d %s: %.200s", e.Status, e.Code, e.Message)
}

// Is tells whether it says that there is no such object.
func (e *s3Error) Is(target error) bool {
	return target == fs.ErrNotExist && e.Status == http.StatusNotFound && e.Code != "NoSuchBucket"
}

// absent is no error where something was to go.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// tries is how often something is asked; the pause in between doubles.
const (
	tries = 4
	pause = 200 * time.Millisecond
)

// again does something until it succeeds, and gives up when that is of no use.
func again(ctx context.Context, do func() error) error {
	for n := 1; ; n++ {
		err := do()
		answer, answered := errors.AsType[*s3Error](err)
		if err == nil || n == tries || ctx.Err() != nil || answered && answer.Status < 500 && answer.Status != http.StatusTooManyRequests {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause << n):
		}
	}
}

// A tally counts what is sent, over all parts.
type tally struct {
	n    atomic.Int64
	tell func(int64)
}

func (t *tally) add(n int64) {
	if sum := t.n.Add(n); t.tell != nil {
		t.tell(sum)
	}
}

// alive resets a timer with every read, and tells how much was read.
type alive struct {
	io.Reader
	timer *time.Timer
	read  func(n int)
}

// Read reads on.
func (a alive) Read(b []byte) (int, error) {
	n, err := a.Reader.Read(b)
	a.timer.Reset(patience)
	a.read(n)
	return n, err
}

// send puts data; the server checks its sum. It gives the tag that the server
// knows it by.
func (r *remote) send(ctx context.Context, to string, query url.Values, data *io.SectionReader, sent *tally) (tag string, err error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, data); err != nil {
		return "", err
	}
	hash := hex.EncodeToString(sum.Sum(nil))
	err = again(ctx, func() error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		timer := time.AfterFunc(patience, cancel)
		defer timer.Stop()
		var counted atomic.Int64 // a try that has failed may still be read from
		body := alive{io.NewSectionReader(data, 0, data.Size()), timer, func(n int) {
			counted.Add(int64(n))
			sent.add(int64(n))
		}}
		resp, err := r.do(ctx, http.MethodPut, to, query, request{body: body, size: data.Size(), hash: hash})
		if err != nil {
			sent.add(-counted.Load())
			return err
		}
		tag = resp.Header.Get("ETag")
		return resp.Body.Close()
	})
	return tag, err
}

// maxAnswer is how long a list or an error may be.
const maxAnswer = 8 << 20

// ask asks for something small, and reads the answer.
func (r *remote) ask(ctx context.Context, method, path string, query url.Values, body []byte, to any) error {
	sum := sha256.Sum256(body)
	return again(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		resp, err := r.do(ctx, method, path, query, request{body: bytes.NewReader(body), size: int64(len(body)), hash: hex.EncodeToString(sum[:])})
		if err != nil {
			return err
		}
		answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err == nil && to != nil {
			err = xml.Unmarshal(answer, to)
		}
		return errors.Join(err, resp.Body.Close())
	})
}

// A request is what goes with a call.
type request struct {
	body   io.Reader
	size   int64
	hash   string // SHA-256 of the body, hex
	header map[string]string
}

// do makes one call; an answer of another sort than 2xx is an error.
func (r *remote) do(ctx context.Context, method, path string, query url.Values, q request) (*http.Response, error) {
	address := r.endpoint + path
	if len(query) > 0 {
		address += "?" + encode(query)
	}
	if q.size == 0 {
		q.body = http.NoBody
	}
	req, err := http.NewRequestWithContext(ctx, method, address, q.body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = q.size
	for name, value := range q.header {
		req.Header.Set(name, value)
	}
	r.sign(req, q.hash, time.Now())
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	e := &s3Error{}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err == nil {
		_ = xml.Unmarshal(text, e) // HEAD has no body, and proxies have their own
	}
	e.Status = resp.StatusCode
	return nil, errors.Join(e, err, resp.Body.Close())
}

func escape(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // into memory
	return b.String()
}
