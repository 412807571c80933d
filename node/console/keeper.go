package console

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// A Keeper copies terminals of guests into their logs.
type Keeper struct {
	log *slog.Logger

	mu    sync.Mutex // guards pumps
	pumps map[string]*pump
	wait  sync.WaitGroup
}

// A pump copies one terminal.
type pump struct {
	terminal string
	file     *os.File
}

// NewKeeper returns a Keeper that copies nothing.
func NewKeeper(log *slog.Logger) *Keeper { return &Keeper{log: log, pumps: map[string]*pump{}} }

// Follow makes sure that what comes out of a guest's terminal goes to its log.
// An empty terminal means that somebody else writes the log; it is only kept
// from growing then.
func (k *Keeper) Follow(id, terminal, path string) {
	if terminal == "" {
		if err := Bound(path); err != nil {
			k.log.Warn("a console's log could not be bounded", "guest", id, "error", err)
		}
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if p, ok := k.pumps[id]; ok {
		if p.terminal == terminal {
			return
		}
		p.file.Close()
	}
	f, err := openTerminal(terminal)
	if err != nil {
		k.log.Warn("a console could not be opened", "guest", id, "error", err)
		return
	}
	p := &pump{terminal: terminal, file: f}
	k.pumps[id] = p
	k.wait.Go(func() {
		err := p.copyTo(path)
		k.log.Debug("a console has ended", "guest", id, "error", err)
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.pumps[id] == p {
			delete(k.pumps, id)
		}
	})
}

// Forget stops to copy a guest's terminal.
func (k *Keeper) Forget(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p, ok := k.pumps[id]; ok {
		p.file.Close()
		delete(k.pumps, id)
	}
}

// Close stops to copy all terminals and waits for the end of it.
func (k *Keeper) Close() {
	k.mu.Lock()
	for id, p := range k.pumps {
		p.file.Close()
		delete(k.pumps, id)
	}
	k.mu.Unlock()
	k.wait.Wait()
}

// openTerminal opens a terminal so that it can be read as it is and a read
// ends when the file is closed.
func openTerminal(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open terminal %s: %w", path, err)
	}
	mode, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err == nil {
		mode.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG | unix.IEXTEN
		mode.Iflag &^= unix.ICRNL | unix.IXON
		err = unix.IoctlSetTermios(fd, unix.TCSETS, mode)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("terminal %s: %w", path, err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), path), nil
}

// copyTo appends to the log until the terminal ends.
func (p *pump) copyTo(path string) error {
	defer p.file.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := p.file.Read(buf)
		if n > 0 {
			if err := appendTo(path, buf[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

func appendTo(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close(), Bound(path))
}
