package identity

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// Failures are one count for all controllers of a database, and are forgotten
// by time, by a log-in and by an administrator.
func TestLockOut(t *testing.T) {
	db := apitest.Database(t, "identity", store.Source{Name: "identity", FS: Migrations})
	dir, clock := t.TempDir(), newTestClock()
	rules := PasswordRules{LockoutAttempts: 4, LockoutSeconds: 60}
	one, two := accountsOn(t, db, dir, clock, rules), accountsOn(t, db, dir, clock, rules)
	ann := one.user("ann", "right", "")
	if err := two.service.follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	one.logIn(201, ann, "right")
	fail := func(n int) {
		for i := range n {
			[]*accounts{one, two}[i%2].logIn(401, ann, "wrong")
		}
	}
	fail(3)
	two.logIn(201, ann, "right")
	fail(4)
	same := one.logIn(401, ann, "right").Body.String()
	if nobody := two.logIn(401, "nobody", "right").Body.String(); nobody != same {
		t.Errorf("locked out: %s; nobody: %s", same, nobody)
	}
	two.ask(401, "", http.MethodPost, "/users/"+ann+"/password", `{"user": {"original_password": "right", "password": "other"}}`)
	clock.move(time.Minute)
	two.logIn(201, ann, "right")
	one.logIn(201, ann, "right")
	fail(4)
	two.logIn(401, ann, "right")
	one.asRoot(200, http.MethodPatch, "/users/"+ann, `{"user": {"enabled": true}}`)
	one.logIn(201, ann, "right")
}

// Names of nobody are counted as users are, in a bounded number of rows; a
// log-in that succeeds writes nothing.
func TestFailuresOfNobody(t *testing.T) {
	a := startAccounts(t, PasswordRules{LockoutAttempts: 3, LockoutSeconds: 60})
	exempt := a.user("exempt", "right", `, "options": {"ignore_lockout_failure_attempts": true}`)
	for range 5 {
		a.logIn(401, "nobody", "x")
		a.logIn(401, exempt, "x")
	}
	a.logIn(201, exempt, "right")
	rows, err := a.service.tables.failures.List(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if n, err := strconv.Atoi(strings.TrimPrefix(r.Who, "nobody ")); err != nil || n >= nobodies || r.Count != 3 {
			t.Errorf("%s failed %d times, want 3 of nobody", r.Who, r.Count)
		}
	}
	if len(rows) != 2 {
		t.Errorf("%d rows, want 2", len(rows))
	}
}

func TestPasswordsExpire(t *testing.T) {
	a := startAccounts(t, PasswordRules{ExpiresDays: 30, ChangeUponFirstUse: true, MinimumAgeDays: 2, UniqueLast: 3})
	ann := a.user("ann", "first", "")
	robot := a.user("robot", "first", `, "options": {"ignore_change_password_upon_first_use": true, "ignore_password_expiry": true}`)
	change := func(status int, from, to string) string {
		t.Helper()
		return a.ask(status, "", http.MethodPost, "/users/"+ann+"/password", `{"user": {"original_password": "`+from+`", "password": "`+to+`"}}`).Body.String()
	}
	a.logIn(201, robot, "first")
	if says := a.logIn(401, ann, "first").Body.String(); !strings.Contains(says, "expired") {
		t.Errorf("first use: %s", says)
	}
	if says := a.logIn(401, ann, "wrong").Body.String(); strings.Contains(says, "expired") {
		t.Errorf("a wrong password: %s", says)
	}
	change(400, "first", "first") // one of the last three
	change(204, "first", "second")
	change(400, "second", "third") // too young
	until := textAt(t, a.logIn(201, ann, "second"), "token", "user", "password_expires_at")
	if want := a.clock.now().Add(30 * day).Format(plainLayout); until != want {
		t.Errorf("the token's password expires at %s, want %s", until, want)
	}
	list := func(filter string, want int) {
		t.Helper()
		w := a.asRoot(200, http.MethodGet, "/users?password_expires_at="+filter, "")
		if n := strings.Count(w.Body.String(), `"name"`); n != want {
			t.Errorf("%s: %d users, want %d: %s", filter, n, want, w.Body)
		}
	}
	list("gt:"+a.clock.now().Add(29*day).Format(time.RFC3339), 1)
	list("lt:"+a.clock.now().Add(29*day).Format(time.RFC3339), 0)
	a.clock.move(3 * day)
	change(204, "second", "third")
	a.clock.move(3 * day)
	change(400, "third", "first")
	a.clock.move(28 * day)
	a.logIn(401, ann, "third") // expired
	a.logIn(201, robot, "first")
	change(204, "third", "fourth") // which says nothing against a new one
	a.clock.move(3 * day)
	change(204, "fourth", "first")                                                    // three others were between
	a.asRoot(200, http.MethodPatch, "/users/"+ann, `{"user": {"password": "first"}}`) // administrators may
}

func TestPasswordRequirements(t *testing.T) {
	a := startAccounts(t, PasswordRules{Regex: `^(?=.*\d)(?=.*[a-z])(?!.*secret).{7,}$`, RegexDescription: "seven characters, a digit, a letter"})
	w := a.asRoot(400, http.MethodPost, "/users", `{"user": {"name": "ann", "password": "short1"}}`)
	if !strings.Contains(w.Body.String(), "seven characters, a digit, a letter") {
		t.Errorf("the error does not say what is required: %s", w.Body)
	}
	ann := a.user("ann", "abcdef1", "")
	a.asRoot(400, http.MethodPatch, "/users/"+ann, `{"user": {"password": "my secret 1"}}`)
	a.ask(400, "", http.MethodPost, "/users/"+ann+"/password", `{"user": {"original_password": "abcdef1", "password": "abcdefg"}}`)
	a.ask(204, "", http.MethodPost, "/users/"+ann+"/password", `{"user": {"original_password": "abcdef1", "password": "abcdef2"}}`)
}

// Who does not log in for too long is disabled, and not by what an old memory
// says.
func TestInactiveUsers(t *testing.T) {
	a := startAccounts(t, PasswordRules{InactiveDays: 10})
	ann, ben := a.user("ann", "right", ""), a.user("ben", "right", "")
	robot := a.user("robot", "right", `, "options": {"ignore_user_inactivity": true}`)
	for range 3 {
		a.clock.move(6 * day)
		a.logIn(201, ann, "right")
	}
	a.logIn(401, ben, "right")
	a.logIn(201, robot, "right")
	if err := a.service.disableInactive(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{ann: true, ben: false, robot: true} {
		if got := a.service.now.Load().users.at(id).Enabled; got != want {
			t.Errorf("user %s: enabled %v, want %v", id, got, want)
		}
	}
	a.asRoot(200, http.MethodPatch, "/users/"+ben, `{"user": {"enabled": true}}`)
	a.logIn(201, ben, "right")
}

func TestPasswordPattern(t *testing.T) {
	const several = `^(?=.*\d)(?=.*[a-zA-Z]).{7,}$`
	tests := []struct {
		pattern, password string
		want              bool
	}{
		{"", "", true},
		{several, "abcdef1", true},
		{several, "abcdefg", false},
		{several, "abc1", false},
		{`(?!.*[)\]])\S+$`, "a)", false},
		{`(?!.*[)\]])\S+$`, "ab", true},
		{`[a-z]+`, "1a", false}, // from the beginning
		{`[a-z]+`, "a1", true},
	}
	for _, tt := range tests {
		p, err := parsePattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.matches(tt.password); got != tt.want {
			t.Errorf("%s matches %q: %v, want %v", tt.pattern, tt.password, got, tt.want)
		}
	}
	for _, pattern := range []string{"(", "(?=", "(?=.*", `.*(?=\d)`, "["} {
		if _, err := parsePattern(pattern); err == nil {
			t.Errorf("%q is accepted", pattern)
		}
	}
}

func TestRulesSayWhatIsAllowed(t *testing.T) {
	r := PasswordRules{LockoutAttempts: -1, UniqueLast: 100, ExpiresDays: 3, MinimumAgeDays: 3, Regex: "("}
	err := r.Check()
	for _, want := range []string{"lockout_failure_attempts is -1; allowed: 0 (off) to 1000", "unique_last_password_count is 100; allowed: 0 (off) to 24", "minimum_password_age is 3", "password_regex"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if r = DefaultPasswordRules(); r.Check() != nil || r.LockoutAttempts == 0 {
		t.Errorf("the defaults are %+v", r)
	}
}

// What operators of times look like is anybody's choice: reading them says yes
// or no, and a filter that is read compares as its column would.
func FuzzTimeFilter(f *testing.F) {
	for _, s := range []string{"lt:2026-11-22T00:00:00Z", "neq:2026-11-22", ":", "gt:", "eq:2026-11-22 10:00:00", "lt"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := parseTimeFilter("at", text)
		if err != nil {
			return
		}
		if timeOperators[filter.operator] == nil {
			t.Errorf("%q has the operator %q", text, filter.operator)
		}
		at := plainTime{filter.at}
		if want := filter.operator == "eq" || filter.operator == "lte" || filter.operator == "gte"; filter.match(&at) != want {
			t.Errorf("%q: of the time itself %v, want %v", text, !want, want)
		}
	})
}

func FuzzPasswordPattern(f *testing.F) {
	f.Add(`^(?=.*\d)(?!.*x).{7,}$`, "abcdef1")
	f.Add(`([)])`, ")")
	f.Fuzz(func(t *testing.T, pattern, password string) {
		if p, err := parsePattern(pattern); err == nil {
			p.matches(password)
		}
	})
}
