package identity

import (
	"encoding/base32"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// The passcodes of RFC 6238, appendix B, as six digits.
func TestPasscode(t *testing.T) {
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		if got := passcode([]byte("12345678901234567890"), at/30); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
}

const testSecret = "12345678901234567890"

// withTOTP gives a user a secret.
func (a *accounts) withTOTP(user string) {
	a.t.Helper()
	a.asRoot(201, http.MethodPost, "/credentials", `{"credential": {"type": "totp", "user_id": "`+user+`", "blob": "`+base32.StdEncoding.EncodeToString([]byte(testSecret))+`"}}`)
}

// code is the passcode of a time from now.
func (a *accounts) code(from time.Duration) string {
	return passcode([]byte(testSecret), a.clock.now().Add(from).Unix()/30)
}

// prove logs in by methods whose values are given as JSON.
func (a *accounts) prove(status int, receipt string, methods map[string]string) *httptest.ResponseRecorder {
	a.t.Helper()
	var values []string
	for _, m := range sortedKeys(methods) {
		values = append(values, `"`+m+`": {"user": `+methods[m]+`}`)
	}
	body := `{"auth": {"identity": {"methods": ["` + strings.Join(sortedKeys(methods), `", "`) + `"], ` + strings.Join(values, ", ") + `}}}`
	return a.ask(status, "", http.MethodPost, "/auth/tokens", body, headerReceipt, receipt)
}

func password(user, password string) string {
	return `{"id": "` + user + `", "password": "` + password + `"}`
}
func totp(user, code string) string { return `{"id": "` + user + `", "passcode": "` + code + `"}` }

// A passcode counts once, for all controllers, a step early or late, and no
// passcode before it counts afterwards.
func TestTOTP(t *testing.T) {
	db := apitest.Database(t, "identity", store.Source{Name: "identity", FS: Migrations})
	dir, clock := t.TempDir(), newTestClock()
	rules := DefaultPasswordRules()
	one, two := accountsOn(t, db, dir, clock, rules), accountsOn(t, db, dir, clock, rules)
	ann := one.user("ann", "right", "")
	if err := two.service.follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	one.asRoot(400, http.MethodPost, "/credentials", `{"credential": {"type": "totp", "user_id": "`+ann+`", "blob": "1"}}`)
	one.withTOTP(ann)
	both := func(a *accounts, status int, from time.Duration) {
		t.Helper()
		a.prove(status, "", map[string]string{"password": password(ann, "right"), "totp": totp(ann, a.code(from))})
	}
	both(one, 401, -60*time.Second)
	both(one, 401, 60*time.Second)
	both(one, 201, -30*time.Second)
	both(two, 401, -30*time.Second)
	both(two, 201, 30*time.Second)
	both(one, 401, 0)
	clock.move(time.Minute)
	w := one.prove(201, "", map[string]string{"password": password(ann, "right"), "totp": totp(ann, one.code(0))})
	if !strings.Contains(w.Body.String(), `"methods":["password","totp"]`) {
		t.Errorf("methods: %s", w.Body)
	}
	clock.move(time.Minute)
	one.prove(401, "", map[string]string{"totp": totp("nobody", one.code(0))})
	ben := one.user("ben", "right", "")
	one.prove(401, "", map[string]string{"password": password(ben, "right"), "totp": totp(ann, one.code(0))})
}

// A user with rules proves all of one rule, at once or one after the other.
func TestReceipts(t *testing.T) {
	a := startAccounts(t, DefaultPasswordRules())
	ann := a.user("ann", "right", `, "options": {"multi_factor_auth_enabled": true, "multi_factor_auth_rules": [["password", "totp"]]}`)
	ben := a.user("ben", "right", "")
	a.withTOTP(ann)
	w := a.prove(401, "", map[string]string{"password": password(ann, "right")})
	receipt := w.Header().Get(headerReceipt)
	if receipt == "" || !strings.Contains(w.Body.String(), `"required_auth_methods":[["password","totp"]]`) || textAt(t, w, "receipt", "user", "id") != ann {
		t.Fatalf("receipt %q: %s", receipt, w.Body)
	}
	if w := a.prove(401, "", map[string]string{"password": password(ann, "wrong")}); w.Header().Get(headerReceipt) != "" {
		t.Error("a receipt for a wrong password")
	}
	a.ask(401, receipt, http.MethodGet, "/users/"+ann, "") // is no token
	a.prove(401, receipt, map[string]string{"password": password(ben, "right")})
	a.prove(401, receipt, map[string]string{"totp": totp(ann, "000000")})
	a.prove(401, receipt[:len(receipt)-1]+"x", map[string]string{"totp": totp(ann, a.code(0))})
	w = a.prove(201, receipt, map[string]string{"totp": totp(ann, a.code(30*time.Second))})
	token := w.Header().Get(headerSubject)
	a.ask(201, "", http.MethodPost, "/auth/tokens", `{"auth": {"identity": {"methods": ["token"], "token": {"id": "`+token+`"}}}}`)

	a.clock.move(receiptLifetime)
	a.prove(401, receipt, map[string]string{"totp": totp(ann, a.code(0))})
	a.clock.move(time.Minute)
	receipt = a.prove(401, "", map[string]string{"totp": totp(ann, a.code(0))}).Header().Get(headerReceipt)
	a.prove(201, receipt, map[string]string{"password": password(ann, "right")})
	a.asRoot(200, http.MethodPatch, "/users/"+ann, `{"user": {"options": {"multi_factor_auth_enabled": false}}}`)
	a.prove(201, "", map[string]string{"password": password(ann, "right")})

	// A passcode alone is no first factor where no rule says so.
	a.clock.move(time.Minute)
	a.prove(401, "", map[string]string{"totp": totp(ann, a.code(0))})
	a.asRoot(200, http.MethodPatch, "/users/"+ann, `{"user": {"options": {"multi_factor_auth_enabled": true, "multi_factor_auth_rules": [["totp"]]}}}`)
	a.clock.move(time.Minute)
	a.prove(201, "", map[string]string{"totp": totp(ann, a.code(0))})
}

// Guessing passcodes ends where guessing passwords does, and a right password
// in between does not begin it anew.
func TestTOTPLocksOut(t *testing.T) {
	a := startAccounts(t, PasswordRules{LockoutAttempts: 3, LockoutSeconds: 60})
	ann := a.user("ann", "right", "")
	a.withTOTP(ann)
	for range 3 {
		a.prove(401, "", map[string]string{"password": password(ann, "right"), "totp": totp(ann, "1")})
	}
	a.prove(401, "", map[string]string{"password": password(ann, "right"), "totp": totp(ann, a.code(0))})
	a.logIn(401, ann, "right")
	a.clock.move(time.Minute)
	a.prove(201, "", map[string]string{"password": password(ann, "right"), "totp": totp(ann, a.code(0))})
}

func FuzzTOTPSecret(f *testing.F) {
	f.Add("GEZD GNBV gy3t-qojq====", "287082", int64(59))
	f.Fuzz(func(t *testing.T, blob, code string, at int64) {
		secret, err := totpSecret(blob)
		if err != nil {
			return
		}
		if len(secret) < minTOTPSecret {
			t.Errorf("a secret of %d bytes", len(secret))
		}
		now := time.Unix(at&(1<<40-1), 0)
		if step, ok := stepOf(secret, now, code); ok && passcode(secret, step) != code {
			t.Errorf("%q is not the passcode of step %d", code, step)
		}
		if _, ok := stepOf(secret, now, passcode(secret, now.Unix()/30)); !ok {
			t.Error("the passcode of now is not right")
		}
	})
}

func FuzzReceipt(f *testing.F) {
	r := receipt{"u", methodPassword, time.UnixMicro(1), time.UnixMicro(2)}
	f.Add(r.payload())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseReceipt(b)
		if err != nil {
			return
		}
		if again, err := parseReceipt(r.payload()); err != nil || !cmp.Equal(*r, *again, cmp.AllowUnexported(receipt{})) {
			t.Errorf("%+v becomes %+v (%v)", r, again, err)
		}
		if _, err := parseToken(b); err == nil {
			t.Error("a receipt is a token")
		}
	})
}
