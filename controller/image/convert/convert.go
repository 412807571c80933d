package convert

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// Options are the bounds of a conversion.
type Options struct {
	Program string        // qemu-img; empty: the one in the path
	Memory  int64         // bytes of address space; 0: 1 GiB
	CPU     time.Duration // of the processor; 0: 30 minutes
	Timeout time.Duration // by the clock; 0: 2 hours
}

// A Converter converts.
type Converter struct {
	o       Options
	program string
	limiter string // prlimit of util-linux: sets limits and becomes the program
}

// New finds the programs, and fails if the kernel cannot hold them.
func New(o Options) (*Converter, error) {
	if o.Memory == 0 {
		o.Memory = 1 << 30
	}
	if o.CPU == 0 {
		o.CPU = 30 * time.Minute
	}
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Hour
	}
	if o.Program == "" {
		o.Program = "qemu-img"
	}
	if err := confinable(); err != nil {
		return nil, err
	}
	c := &Converter{o: o}
	var err error
	if c.program, err = exec.LookPath(o.Program); err != nil {
		return nil, err
	}
	if c.limiter, err = exec.LookPath("prlimit"); err != nil {
		return nil, err
	}
	return c, nil
}

// drivers are QEMU's names of formats.
var drivers = map[string]string{"raw": "raw", "qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx"}

// Knows tells whether a format is one that can be converted from and to.
func Knows(format string) bool { return drivers[format] != "" }

// A Job is one conversion. Both files are absolute paths.
type Job struct {
	From, Format     string // what is there
	To, Wanted       string // a file that is not there, in a directory of its own
	MaxSize          int64  // bytes of the result
	Progress         func(percent float64)
	extra            []string // of the command line, for tests
	instead, environ []string // another program, for tests
}

// Run converts. An image that cannot be converted is a BadRequest with
// qemu-img's reason; what took too long, too. Nothing but the result is left,
// and no result where it fails.
func (c *Converter) Run(ctx context.Context, j Job) (err error) {
	if !Knows(j.Format) || !Knows(j.Wanted) {
		return fmt.Errorf("no conversion from %q to %q", j.Format, j.Wanted)
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreAbsent(os.Remove(j.To)))
		}
	}()
	said, err := c.confined(ctx, j)
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return cloud.BadRequest("The conversion from %s to %s took longer than %v.", j.Format, j.Wanted, c.o.Timeout).Because(err)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if _, ok := errors.AsType[*exec.ExitError](err); !ok {
		return fmt.Errorf("convert: %w", err)
	}
	return cloud.BadRequest("The image cannot be converted from %s to %s: %s.", j.Format, j.Wanted, reason(said, err)).Because(err)
}

func ignoreAbsent(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// reason is what qemu-img said, without the paths of this machine.
func reason(said string, err error) string {
	line, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
	line = regexp.MustCompile(`'?/[^\s':]*'?`).ReplaceAllString(strings.TrimPrefix(line, "qemu-img: "), "it")
	if line == "" {
		return err.Error()
	}
	return fmt.Sprintf("%.200s", line)
}

// command is what is run.
func (c *Converter) command(j Job) []string {
	limits := []string{
		"--as=" + strconv.FormatInt(c.o.Memory, 10), "--cpu=" + strconv.Itoa(max(1, int(c.o.CPU.Seconds()))),
		"--fsize=" + strconv.FormatInt(j.MaxSize, 10), "--core=0", "--nofile=32", "--memlock=0", "--msgqueue=0",
	}
	if len(j.instead) > 0 {
		return append(append(limits, "--"), j.instead...)
	}
	convert := []string{"--", c.program, "convert", "-p", "-f", drivers[j.Format], "-O", drivers[j.Wanted]}
	return append(append(limits, append(convert, j.extra...)...), j.From, j.To)
}

// confined runs the program and gives what it said as its errors.
func (c *Converter) confined(ctx context.Context, j Job) (said string, err error) {
	if !filepath.IsAbs(j.From) || !filepath.IsAbs(j.To) {
		return "", fmt.Errorf("paths %q and %q are not absolute", j.From, j.To)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return "", err
	}
	defer null.Close()
	out, errs, err := newPipes()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, c.limiter, c.command(j)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = null, out.w, errs.w
	cmd.Dir, cmd.Env = filepath.Dir(j.To), append([]string{"LC_ALL=C"}, j.environ...)
	killsAll(cmd)
	ended := make(chan error, 1)
	go func() {
		ended <- runConfined(cmd, fence{read: []string{j.From}, write: filepath.Dir(j.To)})
		_, _ = out.w.Close(), errs.w.Close() // their readers end
	}()
	var last bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(&last, io.LimitReader(errs.r, 4<<10)) // what is said besides is lost
		_, _ = io.Copy(io.Discard, errs.r)
	}()
	percents(out.r, j.Progress)
	<-read
	err = <-ended
	return last.String(), errors.Join(err, out.r.Close(), errs.r.Close())
}

type pipe struct{ r, w *os.File }

func newPipes() (a, b pipe, err error) {
	if a.r, a.w, err = os.Pipe(); err != nil {
		return a, b, err
	}
	if b.r, b.w, err = os.Pipe(); err != nil {
		return a, b, errors.Join(err, a.r.Close(), a.w.Close())
	}
	return a, b, nil
}

// percents reads "    (12.00/100%)\r" until the end.
func percents(r io.Reader, tell func(float64)) {
	lines := bufio.NewReaderSize(r, 4<<10)
	for {
		text, err := lines.ReadSlice('\r')
		_, text, _ = bytes.Cut(text, []byte("("))
		if number, _, ok := bytes.Cut(text, []byte("/")); ok && tell != nil {
			if p, err := strconv.ParseFloat(string(number), 64); err == nil {
				tell(p)
			}
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}
