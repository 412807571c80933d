package pxe

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/node/spec"
	"github.com/cairn-cloud/cairn/pxe/menu"
)

// Config is deploy.json. Whatever it leaves out has a default that works.
type Config struct {
	RackFile     string     `json:"rack_file"` // rack.yaml; empty: a rack of defaults
	Release      string     `json:"release"`   // directory with manifest.json
	Root         string     `json:"root"`      // file or block device that holds root.img; default: in Release
	StateDir     string     `json:"state_dir"` // 0700
	InterfaceMAC string     `json:"interface_mac"`
	Interface    string     `json:"interface"` // name, instead of the MAC; default: the one with Address
	Address      netip.Addr `json:"address"`   // our own; default: management.controller of the rack
	CA           string     `json:"ca"`        // certificate; default: a CA made in StateDir
	CAKey        string     `json:"ca_key"`
	Cert         string     `json:"cert"` // of this deployer; default: issued from the CA
	Key          string     `json:"key"`
	Controller   string     `json:"controller"`   // https://10.20.0.11:8444; empty: nodes are registered nowhere
	Found        bool       `json:"found"`        // make the first machine the first controller of a new rack
	Loaders      string     `json:"loaders"`      // directory of the iPXE binaries; default /usr/lib/ipxe
	UEFILoader   string     `json:"uefi_loader"`  // ipxe.efi (default) or snponly.efi
	KernelArgs   []string   `json:"kernel_args"`  // of the installer; default: both consoles
	NodeFile     string     `json:"node_file"`    // manifest of this machine, whose name is taken; default spec.NodeFile
	ListenDHCP   *bool      `json:"dhcp"`         // false: leave DHCP to others
	OperatorDir  string     `json:"operator_dir"` // what operators need, for its group; default: operator in StateDir
}

// readConfig reads a deploy.json strictly.
func readConfig(path string) (Config, error) {
	var c Config
	f, err := os.Open(path)
	if err != nil {
		return c, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

// rack reads rack.yaml.
func (c *Config) rack() (*plan.Rack, error) {
	if c.RackFile == "" {
		return plan.ParseRack(nil)
	}
	raw, err := os.ReadFile(c.RackFile)
	if err != nil {
		return nil, fmt.Errorf("rack: %w", err)
	}
	return plan.ParseRack(raw)
}

// complete fills in the defaults and checks the rest.
func (c *Config) complete(rack *plan.Rack) error {
	if !c.Address.IsValid() {
		c.Address = rack.Management.Controller
	}
	if c.OperatorDir == "" {
		c.OperatorDir = filepath.Join(c.StateDir, "operator")
	}
	if c.Loaders == "" {
		c.Loaders = "/usr/lib/ipxe"
	}
	if c.UEFILoader == "" {
		c.UEFILoader = "ipxe.efi"
	}
	if c.KernelArgs == nil {
		c.KernelArgs = []string{"console=tty0", "console=ttyS0,115200", "panic=10"} // nobody stands there to restart it
	}
	if rack.Listens() {
		c.KernelArgs = append(c.KernelArgs, fmt.Sprintf("%s=%d", plan.ParamLLDP, plan.LLDPSeconds))
	}
	if c.NodeFile == "" {
		c.NodeFile = spec.NodeFile
	}
	switch {
	case c.Release == "":
		return errors.New("release is empty; allowed: the directory of a release, with its manifest.json")
	case c.StateDir == "":
		return errors.New("state_dir is empty; allowed: a directory")
	case !rack.Management.Network.Contains(c.Address):
		return fmt.Errorf("address %s is outside management.network %s of the rack", c.Address, rack.Management.Network)
	case c.Found && c.Controller != "":
		return fmt.Errorf("found together with controller %s; allowed: one of them, since a rack that has a controller is founded already", c.Controller)
	case c.Found && c.Address == rack.Management.Controller:
		return fmt.Errorf("address %s is that of the controller to be; allowed: another one of %s", c.Address, rack.Management.Network)
	case (c.CA == "") != (c.CAKey == ""):
		return errors.New("ca and ca_key belong together; allowed: both or none")
	case (c.Cert == "") != (c.Key == ""):
		return errors.New("cert and key belong together; allowed: both or none")
	}
	for _, a := range c.KernelArgs {
		if err := menu.CheckArg(a); err != nil {
			return fmt.Errorf("kernel_args: %w", err)
		}
	}
	return nil
}

// ownName is the host name of the machine that we run on, if it is a node.
func (c *Config) ownName() ([]string, error) {
	raw, err := os.ReadFile(c.NodeFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // a laptop
	}
	if err != nil {
		return nil, fmt.Errorf("own node manifest: %w", err)
	}
	var n spec.Node
	if err := json.Unmarshal(raw, &n); err != nil {
		return nil, fmt.Errorf("own node manifest %s: %w", c.NodeFile, err)
	}
	return []string{n.Name}, nil
}
