package plan

// An Inventory is what a machine consists of, as its installer found it.
type Inventory struct {
	Machine   string `json:"machine"` // SMBIOS system UUID, lower case: the machine's id
	Serial    string `json:"serial,omitempty"`
	Vendor    string `json:"vendor,omitempty"`
	Product   string `json:"product,omitempty"`
	Firmware  string `json:"firmware"` // bios or uefi
	CPUs      int    `json:"cpus"`
	CPUModel  string `json:"cpu_model,omitempty"`
	Virt      string `json:"virt,omitempty"` // vmx, svm or empty
	MemoryMiB int    `json:"memory_mib"`
	Disks     []Disk `json:"disks"`
	NICs      []NIC  `json:"nics"`
	BootMAC   string `json:"boot_mac,omitempty"` // NIC that the machine booted from, if it did

	Board     string   `json:"board,omitempty"`     // baseboard name
	BIOS      string   `json:"bios,omitempty"`      // firmware version
	AssetTag  string   `json:"asset_tag,omitempty"` // chassis
	CPUFlags  []string `json:"cpu_flags,omitempty"` // those that matter to guests: vmx svm ept npt aes avx2 sha_ni ...
	Sockets   int      `json:"sockets,omitempty"`
	NUMANodes []NUMA   `json:"numa,omitempty"`
	TPM       string   `json:"tpm,omitempty"` // 1.2 or 2.0; empty: none
	BMC       *Manager `json:"bmc,omitempty"`
	Clock     string   `json:"clock,omitempty"` // RFC 3339, when the inventory was taken
}

// NUMA is one memory node.
type NUMA struct {
	ID        int    `json:"id"`
	CPUs      string `json:"cpus"` // as the kernel lists them: 0-7,16-23
	MemoryMiB int    `json:"memory_mib"`
}

// A Manager is the machine's BMC as the machine sees it.
type Manager struct {
	Address string `json:"address,omitempty"`
	MAC     string `json:"mac,omitempty"`
	Kind    string `json:"kind,omitempty"` // kcs, ssif, bt or host-interface (Redfish)
}

// A Disk is one whole block device.
type Disk struct {
	Path       string   `json:"path"` // /dev/vda
	Size       int64    `json:"size"` // bytes
	Model      string   `json:"model,omitempty"`
	Serial     string   `json:"serial,omitempty"`
	Bus        string   `json:"bus,omitempty"` // virtio, scsi, ata, nvme, usb
	Rotational bool     `json:"rotational,omitempty"`
	Removable  bool     `json:"removable,omitempty"`
	ReadOnly   bool     `json:"read_only,omitempty"`
	Contents   []string `json:"contents,omitempty"`  // what is on it, in words; empty: blank
	Installed  string   `json:"installed,omitempty"` // id of the Cairn installation on it (its GPT disk GUID)
	// ForData: that installation has data of a role on it, and no system.
	ForData bool `json:"for_data,omitempty"`
	// Unfinished: an installation of ours was cut off on it. It holds nothing
	// of anybody's and counts as blank.
	Unfinished bool `json:"unfinished,omitempty"`
	Medium     bool `json:"medium,omitempty"` // holds what we install from
	// Stamp names what the installation was made from, where it came from a
	// medium; see disk.WriteStamp.
	Stamp string `json:"stamp,omitempty"`

	WWN    string  `json:"wwn,omitempty"`
	ByPath string  `json:"by_path,omitempty"` // place in the machine: pci-0000:00:1f.2-ata-1
	NUMA   int     `json:"numa_node,omitempty"`
	Sector int     `json:"sector,omitempty"` // logical, bytes
	Health *Health `json:"health,omitempty"` // nil: the disk does not say
}

// Health is what the disk says of itself (ATA SMART, the NVMe health log).
type Health struct {
	OK      bool   `json:"ok"`
	Why     string `json:"why,omitempty"`
	Hours   int64  `json:"hours,omitempty"`   // powered on
	Celsius int    `json:"celsius,omitempty"` // temperature
	Wear    int    `json:"wear,omitempty"`    // percent of its life used
	Errors  int64  `json:"errors,omitempty"`  // media errors, or reallocated sectors
}

// A NIC is one physical Ethernet device.
type NIC struct {
	Name      string `json:"name"`
	MAC       string `json:"mac"` // lower case, colons
	Driver    string `json:"driver,omitempty"`
	Link      bool   `json:"link"`
	SpeedMbps int    `json:"speed_mbps,omitempty"`

	Path string `json:"path,omitempty"` // place in the machine: PCI address
	NUMA int    `json:"numa_node,omitempty"`
	MTU  int    `json:"max_mtu,omitempty"` // that the card takes, bytes
	LLDP *LLDP  `json:"lldp,omitempty"`    // nil: nothing was heard
}

// LLDP is the neighbour that a card heard (IEEE 802.1AB).
type LLDP struct {
	Chassis     string `json:"chassis,omitempty"` // chassis ID, a MAC or a name
	Switch      string `json:"switch,omitempty"`  // system name
	Port        string `json:"port,omitempty"`    // port ID
	Description string `json:"description,omitempty"`
	VLAN        int    `json:"vlan,omitempty"` // native (port) VLAN ID, IEEE 802.1 TLV
	Address     string `json:"address,omitempty"`
}
