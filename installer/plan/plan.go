package plan

import (
	"net/netip"

	"github.com/cairn-cloud/cairn/node/spec"
)

// A Plan is everything that an installation will do, decided before it
// touches anything.
type Plan struct {
	Machine    string      `json:"machine"`
	Rule       string      `json:"rule"` // name of the role rule that matched
	HostName   string      `json:"host_name"`
	Roles      []spec.Role `json:"roles"`
	Disk       Disk        `json:"disk"`
	Wipes      []string    `json:"wipes,omitempty"` // what is lost, in words
	Partitions []Partition `json:"partitions"`
	Version    string      `json:"version"`  // of the release that is written
	Handover   string      `json:"handover"` // kexec (falls back to reboot) or reboot
	Management string      `json:"management_mac"`
	Tenant     string      `json:"tenant_mac,omitempty"`
	External   string      `json:"external_mac,omitempty"`

	Mirror  *Disk      `json:"mirror,omitempty"` // second disk of a RAID 1, partitioned as Disk
	Data    []DataDisk `json:"data,omitempty"`
	Encrypt string     `json:"encrypt,omitempty"` // tpm or deployer; empty: the data partition is plain
	Bond    *Bond      `json:"bond,omitempty"`    // Management is then the MAC of its first member
	VLAN    int        `json:"vlan,omitempty"`    // of management; 0: untagged
	MTU     int        `json:"mtu,omitempty"`     // of management; 0: 1500
	Warn    []string   `json:"warn,omitempty"`    // what a person should know, and does not stop it

	// Founds says that the machine founds the cluster: it is the first
	// controller of its rack, and was booted by a deployer that is none.
	Founds bool `json:"founds,omitempty"`
	// Address is the one that rack.yaml names for the machine; zero: the
	// deployer gives it one of its range.
	Address netip.Addr `json:"address,omitzero"`
}

// A DataDisk is a further disk, whole, for a role's data.
type DataDisk struct {
	Disk  Disk     `json:"disk"`
	Use   string   `json:"use"`
	Wipes []string `json:"wipes,omitempty"`
}

// A Bond joins cards.
type Bond struct {
	Mode    string   `json:"mode"`    // active-backup or 802.3ad
	Members []string `json:"members"` // MACs
}

// A Partition of the target disk. Start and Size are bytes, multiples of 1 MiB.
type Partition struct {
	Label string `json:"label"` // GPT name: cairn-esp, cairn-bios, cairn-a, cairn-b, cairn-data
	Type  string `json:"type"`  // GPT type GUID
	Start int64  `json:"start"`
	Size  int64  `json:"size"`
	File  string `json:"file,omitempty"` // file of the release that goes there
}
