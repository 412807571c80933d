package interop

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A result is what became of one test: "ok", "FAIL", "ERROR", or "skipped" and
// the suite's reason.
type result struct{ name, verdict string }

var (
	// one line of `python3 -m unittest -v` for each test, under the id that
	// testtools gives it, and for what all tests of a class need
	ofTest  = regexp.MustCompile(`^(tempest\.[\w.]+)(?:\[[^\]]*\])? \.\.\. (.+)$`)
	ofClass = regexp.MustCompile(`^(setUpClass|tearDownClass) \((tempest\.[\w.]+)\) \.\.\. (.+)$`)
)

// parse reads what unittest prints.
func parse(r io.Reader) ([]result, error) {
	var all []result
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if m := ofTest.FindStringSubmatch(lines.Text()); m != nil {
			all = append(all, result{m[1], m[2]})
		}
		if m := ofClass.FindStringSubmatch(lines.Text()); m != nil {
			all = append(all, result{m[2] + "." + m[1], m[3]})
		}
	}
	return all, lines.Err()
}

// An excuse is why tests need not pass.
type excuse struct {
	pattern string // of names, as path.Match has it
	reason  string
	used    bool
}

// parseExcuses reads a file of testdata: a pattern and a reason on each line.
func parseExcuses(text string) ([]*excuse, error) {
	var all []*excuse
	for n, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		pattern, reason, ok := strings.Cut(line, " ")
		if _, err := path.Match(pattern, ""); err != nil || !ok {
			return nil, fmt.Errorf("line %d is %q; allowed: the name of a test, * standing for any part of it, and a reason", n+1, line)
		}
		all = append(all, &excuse{pattern: pattern, reason: strings.TrimSpace(reason)})
	}
	return all, nil
}

// judge holds results against excuses. Both what fails without an excuse and
// an excuse that nothing needs are faults.
func judge(results []result, excuses []*excuse) (passed int, faults []string) {
	for _, r := range results {
		var mine []*excuse
		for _, e := range excuses {
			if ok, _ := path.Match(e.pattern, r.name); ok { // the pattern was checked
				mine = append(mine, e)
			}
		}
		if r.verdict == "ok" {
			passed++
			for _, e := range mine {
				if e.pattern == r.name {
					faults = append(faults, fmt.Sprintf("%s passes; it is excused: %s", r.name, e.reason))
				}
			}
			continue
		}
		if len(mine) == 0 {
			faults = append(faults, r.name+": "+r.verdict)
		}
		for _, e := range mine {
			e.used = true
		}
	}
	for _, e := range excuses {
		if !e.used {
			faults = append(faults, fmt.Sprintf("nothing needs the excuse of %s: %s", e.pattern, e.reason))
		}
	}
	return passed, faults
}

const printed = `test_create_token (tempest.api.identity.v3.test_tokens.TokensV3Test.test_create_token)
tempest.api.identity.v3.test_tokens.TokensV3Test.test_create_token[id-6f8e4436-fc96-4282-8122-e41df57197a9] ... ok
setUpClass (tempest.api.identity.admin.v3.test_regions.RegionsTestJSON) ... ERROR
tempest.api.identity.v3.test_users.IdentityV3UsersTest.test_user_account_lockout[id-a7ad8bbf-2cff-4520-8c1d-96332e151658,smoke] ... skipped 'Security compliance not available.'
tempest.api.identity.v3.test_users.IdentityV3UsersTest.test_plain ... FAIL
Ran 11 tests in 14.064s
`

func TestResultsAreReadAndJudged(t *testing.T) {
	results, err := parse(strings.NewReader(printed))
	if err != nil {
		t.Fatal(err)
	}
	const users = "tempest.api.identity.v3.test_users.IdentityV3UsersTest"
	want := []result{
		{"tempest.api.identity.v3.test_tokens.TokensV3Test.test_create_token", "ok"},
		{"tempest.api.identity.admin.v3.test_regions.RegionsTestJSON.setUpClass", "ERROR"},
		{users + ".test_user_account_lockout", "skipped 'Security compliance not available.'"},
		{users + ".test_plain", "FAIL"},
	}
	if diff := cmp.Diff(want, results, cmp.AllowUnexported(result{})); diff != "" {
		t.Fatalf("results (-want +got):\n%s", diff)
	}
	for name, c := range map[string]struct {
		excuses string
		faults  []string
	}{
		"all excused": {"# why not\n\n" + users + ".* no users\n*.test_regions.* no regions\n", nil},
		"one is not": {users + ".test_plain plain\n*.setUpClass nothing goes\n",
			[]string{users + ".test_user_account_lockout: skipped 'Security compliance not available.'"}},
		"too many": {"tempest.* nothing goes\n" + users + ".test_other other\ntempest.api.identity.v3.test_tokens.TokensV3Test.test_create_token none\n",
			[]string{
				"tempest.api.identity.v3.test_tokens.TokensV3Test.test_create_token passes; it is excused: none",
				"nothing needs the excuse of " + users + ".test_other: other",
				"nothing needs the excuse of tempest.api.identity.v3.test_tokens.TokensV3Test.test_create_token: none",
			}},
	} {
		excuses, err := parseExcuses(c.excuses)
		if err != nil {
			t.Fatal(err)
		}
		passed, faults := judge(results, excuses)
		if diff := cmp.Diff(c.faults, faults); passed != 1 || diff != "" {
			t.Errorf("%s: %d passed, faults (-want +got):\n%s", name, passed, diff)
		}
	}
	for _, bad := range []string{"tempest.api.x", "tempest.[ because"} {
		if _, err := parseExcuses(bad); err == nil {
			t.Errorf("%q was taken for an excuse", bad)
		}
	}
}
