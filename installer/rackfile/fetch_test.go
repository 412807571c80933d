package rackfile

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/hardening/pki"
)

const text = "name: a\n"

func sum(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

func serve(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/rack.yaml":
		fmt.Fprint(w, text)
	case "/away":
		http.Redirect(w, r, "/rack.yaml", http.StatusFound)
	case "/long":
		fmt.Fprint(w, strings.Repeat("#", maxFetched+1))
	default:
		http.NotFound(w, r)
	}
}

func TestFetch(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(serve))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(serve))
	defer secure.Close()
	cert := sum(secure.Certificate().Raw)
	zeros := strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		r    Remote
		want string // error; empty: none
	}{
		"http, text pinned":  {Remote{URL: plain.URL + "/rack.yaml", SHA256: sum([]byte(text))}, ""},
		"https, pinned":      {Remote{URL: secure.URL + "/rack.yaml", CA: "sha256:" + cert}, ""},
		"https, both pinned": {Remote{URL: secure.URL + "/rack.yaml", CA: "sha256:" + cert, SHA256: sum([]byte(text))}, ""},

		"http, nothing pinned": {Remote{URL: plain.URL + "/rack.yaml"}, "cairn.rack is " + plain.URL + "/rack.yaml, and anybody on the way can change what comes over http. " +
			"Pin the text with cairn.rack_sha256=<hex> (sha256sum rack.yaml), or use https with cairn.rack_ca."},
		"http, certificate pinned": {Remote{URL: plain.URL + "/rack.yaml", CA: cert}, "cairn.rack is " + plain.URL + "/rack.yaml, and anybody on the way can change what comes over http. " +
			"Pin the text with cairn.rack_sha256=<hex> (sha256sum rack.yaml), or use https with cairn.rack_ca."},
		"https, nothing pinned": {Remote{URL: secure.URL + "/rack.yaml"}, "cairn.rack is " + secure.URL + "/rack.yaml, and nothing says which certificate that server has. " +
			"Pin it with cairn.rack_ca=sha256:<hex> (openssl x509 -in server.crt -outform der | sha256sum)."},
		"https, another certificate": {Remote{URL: secure.URL + "/rack.yaml", CA: zeros}, "cairn.rack: Get \"" + secure.URL + "/rack.yaml\": " +
			"cairn.rack_ca names none of the certificates that the server shows; its own is sha256:" + cert},
		"another text": {Remote{URL: plain.URL + "/rack.yaml", SHA256: zeros}, "cairn.rack_sha256 is " + zeros + ", and the text at " + plain.URL + "/rack.yaml has " + sum([]byte(text)) +
			". Somebody changed the text: look at it, and correct the kernel line if it is right."},
		"no digest": {Remote{URL: plain.URL + "/rack.yaml", SHA256: "abc"}, `cairn.rack_sha256 is "abc"; allowed: 64 hex digits`},
		"no CA":     {Remote{URL: secure.URL + "/rack.yaml", CA: "sha256:zz"}, `cairn.rack_ca is "zz"; allowed: sha256: and 64 hex digits`},
		"no host":   {Remote{URL: "https:///rack.yaml", CA: cert}, `cairn.rack is "https:///rack.yaml"; allowed: an https or http URL with a host`},
		"not there": {Remote{URL: plain.URL + "/x", SHA256: zeros}, "cairn.rack: " + plain.URL + "/x answers 404 Not Found; allowed: 200 OK"},
		"redirect":  {Remote{URL: plain.URL + "/away", SHA256: zeros}, "cairn.rack: Get \"/rack.yaml\": the server points to another address; allowed: the text itself"},
		"too long":  {Remote{URL: plain.URL + "/long", SHA256: zeros}, "cairn.rack: " + plain.URL + "/long is longer than 1048576 bytes; allowed: at most that"},
	} {
		got, err := c.r.Fetch(t.Context())
		switch {
		case c.want == "" && (err != nil || string(got) != text):
			t.Errorf("%s: %q, %v", name, got, err)
		case c.want != "" && err == nil:
			t.Errorf("%s: accepted", name)
		case c.want != "":
			if d := cmp.Diff(c.want, err.Error()); d != "" {
				t.Errorf("%s: %s", name, d)
			}
		}
	}
}

// TestFetchTrustsTheCAThatIsPinned has a server with a certificate of a CA of
// its own: the CA is trusted for the server's name, and for no other.
func TestFetchTrustsTheCAThatIsPinned(t *testing.T) {
	ca, err := pki.FoundCA(t.TempDir(), "test")
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{"localhost": "", "elsewhere": "the server's certificate: x509: certificate is valid for elsewhere, not localhost"} {
		pair, err := ca.IssuePeer([]string{host}, nil)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
		if err != nil {
			t.Fatal(err)
		}
		cert.Certificate = [][]byte{cert.Certificate[0], ca.Certificate().Raw}
		s := httptest.NewUnstartedServer(http.HandlerFunc(serve))
		s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		s.StartTLS()
		where := strings.Replace(s.URL, "127.0.0.1", "localhost", 1) + "/rack.yaml"
		_, err = Remote{URL: where, CA: ca.Fingerprint()}.Fetch(t.Context())
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasSuffix(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", host, err, want)
		}
		s.Close()
	}
}
