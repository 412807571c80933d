package identity

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

func TestPayload(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 123456000, time.UTC)
	for _, want := range []token{
		{user: cloud.NewHexID(), scope: target{"project", cloud.NewHexID()}, methods: methodPassword | methodToken, issued: now, expires: now.Add(time.Hour),
			audit: newAuditID(), parent: newAuditID(), root: newAuditID()},
		{user: cloud.NewHexID(), scope: target{"domain", "default"}, methods: methodPassword, issued: now, expires: now, audit: newAuditID()},
		{user: cloud.NewHexID(), scope: target{"system", "all"}, methods: methodPassword, issued: now, expires: now, audit: newAuditID()},
		{user: cloud.NewHexID(), scope: target{"project", cloud.NewHexID()}, methods: methodAppCredential, issued: now, expires: now, audit: newAuditID(), appCred: cloud.NewHexID()},
		{user: cloud.NewHexID(), scope: target{"project", cloud.NewHexID()}, methods: methodPassword, issued: now, expires: now, audit: newAuditID(), trust: cloud.NewHexID()},
		{user: strings.Repeat("u", 64), issued: now, expires: now, audit: newAuditID()},
	} {
		got, err := parseToken(want.payload())
		if err != nil {
			t.Errorf("%+v: %v", want, err)
			continue
		}
		if d := cmp.Diff(&want, got, cmp.AllowUnexported(token{}, target{})); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		k := newFernetKey()
		if text, err := k.seal(want.payload(), now); err != nil || len(text) > maxToken {
			t.Errorf("the token has %d characters (%v), want at most %d", len(text), err, maxToken)
		}
	}
}

// Nothing but what a key made opens, and in that spelling only.
func TestHostileTokens(t *testing.T) {
	r, err := openKeyring(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("0123456789")
	good, err := r.seal(message, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.open(good); err != nil || !bytes.Equal(got, message) {
		t.Fatalf("%q, %v", got, err)
	}
	other := newFernetKey()
	foreign, err := other.seal(message, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	bad := []string{"", "ADMIN", foreign, good + "=", good + "!!!!", good + "A", good[:len(good)-1], strings.Repeat("A", 10_000), "\xff\xfe", " " + good}
	for i := range good { // every character changed
		b := []byte(good)
		b[i] ^= 1
		bad = append(bad, string(b))
	}
	for _, text := range bad {
		if _, err := r.open(text); err == nil {
			t.Errorf("%.40q was opened", text)
		}
	}
}

// Tokens outlive one rotation of the keys: they are valid for an hour, and a
// key is primary for a day.
func TestRotate(t *testing.T) {
	dir := t.TempDir()
	r, err := openKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := r.seal([]byte("x"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, true, false} {
		if i == 0 {
			if err := r.rotateIfDue(time.Now().Add(rotateEvery - time.Minute)); err != nil || len(r.keys) != 2 {
				t.Fatalf("%d keys (%v): rotated too early", len(r.keys), err)
			}
		}
		if err := r.rotateIfDue(time.Now().Add(rotateEvery + time.Minute)); err != nil {
			t.Fatal(err)
		}
		again, err := openKeyring(dir)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(again.keys, r.keys) || len(r.keys) > maxKeys {
			t.Errorf("rotation %d: %d keys in memory, %d in the directory, want the same, at most %d", i+1, len(r.keys), len(again.keys), maxKeys)
		}
		if _, err := r.open(text); (err == nil) != want {
			t.Errorf("rotation %d: the old token: %v, want it valid: %v", i+1, err, want)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: mode %v (%v), want 0600", e.Name(), info.Mode(), err)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	full := token{user: cloud.NewHexID(), scope: target{"project", cloud.NewHexID()}, audit: newAuditID()}
	f.Add(full.payload())
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = parseToken(b) })
}
