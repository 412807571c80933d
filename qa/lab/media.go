package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"

	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// maxMedium bounds an ISO that a BMC fetches, in bytes.
const maxMedium = 8 << 30

// fetch gets the ISO of a URL, as a BMC does: from the management network
// where the address is there, else from where this host gets to.
func (s *supervisor) fetch(ctx context.Context, where, file string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("medium %s: %w", where, err)
		}
	}()
	u, err := url.Parse(where)
	if err != nil {
		return err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("allowed: a URL with http or https")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DialContext: s.reach, DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the server says %s", res.Status)
	}
	return keep(file, res.Body, res.ContentLength)
}

// keep writes an ISO that comes over the network, and what is in the drive
// while it does stays there.
func keep(file string, from io.Reader, size int64) error {
	next := file + ".new"
	out, err := os.OpenFile(next, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(from, maxMedium))
	if err == nil && size >= 0 && n != size {
		err = fmt.Errorf("%d bytes of %d have come", n, size)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return os.Rename(next, file)
}

// reach dials, through the gateway where the address is on the management
// network.
func (s *supervisor) reach(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	to, err := netip.ParseAddrPort(address)
	if err != nil || !managementNetwork.Contains(to.Addr()) {
		return d.DialContext(ctx, network, address) //nolint:wrapcheck // the caller says what it is about
	}
	port, err := freePort(ctx, 0)
	if err != nil {
		return nil, err
	}
	if err := s.gateway.Forward(ctx, 0, machine.Forward{From: port, To: int(to.Port()), Address: to.Addr()}); err != nil {
		return nil, err
	}
	return d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}
