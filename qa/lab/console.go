package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/mattn/go-isatty"
	"golang.org/x/sys/unix"
)

type consoleCommand struct {
	place
	Machine string `arg:"" help:"Name of the machine."`
}

// leave is the key that ends a console: ctrl-].
const leave = 0x1d

// Run joins the terminal to the machine's serial line.
func (c *consoleCommand) Run(ctx context.Context, _ *slog.Logger) error {
	line, err := newClient(c.Dir).console(ctx, c.Machine)
	if err != nil {
		return err
	}
	defer line.Close()
	restore, err := raw(os.Stdin)
	if err != nil {
		return err
	}
	defer restore()
	fmt.Fprintf(os.Stderr, "console of %s; ctrl-] leaves it\r\n", c.Machine)
	done := make(chan error, 2)
	go func() { // both end with the connection, or with the program
		_, err := io.Copy(os.Stdout, line)
		done <- err
	}()
	go func() { done <- typeUntil(line, os.Stdin, leave) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return nil
	}
}

// typeUntil copies until a certain key.
func typeUntil(w io.Writer, r io.Reader, key byte) error {
	buf := make([]byte, 1)
	for {
		n, err := r.Read(buf)
		if errors.Is(err, io.EOF) || n == 1 && buf[0] == key {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
	}
}

// raw has a terminal hand over each key as it is. What is no terminal stays
// as it is.
func raw(f *os.File) (restore func(), err error) {
	fd := int(f.Fd())
	if !isatty.IsTerminal(f.Fd()) {
		return func() {}, nil
	}
	old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	t := *old
	t.Iflag &^= unix.BRKINT | unix.ICRNL | unix.INPCK | unix.ISTRIP | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ICANON | unix.IEXTEN | unix.ISIG
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &t); err != nil {
		return nil, fmt.Errorf("terminal: %w", err)
	}
	return func() {
		if err := unix.IoctlSetTermios(fd, unix.TCSETS, old); err != nil {
			fmt.Fprintln(os.Stderr, "terminal:", err)
		}
	}, nil
}
