package tftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/pin/tftp/v3"
)

// autoexec is what iPXE for UEFI looks for beside itself. There is none, and
// to say so is no refusal.
const autoexec = "autoexec.ipxe"

// What a client is told; it learns no more of a file that it may not have.
var (
	errNotThere = errors.New("file not found")
	errReadOnly = errors.New("this server takes no files")
	errBusy     = errors.New("too many transfers, try again")
)

// Serve answers on the connection until the context ends.
func (s *Server) Serve(ctx context.Context, conn net.PacketConn) error {
	srv := tftp.NewServer(s.read, s.write)
	srv.SetTimeout(s.timeout)
	srv.SetRetries(s.retries)
	srv.SetBackoff(func(int) time.Duration { return 0 }) // the timeout is pause enough
	srv.SetHook(hook{s})
	stop := context.AfterFunc(ctx, srv.Shutdown)
	defer stop()
	if err := srv.Serve(conn); err != nil && ctx.Err() == nil {
		return fmt.Errorf("TFTP: %w", err)
	}
	return nil
}

func (s *Server) read(name string, to io.ReaderFrom) error {
	client := peer(to)
	name = plainName(name)
	b, ok := s.files[name]
	switch {
	case name == autoexec:
		s.conf.Count.Pass("no-autoexec")
		return errNotThere
	case !ok:
		s.conf.Count.Refuse("not-found", fmt.Sprintf("%s asks for %q", client, name))
		return errNotThere
	}
	select {
	case s.free <- struct{}{}:
		defer func() { <-s.free }()
	default:
		s.conf.Count.Refuse("busy", fmt.Sprintf("%s asks for %q while %d transfers run", client, name, maxTransfers))
		return errBusy
	}
	if s.conf.Fetched != nil {
		s.conf.Fetched(client, name)
	}
	return s.send(client, name, b, to)
}

func (s *Server) send(client netip.Addr, name string, b []byte, to io.ReaderFrom) error {
	started := time.Now()
	if t, ok := to.(tftp.OutgoingTransfer); ok {
		t.SetSize(int64(len(b)))
	}
	n, err := to.ReadFrom(bytes.NewReader(b))
	var silent net.Error
	switch {
	case errors.As(err, &silent) && silent.Timeout():
		s.conf.Count.Refuse("client-vanished", fmt.Sprintf("%s after %d of %d bytes of %q", client, n, len(b), name))
		return err
	case err != nil:
		// Firmware asks for the size first and then breaks off: no fault.
		s.conf.Count.Pass("broken-off")
		s.conf.Log.Debug("TFTP transfer broken off", "client", client, "file", name, "bytes", n, "err", err)
		return err
	}
	s.conf.Count.Pass("file")
	s.conf.Log.Info("TFTP file sent", "client", client, "file", name, "bytes", n, "took", time.Since(started).Round(time.Millisecond))
	return nil
}

// write refuses files.
func (s *Server) write(name string, _ io.WriterTo) error {
	s.conf.Count.Refuse("write", fmt.Sprintf("of %q", plainName(name)))
	return errReadOnly
}

// A hook hears of packets that are no requests.
type hook struct{ s *Server }

// OnSuccess is nothing that read does not know.
func (hook) OnSuccess(tftp.TransferStats) {}

// OnFailure counts what never became a transfer.
func (h hook) OnFailure(stats tftp.TransferStats, err error) {
	if stats.Filename == "" && stats.RemoteAddr == nil && err != nil {
		h.s.conf.Count.Refuse("malformed", err.Error())
	}
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
