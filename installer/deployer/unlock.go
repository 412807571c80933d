package deployer

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// Keep hands the keys of the machine's data over, before it enrols.
func (c *Client) Keep(ctx context.Context, req plan.VaultRequest) (plan.Vault, error) {
	var v plan.Vault
	err := c.persist(ctx, http.MethodPost, "/vault", req, &v)
	return v, err
}

// Host is the deployer's name or address.
func (c *Client) Host() string { return c.o.Host }

// CA is the fingerprint of the CA that the deployer is known by.
func (c *Client) CA() string { return c.o.CA }

// A Plea is what a node asks for its key with.
type Plea struct {
	Host string // of the deployer
	CA   string // sha256:<hex> of the CA certificate's DER
	Node string
	Cert tls.Certificate // good for this alone
	LUKS string          // UUID of the volume
	Say  func(format string, args ...any)
	Log  *slog.Logger
	// Pause is the longest pause between two tries; default half a minute.
	Pause time.Duration
}

// Unlock asks for the key until the deployer gives it, or refuses for good
// with a [plan.Refusal]. Why it waits it says when that changes, and every few
// minutes.
func Unlock(ctx context.Context, p Plea) ([]byte, error) {
	w, err := newWire(p.Host, "the CA of the deployer", p.CA, p.Cert)
	if err != nil {
		return nil, err
	}
	defer w.http.CloseIdleConnections()
	r := reminder{say: p.Say}
	longest := p.Pause
	if longest == 0 {
		longest = 30 * time.Second
	}
	for wait := min(time.Second, longest); ; wait = min(2*wait, longest) {
		key, err := p.once(ctx, w)
		if err == nil {
			return key, nil
		}
		if refusal := p.final(err); refusal != nil {
			return nil, refusal
		}
		p.Log.Warn("key of the data partition", "deployer", p.Host, "error", err)
		r.remind("the data partition is encrypted: waiting for its key from the deployer at %s: %v", p.Host, err)
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// final is what no further try can change.
func (p *Plea) final(err error) error {
	var s *StatusError
	stays := "the data partition is encrypted and stays closed: "
	switch {
	case errors.As(err, &s) && s.Code == http.StatusLocked, errors.As(err, &s) && s.Code >= 500:
		return nil
	case errors.As(err, &s) && s.Code == http.StatusNotFound:
		return &plan.Refusal{Reason: fmt.Sprintf("%sthe deployer at %s keeps no key of this node (%s)", stays, p.Host, p.Node),
			Remedy: "Bring back the deployer's state (its vault.key and its database), open the data with the recovery key, or install this machine again"}
	case errors.As(err, &s):
		return &plan.Refusal{Reason: fmt.Sprintf("%sthe deployer at %s refuses its key: %s", stays, p.Host, s.Message),
			Remedy: "Put the disk back into the machine that it was installed in; if this is the machine, install it again"}
	case isCertificate(err):
		return &plan.Refusal{Reason: fmt.Sprintf("%sthe deployer at %s is not the one that has the key: %v", stays, p.Host, err),
			Remedy: "Look who has the address of the deployer; if the cluster was founded anew, install this machine again"}
	}
	return nil
}

func (p *Plea) once(ctx context.Context, w *wire) ([]byte, error) {
	var u plan.Unlock
	if err := w.once(ctx, http.MethodPost, "/v1/nodes/"+url.PathEscape(p.Node)+"/unlock", plan.UnlockRequest{LUKS: p.LUKS}, &u); err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(u.Key)
	if err != nil || len(key) == 0 {
		return nil, errors.New("deployer: its answer has no key") // and may not be shown
	}
	return key, nil
}

// remindAfter is how long the same reason may go without being said again.
const remindAfter = 2 * time.Minute

// A reminder says the same thing not too often.
type reminder struct {
	say  func(format string, args ...any)
	last string
	at   time.Time
}

func (r *reminder) remind(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if text == r.last && time.Since(r.at) < remindAfter {
		return
	}
	r.last, r.at = text, time.Now()
	r.say("%s", text)
}
