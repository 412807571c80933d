package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"github.com/cairn-cloud/cairn/qa/lab/machine"
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
	ISO      string    `json:"iso"`  // absolute
	Conf     string    `json:"conf"` // the CAIRN-CONF volume, absolute
	API      int       `json:"api"`  // port of 127.0.0.1 that leads to the API
	SSH      int       `json:"ssh"`  // and to the controller's SSH
	Machines []Machine `json:"machines"`
	Capture  bool      `json:"capture,omitempty"` // on every port, from the start
	Accel    Accel     `json:"accel"`
}

// A Machine is one machine of a rack.
type Machine struct {
	Name      string           `json:"name"`
	Firmware  machine.Firmware `json:"firmware"`
	CPUs      int              `json:"cpus"`
	MemoryMiB int              `json:"memory_mib"`
	DiskGiB   int              `json:"disk_gib"`
	Number    int              `json:"number"` // from 1; the controller is 1
}

// controller tells whether the machine is installed from the ISO.
func (m *Machine) controller() bool { return m.Name == controllerName }

// NICs of a machine, in the order of their cards.
const (
	nicManagement = iota + 1
	nicTenant
	nicExternal
)

// mac is the address of a NIC, in the range that QEMU uses.
func (m *Machine) mac(nic int) string {
	return fmt.Sprintf("52:54:00:ca:%02x:%02x", m.Number, nic)
}

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

// rackYAML is the rack file that the controller is installed with.
func (c *Config) rackYAML(publicKey string) string {
	first := c.Machines[0]
	return fmt.Sprintf(`# The virtual rack.
name: rack
management:
  network: %s
  controller: %s
  nic: %q
tenant:
  vlan_from: %d
  vlan_to: %d
external:
  nic: %q
  dhcp: true
ssh_keys:
  - %s
api_names: ["127.0.0.1", localhost]
approve: auto
rules:
  - name: controller
    match: {local: true}
    roles: [controller]
    host: controller
  - name: compute
    match: {local: false}
    roles: [compute]
    host: compute%%d
`, managementNetwork, controllerAddress, first.mac(nicManagement), tenantFrom, tenantTo, first.mac(nicExternal), strings.TrimSpace(publicKey))
}
