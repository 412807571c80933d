package private

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/cairn-cloud/cairn/hardening/pki"
)

// A Home is where a private server is and what it has.
type Home struct {
	Address    string // host:port
	ServerName string // that its certificate is valid for
	CA         string // file

	dir string
	ca  *pki.CA
	who owner
}

// move makes the directory, finds out who is to run the server there under
// the account that Debian's package has, and opens the CA, which is in
// directory authority, or in dir/pki if that is empty.
func (h *Home) move(dir, authority, account string) (err error) {
	if authority == "" {
		authority = filepath.Join(dir, "pki")
	}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return err
	}
	if h.dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if h.CA, err = filepath.Abs(filepath.Join(authority, pki.CertFile)); err != nil {
		return err
	}
	if h.who, err = ownerOf(account, h.dir); err != nil {
		return err
	}
	h.ca, err = openCA(authority)
	return err
}

func (h *Home) path(parts ...string) string {
	return filepath.Join(append([]string{h.dir}, parts...)...)
}

// own gives files of the home to whoever runs the server.
func (h *Home) own(names ...string) error {
	for _, name := range names {
		if err := h.who.own(h.path(name)); err != nil {
			return err
		}
	}
	return nil
}

// begin starts the server, which is called name, and says how long that took.
func (h *Home) begin(log *slog.Logger, name string, start func() error) error {
	began := time.Now()
	if err := start(); err != nil {
		return fmt.Errorf("start private %s in %s: %w", name, h.dir, err)
	}
	if log != nil {
		log.Info(name+" answers", "address", h.Address, "after", time.Since(began).Round(time.Millisecond))
	}
	return nil
}
