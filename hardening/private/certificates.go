package private

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/hardening/pki"
)

// cluster is the organisation in the certificates of private servers.
const cluster = "private"

// An Account is what a client needs to log in. Broker accounts have no
// password and no database.
type Account struct {
	User         string
	Database     string // schema
	PasswordFile string
	Cert         string // file
	Key          string // file
}

// openCA opens the CA in dir or founds it there. Several processes may do so
// at once.
func openCA(dir string) (*pki.CA, error) {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	ca, err := pki.OpenCA(dir)
	if errors.Is(err, os.ErrNotExist) {
		return pki.FoundCA(dir, cluster)
	}
	return ca, err
}

// lockFile holds an exclusive lock on the file until it is closed.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}

// serverPair makes sure that dir holds a good certificate of the server.
func serverPair(ca *pki.CA, dir, name string) error {
	names := []string{name, "localhost"}
	ips := []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	return keepPair(ca, dir, names, ips, func() (pki.Pair, error) { return ca.IssueServer(names, ips) })
}

// servicePair makes sure that dir holds a good certificate of the service.
func servicePair(ca *pki.CA, dir, name string) error {
	return keepPair(ca, dir, nil, nil, func() (pki.Pair, error) { return ca.IssueService(name) })
}

// nodePair makes sure that dir holds a good certificate of the node.
func nodePair(ca *pki.CA, dir, id string) error {
	return keepPair(ca, dir, nil, nil, func() (pki.Pair, error) {
		key, csr, err := pki.NewRequest()
		if err != nil {
			return pki.Pair{}, err
		}
		cert, err := ca.IssueNode(csr, id)
		return pki.Pair{Cert: cert, Key: key}, err
	})
}

func keepPair(ca *pki.CA, dir string, names []string, ips []netip.Addr, issue func() (pki.Pair, error)) error {
	if old, err := pki.LoadPair(dir); err == nil && !ca.Renew(old, names, ips) {
		return nil
	}
	pair, err := issue()
	if err != nil {
		return err
	}
	return pair.Save(dir)
}

// clientTLS is what a client with the certificate in dir uses to talk to the
// server that goes by the name.
func clientTLS(ca *pki.CA, dir, serverName string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, pki.PairCert), filepath.Join(dir, pki.PairKey))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate())
	return &tls.Config{
		RootCAs: roots, Certificates: []tls.Certificate{pair},
		ServerName: serverName, MinVersion: tls.VersionTLS12,
	}, nil
}

// password reads the secret in the file, or makes one of 40 hex digits, 0600.
func password(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(data)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	secret := make([]byte, 20)
	if _, err := rand.Read(secret); err != nil {
		return "", err
	}
	text := hex.EncodeToString(secret)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	return text, os.WriteFile(path, []byte(text+"\n"), 0o600)
}
