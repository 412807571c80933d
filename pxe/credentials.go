package pxe

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/operate"
	"github.com/cairn-cloud/cairn/pxe/page"
)

// operatorName is the common name of the operator's certificate.
const operatorName = "operator"

// leaveCredentials puts what an operator needs into a directory: whoever may
// read it may operate the deployer. The directory's group is the operators';
// where there is none, its mode keeps everybody else out.
func (d *deployer) leaveCredentials() error {
	dir := d.conf.OperatorDir
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("operator_dir: %w", err)
	}
	pair, err := d.operatorPair(dir)
	if err != nil {
		return fmt.Errorf("operator's certificate: %w", err)
	}
	if _, err := page.Token(filepath.Join(dir, operate.TokenFile)); err != nil {
		return err
	}
	address := net.JoinHostPort(d.conf.Address.String(), strconv.Itoa(plan.HTTPSPort)) + "\n"
	for name, data := range map[string][]byte{
		operate.CAFile: d.trust.ca.PEM(), operate.CertFile: pair.Cert, operate.KeyFile: pair.Key, operate.AddressFile: []byte(address),
	} {
		if err := leave(filepath.Join(dir, name), data); err != nil {
			return err
		}
	}
	return nil
}

// operatorPair is the certificate that is there, or a new one where there is
// none or it ends soon.
func (d *deployer) operatorPair(dir string) (pki.Pair, error) {
	var pair pki.Pair
	var err error
	if pair.Cert, err = os.ReadFile(filepath.Join(dir, operate.CertFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return pair, err
	}
	if pair.Key, err = os.ReadFile(filepath.Join(dir, operate.KeyFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return pair, err
	}
	if !d.trust.ca.Renew(pair, nil, nil) {
		return pair, nil
	}
	return d.trust.ca.IssueService(operatorName)
}

// leave writes a file for the operators, at once or not at all.
func leave(file string, data []byte) error {
	next := file + ".new"
	if err := os.WriteFile(next, data, 0o640); err != nil {
		return fmt.Errorf("operator_dir: %w", err)
	}
	if err := os.Chmod(next, 0o640); err != nil { // whatever the umask
		return fmt.Errorf("operator_dir: %w", err)
	}
	if err := os.Rename(next, file); err != nil {
		return fmt.Errorf("operator_dir: %w", err)
	}
	return nil
}
