package plan

import "github.com/cairn-cloud/cairn/node/spec"

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
}

// A Partition of the target disk. Start and Size are bytes, multiples of 1 MiB.
type Partition struct {
	Label string `json:"label"` // GPT name: cairn-esp, cairn-bios, cairn-a, cairn-b, cairn-data
	Type  string `json:"type"`  // GPT type GUID
	Start int64  `json:"start"`
	Size  int64  `json:"size"`
	File  string `json:"file,omitempty"` // file of the release that goes there
}
