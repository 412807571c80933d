// Package tool runs the programs of the build host and keeps the books that
// make a second build cheap. It imports nothing of ours.
package tool

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// A Cmd is one run of a program of the build host.
type Cmd struct {
	Name  string
	Args  []string
	Dir   string   // empty: the current one
	Env   []string // added to the environment of this process
	Stdin []byte
	Log   string // file that takes stdout and stderr too; empty: none
}

// Run runs the program and returns what it wrote to stdout. The error of a
// program that failed carries the last lines that it wrote to stderr.
func Run(ctx context.Context, c Cmd) ([]byte, error) {
	cmd := exec.CommandContext(ctx, c.Name, c.Args...)
	cmd.Dir = c.Dir
	// The C locale keeps messages and orders the same on every host.
	cmd.Env = append(append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC"), c.Env...)
	if c.Stdin != nil {
		cmd.Stdin = bytes.NewReader(c.Stdin)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if c.Log != "" {
		text := fmt.Sprintf("$ %s %s\n%s%s", c.Name, strings.Join(c.Args, " "), stdout.Bytes(), stderr.Bytes())
		if lerr := os.WriteFile(c.Log, []byte(text), 0o644); lerr != nil && err == nil {
			err = lerr
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w%s", c.Name, err, tail(stderr.String(), 8))
	}
	return stdout.Bytes(), nil
}

// tail is the last n lines of what a program said, ready to stand in an error.
func tail(s string, n int) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	lines := strings.Split(s, "\n")
	return "\n\t" + strings.Join(lines[max(0, len(lines)-n):], "\n\t")
}

// Need tells which of the programs are missing on this host, and the Debian
// packages that have them. The map is program to package.
func Need(programs map[string]string) error {
	var missing []string
	for p, pkg := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, fmt.Sprintf("%s (package %s)", p, pkg))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("missing on this host: %s; remedy: make deps", strings.Join(missing, ", "))
}
