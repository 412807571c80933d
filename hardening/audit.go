package hardening

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"text/tabwriter"
)

// A Result is what the checks of one control found.
type Result struct {
	ID       string    `json:"id"`
	Title    string    `json:"title"`
	OK       bool      `json:"ok"`
	Findings []Finding `json:"findings"`
}

// Audit runs the checks of the controls, or of those with the ids alone.
func Audit(ctx context.Context, t *Target, ids ...string) []Result {
	var results []Result
	for _, c := range Controls(&t.Node) {
		if len(ids) > 0 && !slices.Contains(ids, c.ID) {
			continue
		}
		r := Result{ID: c.ID, Title: c.Title, OK: true, Findings: c.Check(ctx, t)}
		for _, f := range r.Findings {
			r.OK = r.OK && f.OK
		}
		results = append(results, r)
	}
	return results
}

// AuditFile is where the audit of every boot and day leaves its results, in
// JSON, for whoever may log in.
const AuditFile = "/run/cairn-audit.json"

// AuditCommand is "cairn audit": it compares the machine that it runs on with
// what that should be. It changes nothing, and needs root to see everything.
type AuditCommand struct {
	Last    bool     `help:"Show what the audit of this boot or day found; needs no root."`
	JSON    bool     `help:"Print every finding as JSON."`
	All     bool     `help:"Print good findings too."`
	List    bool     `help:"Print the controls of this machine with reason and source, and check nothing."`
	Control []string `help:"Check only the controls with these ids."`
	Config  string   `default:"/etc/cairn/hardening.json" help:"What the machine was configured with at boot."`
	Root    string   `default:"/" hidden:"" help:"Root of the file system to look at."`
}

// Run returns an error if a check failed.
func (c *AuditCommand) Run(ctx context.Context, log *slog.Logger) error {
	if c.Last {
		return c.last()
	}
	data, err := os.ReadFile(c.Config)
	if err != nil {
		return fmt.Errorf("audit: this does not look like a node of a cluster: %w", err)
	}
	t := &Target{Root: c.Root, Log: log}
	if err := json.Unmarshal(data, &t.Node); err != nil {
		return fmt.Errorf("audit: %s: %w", c.Config, err)
	}
	if c.List {
		return printControls(os.Stdout, &t.Node)
	}
	return c.show(Audit(ctx, t, c.Control...))
}

// last shows the results of the audit that the machine made by itself.
func (c *AuditCommand) last() error {
	data, err := os.ReadFile(AuditFile)
	if err != nil {
		return fmt.Errorf("audit: this machine has not audited itself since it started: %w", err)
	}
	var results []Result
	if err := json.Unmarshal(data, &results); err != nil {
		return fmt.Errorf("audit: %s is not finished: %w", AuditFile, err)
	}
	return c.show(results)
}

// show prints results; it returns an error if a check failed.
func (c *AuditCommand) show(results []Result) error {
	var err error
	if c.JSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(results)
	} else {
		err = printResults(os.Stdout, results, c.All)
	}
	if err != nil {
		return err
	}
	if bad, all := count(results); bad > 0 {
		return fmt.Errorf("audit: %d of %d checks failed", bad, all)
	}
	return nil
}

func count(results []Result) (bad, all int) {
	for _, r := range results {
		all += len(r.Findings)
		for _, f := range r.Findings {
			if !f.OK {
				bad++
			}
		}
	}
	return bad, all
}

func printResults(out io.Writer, results []Result, all bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%s\t%s\t\n", r.ID, verdict(r.OK), r.Title)
		for _, f := range r.Findings {
			if !f.OK {
				fmt.Fprintf(w, "\tfail\t%s: found %s, wanted %s\t\n", f.Item, f.Found, f.Wanted)
			} else if all {
				fmt.Fprintf(w, "\tpass\t%s: %s\t\n", f.Item, f.Found)
			}
		}
	}
	return w.Flush()
}

func verdict(ok bool) string {
	if ok {
		return "pass"
	}
	return "fail"
}

func printControls(out io.Writer, n *Node) error {
	for _, c := range Controls(n) {
		if _, err := fmt.Fprintf(out, "%s: %s.\n    Why: %s.\n    Source: %s.\n", c.ID, c.Title, c.Why, c.Source); err != nil {
			return err
		}
	}
	return nil
}
