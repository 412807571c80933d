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
	// Unfinished: an installation of ours was cut off on it. It holds nothing
	// of anybody's and counts as blank.
	Unfinished bool `json:"unfinished,omitempty"`
	Medium     bool `json:"medium,omitempty"` // holds what we install from
	// Stamp names what the installation was made from, where it came from a
	// medium; see disk.WriteStamp.
	Stamp string `json:"stamp,omitempty"`
}

// A NIC is one physical Ethernet device.
type NIC struct {
	Name      string `json:"name"`
	MAC       string `json:"mac"` // lower case, colons
	Driver    string `json:"driver,omitempty"`
	Link      bool   `json:"link"`
	SpeedMbps int    `json:"speed_mbps,omitempty"`
}
