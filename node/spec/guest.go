package spec

import (
	"net/netip"
	"time"
)

// Power is whether a guest runs.
type Power string

// What a guest can be told to be. PowerGone means that nothing of it may stay.
const (
	PowerOn   Power = "on"
	PowerOff  Power = "off"
	PowerGone Power = "gone"
)

// Desired is the whole wanted state of one guest on one host. Comparing
// generations, never times, tells which of two is newer.
type Desired struct {
	ID         string `json:"id"`         // the server's UUID, also the domain's
	Generation int64  `json:"generation"` // grows with every change of the intent
	Power      Power  `json:"power"`
	Guest      Guest  `json:"guest"`
}

// A Guest is what runs for a server. RebootCount grows by one with every
// requested reboot: the agent restarts the guest when it has seen fewer.
type Guest struct {
	Name        string   `json:"name"`
	Driver      Driver   `json:"driver"`
	VCPUs       int      `json:"vcpus"`
	MemoryMiB   int      `json:"memory_mib"`
	DiskGiB     int      `json:"disk_gib"` // 0: as large as the image
	Image       Image    `json:"image"`
	Kernel      *Image   `json:"kernel,omitempty"`  // aki: direct kernel boot
	Ramdisk     *Image   `json:"ramdisk,omitempty"` // ari
	KernelArgs  string   `json:"kernel_args,omitempty"`
	Ports       []Port   `json:"ports"`
	Metadata    Metadata `json:"metadata"`
	RebootCount int      `json:"reboot_count,omitempty"`
	HardReboot  bool     `json:"hard_reboot,omitempty"` // how to do the newest of them
}

// Driver is the hypervisor that runs a guest (img_hv_type of the image).
type Driver string

// The drivers of a node. DriverQEMU uses KVM where a probe shows that it
// works, TCG where not.
const (
	DriverQEMU Driver = "qemu"
	DriverLXC  Driver = "lxc"
)

// An Image is one file that a host fetches from the controller, over mutual
// TLS, from https://<controller>:8444/v1/images/<id>, and keeps by its digest.
type Image struct {
	ID     string `json:"id"`
	Format string `json:"format"` // raw, qcow2, aki, ari, ami, or root-tar (tar.zst tree for LXC)
	Size   int64  `json:"size"`   // bytes
	SHA512 string `json:"sha512"` // hex; checked before first use
}

// A Port joins a guest to a project network: one VLAN, one MAC, its addresses.
type Port struct {
	ID        string      `json:"id"`
	NetworkID string      `json:"network_id"`
	MAC       string      `json:"mac"` // lower case, colons
	VLAN      int         `json:"vlan"`
	MTU       int         `json:"mtu"`
	Addresses []Address   `json:"addresses"`
	Security  bool        `json:"security"` // port security: anti-spoofing and Rules hold
	Rules     []Rule      `json:"rules,omitempty"`
	DHCP      *DHCPOption `json:"dhcp,omitempty"` // nil: no DHCP on the port's subnet
	AdminUp   bool        `json:"admin_up"`
}

// TapName is the name of the host's end of the port: "tap" and the first
// eleven characters of the port's id.
func (p *Port) TapName() string { return "tap" + p.ID[:min(11, len(p.ID))] }

// An Address is one fixed address with the prefix of its subnet.
type Address struct {
	Address  netip.Addr `json:"address"`
	Bits     int        `json:"bits"`
	Gateway  netip.Addr `json:"gateway,omitzero"`
	SubnetID string     `json:"subnet_id"`
}

// DHCPOption is what the DHCP answer carries beyond the address.
type DHCPOption struct {
	Server       netip.Addr     `json:"server"` // the subnet's DHCP address; metadata is answered there too
	DNS          []netip.Addr   `json:"dns,omitempty"`
	Routes       []netip.Prefix `json:"routes,omitempty"` // on-link or via the gateway
	LeaseSeconds int            `json:"lease_seconds"`
	HostName     string         `json:"host_name"`
	Domain       string         `json:"domain,omitempty"`
}

// A Rule is one allowed flow of a security group, already resolved: groups
// are lists of addresses here. What no rule allows is dropped.
type Rule struct {
	Ingress  bool           `json:"ingress"` // false: egress
	IPv6     bool           `json:"ipv6,omitempty"`
	Protocol string         `json:"protocol,omitempty"` // tcp, udp, icmp; empty: any
	PortMin  int            `json:"port_min,omitempty"`
	PortMax  int            `json:"port_max,omitempty"`
	Remotes  []netip.Prefix `json:"remotes,omitempty"` // empty: anywhere
}

// Metadata is what a guest learns of itself at 169.254.169.254.
type Metadata struct {
	ServerID         string            `json:"server_id"`
	ProjectID        string            `json:"project_id"`
	Name             string            `json:"name"`
	HostName         string            `json:"host_name"`
	AvailabilityZone string            `json:"availability_zone"`
	Keys             map[string]string `json:"keys,omitempty"` // name to public key
	Meta             map[string]string `json:"meta,omitempty"`
	UserData         []byte            `json:"user_data,omitempty"`
	Created          time.Time         `json:"created"`
}
