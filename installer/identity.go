package installer

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cairn-cloud/cairn/node/spec"
)

// An identity makes a machine a member of a cluster.
type identity struct {
	node spec.Node
	ca   []byte // PEM
	cert []byte // PEM
	key  []byte // PEM; never leaves the machine
	// found makes the CA of a new cluster in a directory; nil on other nodes.
	found func(pkiDir string) (ca, cert, key []byte, err error)
}

// write leaves the identity where the installed system looks for it, below
// root. Directories are 0700, everything secret 0600; all of it is durable
// when the function returns.
func (id *identity) write(root string) error {
	state, pki := filepath.Join(root, spec.StateDir), filepath.Join(root, spec.PKIDir)
	// Services of other users have their directories below it.
	if err := os.MkdirAll(state, 0o755); err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	if err := os.MkdirAll(pki, 0o700); err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	if id.found != nil {
		var err error
		if id.ca, id.cert, id.key, err = id.found(pki); err != nil {
			return err
		}
	}
	if err := id.node.Check(); err != nil {
		return err
	}
	node, err := json.MarshalIndent(id.node, "", "  ")
	if err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	errs := []error{
		writeSynced(filepath.Join(pki, "ca.crt"), id.ca, 0o644),
		writeSynced(filepath.Join(pki, "node.crt"), id.cert, 0o644),
		writeSynced(filepath.Join(pki, "node.key"), id.key, 0o600),
	}
	if id.node.Rack != "" {
		errs = append(errs, writeSynced(filepath.Join(state, "rack.yaml"), []byte(id.node.Rack), 0o600))
	}
	// The node manifest last: a system with one is complete.
	return errors.Join(append(errs, writeSynced(filepath.Join(root, spec.NodeFile), append(node, '\n'), 0o600))...)
}

func writeSynced(path string, b []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("identity: %s: %w", path, err)
	}
	return nil
}
