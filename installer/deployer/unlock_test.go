package deployer

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// pleaTo is what a node asks that deployer with.
func pleaTo(t *testing.T, host string, ca *pki.CA, say func(string, ...any)) Plea {
	t.Helper()
	key, csr, err := pki.NewRequest()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.IssueUnlock(csr, "n1")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return Plea{Host: host, CA: ca.Fingerprint(), Node: "n1", Cert: pair, LUKS: "u1", Say: say, Log: slog.New(slog.DiscardHandler), Pause: time.Millisecond}
}

func refusing(code int, why string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": why})
	}
}

func TestUnlockWaitsAndSaysWhy(t *testing.T) {
	asked := 0
	host, ca := served(t, []string{"deployer"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req plan.UnlockRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil || req.LUKS != "u1" || r.URL.Path != "/v1/nodes/n1/unlock" || r.Method != http.MethodPost {
			t.Errorf("asked %s %s %+v, %v", r.Method, r.URL, req, err)
		}
		asked++
		switch {
		case asked == 1:
			refusing(http.StatusInternalServerError, "it failed")(w, r)
		case asked < 5:
			refusing(http.StatusLocked, "locked: by an operator")(w, r)
		default:
			_ = json.NewEncoder(w).Encode(plan.Unlock{Key: base64.StdEncoding.EncodeToString([]byte("the key"))})
		}
	}))
	var said []string
	p := pleaTo(t, host, ca, func(f string, a ...any) { said = append(said, fmt.Sprintf(f, a...)) })
	if key, err := Unlock(t.Context(), p); err != nil || string(key) != "the key" {
		t.Errorf("got %q, %v", key, err)
	}
	want := []string{
		"the data partition is encrypted: waiting for its key from the deployer at " + host + ": the deployer answers 500: it failed",
		"the data partition is encrypted: waiting for its key from the deployer at " + host + ": the deployer answers 423: locked: by an operator",
	}
	if d := cmp.Diff(want, said); d != "" {
		t.Error(d)
	}
}

func TestUnlockEndsWithWhatStays(t *testing.T) {
	for _, c := range []struct {
		name   string
		served string
		answer http.HandlerFunc
		want   string
	}{
		{"unknown", "deployer", refusing(http.StatusNotFound, "no"), "the data partition is encrypted and stays closed: the deployer at HOST keeps no key of this node (n1). " +
			"Bring back the deployer's state (its vault.key and its database), open the data with the recovery key, or install this machine again."},
		{"another volume", "deployer", refusing(http.StatusForbidden, "refused: another volume"), "the data partition is encrypted and stays closed: the deployer at HOST refuses its key: refused: another volume. " +
			"Put the disk back into the machine that it was installed in; if this is the machine, install it again."},
		{"somebody else", "node-7", refusing(http.StatusOK, ""), "the data partition is encrypted and stays closed: the deployer at HOST is not the one that has the key: "},
	} {
		host, ca := served(t, []string{c.served}, c.answer)
		_, err := Unlock(t.Context(), pleaTo(t, host, ca, t.Logf))
		var refusal *plan.Refusal
		if want := strings.ReplaceAll(c.want, "HOST", host); !errors.As(err, &refusal) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v\nwant %s", c.name, err, want)
		}
	}
}

// TestAnswersWithoutAKeyAreNotShown feeds what may hold half of one.
func TestAnswersWithoutAKeyAreNotShown(t *testing.T) {
	for answer, want := range map[string]string{
		`{"key":"?secret"}`: "deployer: its answer has no key",
		`{"key":"sec`:       "deployer: answer to /v1/nodes/n1/unlock: unexpected end of JSON input",
		`{}`:                "deployer: its answer has no key",
	} {
		host, ca := served(t, []string{"deployer"}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(answer))
		}))
		p := pleaTo(t, host, ca, t.Logf)
		c, err := newWire(p.Host, "the CA of the deployer", p.CA, p.Cert)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.once(t.Context(), c); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", answer, err, want)
		}
	}
}
