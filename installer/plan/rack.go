package plan

import (
	"net/netip"

	"github.com/cairn-cloud/cairn/node/spec"
)

// A Rack is rack.yaml. What it leaves out has a default that works; ParseRack
// fills them in and names line, field and allowed values where it can't.
type Rack struct {
	Name       string     `json:"name"`
	Management Management `json:"management"`
	Tenant     Tenant     `json:"tenant"`
	External   External   `json:"external"`
	SSHKeys    []string   `json:"ssh_keys"`
	APINames   []string   `json:"api_names"` // further names and addresses of the API
	Approve    string     `json:"approve"`   // auto (default) or manual
	Rules      []RoleRule `json:"rules"`     // first match wins
}

// Management is the untagged network of the rack itself.
type Management struct {
	Network    netip.Prefix `json:"network"`    // default 10.20.0.0/24
	Controller netip.Addr   `json:"controller"` // default: the .11 of Network
	RangeFrom  netip.Addr   `json:"range_from"` // addresses for machines; default .100
	RangeTo    netip.Addr   `json:"range_to"`   // default .199
	NIC        string       `json:"nic"`        // of the first controller: a MAC; default: the first NIC with link
}

// Tenant is the tagged network of the projects.
type Tenant struct {
	VLANFrom int `json:"vlan_from"` // default 100
	VLANTo   int `json:"vlan_to"`   // default 199
}

// External is the network that users reach the API on.
type External struct {
	NIC     string       `json:"nic"`     // of the first controller: a MAC; empty: none
	DHCP    bool         `json:"dhcp"`    // take the address from DHCP
	Address netip.Prefix `json:"address"` // or this one
	Gateway netip.Addr   `json:"gateway"`
}

// A RoleRule gives machines their role.
type RoleRule struct {
	Name  string      `json:"name"`
	Match Match       `json:"match"`
	Roles []spec.Role `json:"roles"`
	Host  string      `json:"host"` // host name; %d counts, from 1; default ROLE%d
	Disk  DiskRule    `json:"disk"`
}

// A Match is met when every field that it names is met; an empty one by all.
type Match struct {
	MAC          []string `json:"mac"`     // any NIC of the machine
	Machine      []string `json:"machine"` // SMBIOS UUID
	Serial       []string `json:"serial"`  // SMBIOS serial number
	MinMemoryMiB int      `json:"min_memory_mib"`
	MinCPUs      int      `json:"min_cpus"`
	Local        *bool    `json:"local"` // true: installs from ISO; false: booted from the network
}

// A DiskRule chooses the disk to install on.
type DiskRule struct {
	Path    string `json:"path"`
	Serial  string `json:"serial"`
	Model   string `json:"model"`
	Bus     string `json:"bus"`
	MinGiB  int    `json:"min_gib"` // default MinDiskGiB
	MaxGiB  int    `json:"max_gib"`
	Choose  string `json:"choose"` // only (default: refuse several), smallest, largest, first
	Wipe    string `json:"wipe"`   // never (default), cairn (an earlier installation of ours), always
	Comment string `json:"comment"`
}

// MinDiskGiB is the smallest disk that an installation fits on: two slots of
// SlotMiB, the ESP and room for state.
const MinDiskGiB = 12

// SlotMiB is the size of each of the two system slots.
const SlotMiB = 2048
