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
	Fabric     Fabric     `json:"fabric"`
	Fleet      Fleet      `json:"fleet"`
	Rules      []RoleRule `json:"rules"`    // first match wins
	Machines   []Known    `json:"machines"` // what is known of single machines; overrules the rule
}

// Management is the untagged network of the rack itself.
type Management struct {
	Network    netip.Prefix `json:"network"`    // default 10.20.0.0/24
	Controller netip.Addr   `json:"controller"` // default: the .11 of Network
	RangeFrom  netip.Addr   `json:"range_from"` // addresses for machines; default .100
	RangeTo    netip.Addr   `json:"range_to"`   // default .199
	NIC        string       `json:"nic"`        // of the first controller: a MAC; default: the first NIC with link
	VLAN       int          `json:"vlan"`       // tag of the management network; 0 (default): untagged
	MTU        int          `json:"mtu"`        // bytes; default 1500
	// DHCP is how the deployer answers: server (default) gives out addresses,
	// proxy adds boot information beside a server that is there already.
	DHCP string `json:"dhcp"`
	// Relayed are further networks whose relay agents may ask the deployer.
	Relayed []Relayed `json:"relayed"`
}

// A Relayed network reaches the deployer through a relay agent (RFC 2131,
// giaddr).
type Relayed struct {
	Network   netip.Prefix `json:"network"`
	Router    netip.Addr   `json:"router"` // default gateway of its machines
	RangeFrom netip.Addr   `json:"range_from"`
	RangeTo   netip.Addr   `json:"range_to"`
}

// Tenant is the tagged network of the projects.
type Tenant struct {
	VLANFrom int `json:"vlan_from"` // default 100
	VLANTo   int `json:"vlan_to"`   // default 199
	MTU      int `json:"mtu"`       // bytes, of untagged payload; default 1500
}

// Fabric is the check of the switches before any disk is touched.
type Fabric struct {
	Check   string `json:"check"`    // enforce (default): wait until it passes; report: go on and say so; off
	Quiet   int    `json:"quiet"`    // seconds without a new machine before a round starts; default 5
	MaxSkew int    `json:"max_skew"` // seconds that clocks may differ; default 2
}

// Fleet is the pace of a rollout.
type Fleet struct {
	Parallel int    `json:"parallel"` // installations at once; default 32
	Peers    string `json:"peers"`    // on (default): machines fetch chunks from each other; off
}

// Known is what is written down of one machine.
type Known struct {
	MAC     string     `json:"mac"`     // of any NIC; or
	Machine string     `json:"machine"` // SMBIOS UUID; or
	Serial  string     `json:"serial"`  // SMBIOS serial number
	Name    string     `json:"name"`    // host name
	Address netip.Addr `json:"address"` // on the management network, outside the range
	Rule    string     `json:"rule"`    // role rule by name, whatever it matches
	BMC     BMC        `json:"bmc"`
}

// BMC is how a machine's power is controlled. The password is never in
// rack.yaml, which is no secret.
type BMC struct {
	Address      string `json:"address"`  // host or host:port; default: what the inventory found
	Protocol     string `json:"protocol"` // redfish (default) or ipmi
	User         string `json:"user"`
	PasswordFile string `json:"password_file"` // on the deployer, 0600
	CA           string `json:"ca"`            // sha256:<hex of the certificate's DER> that it must show
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
	Host  string      `json:"host"`  // host name; %d counts, from 1; default ROLE%d
	Count int         `json:"count"` // machines at most; 0 (default): any number. Those above it go on to the next rule
	Disk  DiskRule    `json:"disk"`
	Data  []DataRule  `json:"data"`
	NICs  NICRule     `json:"nics"`
	Crypt string      `json:"encrypt"` // data partition: none (default), auto (tpm, else deployer), tpm, deployer
}

// A Match is met when every field that it names is met; an empty one by all.
type Match struct {
	MAC          []string `json:"mac"`     // any NIC of the machine
	Machine      []string `json:"machine"` // SMBIOS UUID
	Serial       []string `json:"serial"`  // SMBIOS serial number
	MinMemoryMiB int      `json:"min_memory_mib"`
	MinCPUs      int      `json:"min_cpus"`
	Local        *bool    `json:"local"` // true: installs from ISO; false: booted from the network
	// Where are conditions on any field of the inventory, by its dotted JSON
	// name: "product: PowerEdge*", "cpus: >= 16", "nics.lldp.switch: tor-1".
	// A list meets one when any of its elements does.
	Where map[string]string `json:"where"`
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

	Rotational *bool `json:"rotational"`
	// Mirror installs on two disks as RAID 1: Choose picks both.
	Mirror bool `json:"mirror"`
}

// A DataRule chooses further disks, which hold data of a role. Wipe holds for
// each of them.
type DataRule struct {
	Disk  DiskRule `json:"disk"`
	Count int      `json:"count"` // how many; 0 (default): all that match
	Use   string   `json:"use"`   // volumes, objects or images
}

// A NICRule says how a machine's cards make its networks. Without it
// management is the card that the machine booted from and tenant the next.
type NICRule struct {
	Bond     string   `json:"bond"`      // none (default), active-backup or 802.3ad: management and tenant traffic on one bond
	Members  []string `json:"members"`   // MACs, names or drivers; default: all cards with link
	OneTrunk bool     `json:"one_trunk"` // tenant VLANs on the management card or bond
}

// MinDiskGiB is the smallest disk that an installation fits on: two slots of
// SlotMiB, the ESP and room for state.
const MinDiskGiB = 12

// SlotMiB is the size of each of the two system slots.
const SlotMiB = 2048
