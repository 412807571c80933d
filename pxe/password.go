package pxe

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/fleet"
)

// passwordFile is where the password of a machine's BMC is: where rack.yaml
// says, or in the state directory, where an operator has the deployer put it.
func (d *deployer) passwordFile(k *plan.Known) string {
	if k.BMC.PasswordFile != "" {
		return k.BMC.PasswordFile
	}
	for _, id := range []string{k.Machine, k.MAC, k.Serial, k.Name} {
		if id != "" {
			return filepath.Join(d.conf.StateDir, "bmc", url.PathEscape(id))
		}
	}
	return ""
}

// keepPassword keeps the password of a machine's BMC, for this deployer alone.
func (d *deployer) keepPassword(k *plan.Known, password string) error {
	if k.BMC.PasswordFile != "" {
		return fmt.Errorf("%w: bmc.password_file is %s in rack.yaml; leave it out to have the deployer keep the password", fleet.ErrState, k.BMC.PasswordFile)
	}
	file := d.passwordFile(k)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("password of a BMC: %w", err)
	}
	next := file + ".new"
	if err := os.WriteFile(next, []byte(password), 0o600); err != nil {
		return fmt.Errorf("password of a BMC: %w", err)
	}
	if err := os.Rename(next, file); err != nil {
		return fmt.Errorf("password of a BMC: %w", err)
	}
	return nil
}
