package identity

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is sealed opens with the same file's key and for the same row only, and
// the file is its owner's alone.
func TestSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "credential-key")
	one, err := openSecrets(path)
	if err != nil {
		t.Fatal(err)
	}
	two, err := openSecrets(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed := one.seal("hush", "row")
	if got, err := two.open(sealed, "row"); err != nil || got != "hush" {
		t.Errorf("opened %q, %v", got, err)
	}
	if !two.matches(one.hash("secret"), "secret") || two.matches(one.hash("secret"), "other") {
		t.Error("the hash of a secret matches it not, or another one")
	}
	for _, bad := range [][2]string{{sealed, "other row"}, {sealed[:len(sealed)-8], "row"}, {"", "row"}, {"%", "row"}, {strings.ToLower(sealed), "row"}} {
		if text, err := one.open(bad[0], bad[1]); err == nil {
			t.Errorf("%q of %q opens: %q", bad[0], bad[1], text)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode of the key is %v, want 0600 (%v)", info.Mode(), err)
	}
	if err := os.WriteFile(path, []byte("c2hvcnQ=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openSecrets(path); err == nil || !strings.Contains(err.Error(), "5 bytes") {
		t.Errorf("a short key: %v", err)
	}
}

func TestAccessRule(t *testing.T) {
	for _, c := range []struct {
		rule, path string
		want       bool
	}{
		{"/v2.1/servers", "/v2.1/servers", true}, {"/v2.1/servers", "/v2.1/servers/", true}, {"/v2.1/servers", "/v2.1/servers/1", false},
		{"/v2.1/servers/*/ips", "/v2.1/servers/1/ips", true}, {"/v2.1/servers/*/ips", "/v2.1/servers/1/2/ips", false},
		{"/v2.1/servers/{server_id}", "/v2.1/servers/1", true}, {"/v2.1/servers/*", "/v2.1/servers", false},
		{"/v2.1/**", "/v2.1/servers/1/ips", true}, {"/v2.1/**", "/v2.1", false}, {"/**/ips", "/v2.1/servers/1/ips", true},
		{"/**/ips", "/v2.1/servers/1", false}, {"/v2.1/servers*", "/v2.1/servers1", false},
	} {
		r := accessRule{Service: "compute", Method: "GET", Path: c.rule}
		if got := r.permits("compute", "GET", c.path); got != c.want {
			t.Errorf("%s permits %s: %v, want %v", c.rule, c.path, got, c.want)
		}
		if r.permits("image", "GET", c.path) || r.permits("compute", "POST", c.path) {
			t.Errorf("%s permits another service or method", c.rule)
		}
	}
}
