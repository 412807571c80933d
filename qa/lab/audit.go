package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// auditFile is where a machine leaves what it found of itself.
const auditFile = "/run/cairn-audit.json"

// An auditResult is what a machine found of one control.
type auditResult struct {
	ID       string    `json:"id"`
	Findings []finding `json:"findings"`
}

type finding struct {
	Item   string `json:"item"`
	OK     bool   `json:"ok"`
	Found  string `json:"found"`
	Wanted string `json:"wanted"`
}

// maxAudits is how many audits of a machine may find faults. The first comes
// minutes after its start, when a slow machine still starts; a machine repeats
// one that found any.
const maxAudits = 3

// An attempts counts the audits that found faults, by machine and the time
// that they were made.
type attempts map[string]map[string]bool

// last tells whether this one was the last that may find any.
func (a attempts) last(machine, made string) bool {
	if a[machine] == nil {
		a[machine] = make(map[string]bool)
	}
	a[machine][made] = true
	return len(a[machine]) >= maxAudits
}

// audited waits until the audit that each machine makes of itself finds
// nothing wrong, and fails with what the last that may found.
func (r *rack) audited(ctx context.Context, names []string) error {
	left, tried, checks := names, attempts{}, 0
	return r.wait(ctx, waiting{what: audits, machines: names, done: func(ctx context.Context) (string, bool, error) {
		for len(left) > 0 {
			name := left[0]
			a, err := r.auditOf(ctx, name)
			if err != nil {
				return fmt.Sprintf("(%s has not finished its audit)", name), false, nil //nolint:nilerr // it is waited for
			}
			n, bad := faults(a.results)
			if len(bad) > 0 {
				found := fmt.Errorf("%s: %s", name, strings.Join(bad, "\n"+name+": "))
				if tried.last(name, a.made) {
					return "", false, found
				}
				return fmt.Sprintf("(%s repeats its audit, which found %d faults: %s)", name, len(bad), bad[0]), false, nil
			}
			checks += n
			left = left[1:]
		}
		r.view.say("%d checks on %d machines", checks, len(names))
		return "", true, nil
	}})
}

// audits names the step.
const audits = "every machine is as hardened as it should be"

// An audit is what a machine has found of itself, and when.
type audit struct {
	made    string // seconds since 1970, by the machine
	results []auditResult
}

// auditOf reads what a machine has found of itself.
func (r *rack) auditOf(ctx context.Context, name string) (a audit, err error) {
	port, err := r.sshPort(ctx, name)
	if err != nil {
		return a, err
	}
	raw, err := shell{r.dir, port}.run(ctx, "stat -c %Y "+auditFile+" && cat "+auditFile)
	if err != nil {
		return a, err
	}
	made, text, _ := strings.Cut(string(raw), "\n")
	a.made = made
	return a, json.Unmarshal([]byte(text), &a.results)
}

// faults counts the checks and lists those that failed.
func faults(results []auditResult) (checks int, bad []string) {
	for _, r := range results {
		checks += len(r.Findings)
		for _, f := range r.Findings {
			if !f.OK {
				bad = append(bad, strings.TrimSpace(fmt.Sprintf("%s: %s: found %s, wanted %s", r.ID, f.Item, f.Found, f.Wanted)))
			}
		}
	}
	return checks, bad
}
