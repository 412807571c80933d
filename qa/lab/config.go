package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/uuid"

	"github.com/cairn-cloud/cairn/qa/lab/shape"
)

// The networks of every rack.
const (
	managementVLAN = 10
	tenantFrom     = 100
	tenantTo       = 199
	controllerName = "controller"
	gatewayName    = "gateway"
)

var (
	managementNetwork = netip.MustParsePrefix("10.20.0.0/24")
	controllerAddress = netip.MustParseAddr("10.20.0.11")
)

// A Config is what a rack consists of. It is kept in its directory, so that
// every command finds the same rack.
type Config struct {
	ISO      string    `json:"iso"`            // absolute
	Conf     string    `json:"conf,omitempty"` // the CAIRN-CONF volume, absolute; empty: rack.yaml is sealed into the ISO
	API      int       `json:"api"`            // port of 127.0.0.1 that leads to the API
	SSH      int       `json:"ssh"`            // and to the controller's SSH
	Machines []Machine `json:"machines"`
	Capture  bool      `json:"capture,omitempty"` // on every port, from the start
	Accel    Accel     `json:"accel"`
	BMC      bool      `json:"bmc,omitempty"` // every machine has one
	// Shaped means that no two machines need be alike: what becomes of each is
	// looked at one by one.
	Shaped bool `json:"shaped,omitempty"`
	// Fields of rack.yaml that take the place of those of every rack.
	Fields map[string]any `json:"fields,omitempty"`
}

// A Machine is one machine of a rack.
type Machine struct {
	shape.Machine
	Number int `json:"number"` // from 1; the controller is 1
}

// controller tells whether the machine is installed from the ISO.
func (m *Machine) controller() bool { return m.Number == 1 }

// mac is the address of a NIC, counted from 0, in the range that QEMU uses.
func (m *Machine) mac(nic int) string {
	return fmt.Sprintf("52:54:00:ca:%02x:%02x", m.Number, nic+1)
}

// fit are the machines that become nodes.
func (c *Config) fit() []string {
	var names []string
	for _, m := range c.Machines {
		if m.Refused == "" {
			names = append(names, m.Name)
		}
	}
	return names
}

// macIn is the address of the first NIC in a network.
func (m *Machine) macIn(n shape.Network) string { return m.mac(slices.Index(m.NICs, n)) }

// uuid is the machine's SMBIOS id: always the same for the same name.
func (m *Machine) uuid() string {
	return uuid.NewSHA1(uuid.NameSpaceDNS, []byte(m.Name+".rack")).String()
}

const configFile = "rack.json"

func (c *Config) save(dir string) error {
	raw, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, configFile), raw, 0o600)
}

func loadConfig(dir string) (*Config, error) {
	raw, err := os.ReadFile(filepath.Join(dir, configFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no rack in %s; `cairn rack up` makes one", dir)
	}
	if err != nil {
		return nil, err
	}
	var c Config
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", configFile, err)
	}
	return &c, nil
}
