package host

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// saidLast bounds how much of what a program said goes into an error, in
// bytes.
const saidLast = 2000

// A Program is one program to run.
type Program struct {
	Path  string
	Args  []string
	Stdin io.Reader
	Env   []string // in place of ours; nil: ours
}

// Run runs a program and returns its standard output. The error of a program
// that failed carries what it last said to standard error. When ctx ends, the
// program is killed.
func Run(ctx context.Context, path string, args ...string) ([]byte, error) {
	return (&Program{Path: path, Args: args}).Run(ctx)
}

// Run is the function Run for a program with more to say about it.
func (p *Program) Run(ctx context.Context) ([]byte, error) {
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, p.Path, p.Args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = p.Stdin, &out, &said, p.Env
	cmd.WaitDelay = 5 * time.Second // a grandchild may hold the pipes
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w", p.Path, context.Cause(ctx))
	}
	if err != nil {
		last := said.Bytes()
		return nil, fmt.Errorf("%s: %w: %s", p.Path, err, strings.TrimSpace(string(last[max(0, len(last)-saidLast):])))
	}
	return out.Bytes(), nil
}
