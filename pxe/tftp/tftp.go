// Package tftp hands the boot loaders to firmware that can fetch nothing else.
//
// It serves the files that it was given by name and nothing else: no
// directories, no writing. blksize and tsize are agreed upon where the client
// asks for them (RFC 2347 to 2349). What is larger than a loader goes over
// HTTP. The package imports nothing of ours.
package tftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path"
	"strings"
	"time"

	"github.com/pin/tftp/v3"
)

// maxLoader is the size in bytes that no loader has. They are held in memory.
const maxLoader = 8 << 20

// A Server has the loaders.
type Server struct {
	files   map[string][]byte
	log     *slog.Logger
	fetched func(client netip.Addr, file string)
}

// Open reads the named loaders from the directory. fetched may be nil; it is
// called for each request of a file that is there.
func Open(dir string, names []string, log *slog.Logger, fetched func(netip.Addr, string)) (*Server, error) {
	s := &Server{files: map[string][]byte{NextName: next()}, log: log, fetched: fetched}
	for _, name := range names {
		b, err := os.ReadFile(path.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("boot loader %s is not in %s; install the package ipxe or say where it is (loaders)", name, dir)
		}
		if err != nil {
			return nil, fmt.Errorf("boot loader: %w", err)
		}
		if len(b) == 0 || len(b) > maxLoader {
			return nil, fmt.Errorf("boot loader %s in %s has %d bytes; allowed: 1 to %d", name, dir, len(b), maxLoader)
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

// Serve answers on the connection until the context ends.
func (s *Server) Serve(ctx context.Context, conn net.PacketConn) error {
	srv := tftp.NewServer(s.read, nil)
	srv.SetTimeout(2 * time.Second)
	srv.SetRetries(8)
	stop := context.AfterFunc(ctx, srv.Shutdown)
	defer stop()
	if err := srv.Serve(conn); err != nil && ctx.Err() == nil {
		return fmt.Errorf("TFTP: %w", err)
	}
	return nil
}

// errNotThere is all that a client learns of a file that it may not have.
var errNotThere = errors.New("file not found")

func (s *Server) read(name string, to io.ReaderFrom) error {
	client := peer(to)
	// Some firmware asks for "/ipxe.efi", or pads the name with a byte 0xff.
	name = strings.TrimSuffix(strings.TrimPrefix(name, "/"), "\xff")
	b, ok := s.files[name]
	if !ok {
		s.log.Info("TFTP file refused", "client", client, "file", name)
		return errNotThere
	}
	if s.fetched != nil {
		s.fetched(client, name)
	}
	started := time.Now()
	if t, ok := to.(tftp.OutgoingTransfer); ok {
		t.SetSize(int64(len(b)))
	}
	n, err := to.ReadFrom(bytes.NewReader(b))
	if err != nil {
		// Firmware asks for the size first and then breaks off: no fault.
		s.log.Debug("TFTP transfer broken off", "client", client, "file", name, "bytes", n, "err", err)
		return err
	}
	s.log.Info("TFTP file sent", "client", client, "file", name, "bytes", n, "took", time.Since(started).Round(time.Millisecond))
	return nil
}

func peer(to io.ReaderFrom) netip.Addr {
	t, ok := to.(tftp.OutgoingTransfer)
	if !ok {
		return netip.Addr{}
	}
	a := t.RemoteAddr()
	ip, _ := netip.AddrFromSlice(a.IP)
	return ip.Unmap()
}
