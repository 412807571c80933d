// Package tftp hands the boot loaders to firmware that can fetch nothing else.
//
// It serves the files that it was given by name and nothing else: no
// directories, no writing. blksize and tsize are agreed upon where the client
// asks for them (RFC 2347 to 2349); other options are left out of the answer,
// as those rules have it. What is larger than a loader goes over HTTP. The
// package imports nothing of ours.
package tftp

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path"
	"strings"
	"time"
)

// maxLoader is the size in bytes that no loader has. They are held in memory.
const maxLoader = 8 << 20

// maxTransfers is how many transfers run at once. A client that vanishes
// holds one for half a minute.
const maxTransfers = 512

// A Counter counts transfers, and requests that came to nothing. tally.Counter
// is one.
type Counter interface {
	Pass(what string)
	Refuse(reason, detail string)
}

// Config of a server.
type Config struct {
	Dir   string   // where the loaders are
	Names []string // of the loaders
	// Fetched is called for each request of a file that is there. May be nil.
	Fetched func(client netip.Addr, file string)
	Count   Counter // may be nil
	Log     *slog.Logger
}

// A Server has the loaders.
type Server struct {
	conf    Config
	files   map[string][]byte
	timeout time.Duration // without an answer, until a packet is sent again
	retries int
	free    chan struct{} // has an element for each transfer that runs
}

// nobody counts nothing.
type nobody struct{}

func (nobody) Pass(string)           {}
func (nobody) Refuse(string, string) {}

// Open reads the named loaders from the directory.
func Open(conf Config) (*Server, error) {
	if conf.Count == nil {
		conf.Count = nobody{}
	}
	s := &Server{conf: conf, files: map[string][]byte{NextName: next()}, timeout: 2 * time.Second, retries: 8,
		free: make(chan struct{}, maxTransfers)}
	for _, name := range conf.Names {
		b, err := os.ReadFile(path.Join(conf.Dir, name))
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("boot loader %s is not in %s; install the package ipxe or say where it is (loaders)", name, conf.Dir)
		}
		if err != nil {
			return nil, fmt.Errorf("boot loader: %w", err)
		}
		if len(b) == 0 || len(b) > maxLoader {
			return nil, fmt.Errorf("boot loader %s in %s has %d bytes; allowed: 1 to %d", name, conf.Dir, len(b), maxLoader)
		}
		s.files[name] = b
	}
	return s, nil
}

// File returns a loader, for those who serve it another way.
func (s *Server) File(name string) ([]byte, bool) {
	b, ok := s.files[name]
	return b, ok
}

// Some firmware asks for "/ipxe.efi", or pads the name with a byte 0xff.
func plainName(name string) string {
	return strings.TrimSuffix(strings.TrimPrefix(name, "/"), "\xff")
}
