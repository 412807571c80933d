package lab

import (
	"context"
	"encoding/json"
	"errors"
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

// audited waits for the audit that each machine makes after its start, and
// fails with what it found wrong.
func (r *rack) audited(ctx context.Context, names []string) error {
	left, wrong := names, []error(nil)
	checks := 0
	return r.wait(ctx, waiting{what: audits, machines: names, done: func(ctx context.Context) (string, bool, error) {
		for len(left) > 0 {
			results, err := r.auditOf(ctx, left[0])
			if err != nil {
				return fmt.Sprintf("(%s has not finished its audit)", left[0]), false, nil //nolint:nilerr // it is waited for
			}
			n, bad := faults(results)
			checks += n
			for _, b := range bad {
				wrong = append(wrong, fmt.Errorf("%s: %s", left[0], b))
			}
			left = left[1:]
		}
		r.view.say("%d checks on %d machines", checks, len(names))
		return "", true, errors.Join(wrong...)
	}})
}

// audits names the step.
const audits = "every machine is as hardened as it should be"

// auditOf reads what a machine has found of itself.
func (r *rack) auditOf(ctx context.Context, name string) ([]auditResult, error) {
	port, err := r.sshPort(ctx, name)
	if err != nil {
		return nil, err
	}
	raw, err := shell{r.dir, port}.run(ctx, "cat "+auditFile)
	if err != nil {
		return nil, err
	}
	var results []auditResult
	return results, json.Unmarshal(raw, &results)
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
