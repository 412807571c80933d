package inventory

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// pciAddress is domain, bus, device and function of a PCI device.
var pciAddress = regexp.MustCompile(`^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$`)

// device is where something of /sys/block or /sys/class hangs in the tree of
// devices, without links.
func device(path string) string {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path
	}
	return real
}

// pciOf is the address of the PCI device that something hangs on, or empty.
func pciOf(dir string) string {
	for ; dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		if name := filepath.Base(dir); pciAddress.MatchString(name) {
			return name
		}
	}
	return ""
}

// numaOf is the memory node that something hangs on; 0 where there is one
// only or it is not known.
func (h Host) numaOf(dir string) int {
	for ; strings.HasPrefix(dir, h.Sys) && dir != h.Sys; dir = filepath.Dir(dir) {
		if s := readLine(filepath.Join(dir, "numa_node")); s != "" {
			return max(atoi(s), 0) // -1: it is equally far from all
		}
	}
	return 0
}

// blockDevice is where a disk hangs. One that several NVMe controllers lead
// to (a subsystem) hangs on the first of them.
func (h Host) blockDevice(name string) string {
	real := device(filepath.Join(h.Sys, "block", name))
	dir := filepath.Dir(real)
	if !strings.Contains(real, "/virtual/nvme-subsystem/") {
		return real
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return real
	}
	for _, e := range entries {
		if controller := device(filepath.Join(dir, e.Name())); pciOf(controller) != "" {
			return filepath.Join(controller, name)
		}
	}
	return real
}

// byPath names a disk by its place in the machine, in the words of
// /dev/disk/by-path (systemd's path_id): pci-0000:00:1f.2-ata-1. real is
// where it hangs. It is empty where the place is not on PCI.
func byPath(real string) string {
	pci := pciOf(real)
	if pci == "" {
		return ""
	}
	_, below, _ := strings.Cut(real, "/"+pci+"/")
	words := []string{"pci-" + pci}
	parts := strings.Split(below, "/")
	at := strings.TrimSuffix(real, below)
	for i, p := range parts {
		here := filepath.Join(append([]string{at}, parts[:i+1]...)...)
		switch {
		case strings.HasPrefix(p, "ata"):
			return strings.Join(append(words, "ata-"+ataPort(here, p)+ataDevice(parts[i:])), "-")
		case strings.HasPrefix(p, "end_device-"):
			return strings.Join(append(words, sasPort(here, p), "lun-"+last(address(parts[i:]))), "-")
		case strings.Contains(p, ":") && strings.Contains(p, "-") && strings.Contains(below, "usb"):
			_, port, _ := strings.Cut(p, "-") // 1-4:1.0: the bus's number depends on who came first
			words = append(words, "usb-0:"+port)
		case strings.HasPrefix(p, "nvme") && i == len(parts)-1:
			return strings.Join(append(words, "nvme-"+orElse(readLine(filepath.Join(real, "nsid")), "1")), "-")
		}
	}
	if a := address(parts); a != nil {
		words = append(words, "scsi-0:"+strings.Join(a[1:], ":")) // hosts are numbered as they come
	}
	return strings.Join(words, "-")
}

// address is host, channel, target and logical unit of a SCSI disk.
func address(parts []string) []string {
	for i, p := range parts {
		if strings.HasPrefix(p, "target") && i+1 < len(parts) {
			if a := strings.Split(parts[i+1], ":"); len(a) == 4 {
				return a
			}
		}
	}
	return nil
}

func last(words []string) string {
	if len(words) == 0 {
		return "0"
	}
	return words[len(words)-1]
}

// ataPort is the port's number on its controller; the kernel's own counts
// over all of them.
func ataPort(dir, name string) string {
	return orElse(readLine(filepath.Join(dir, "ata_port", name, "port_no")), strings.TrimPrefix(name, "ata"))
}

// ataDevice tells the second disk of a cable from the first, which has no
// number.
func ataDevice(parts []string) string {
	if a := address(parts); a != nil && a[2] != "0" {
		return "." + a[2]
	}
	return ""
}

// sasPort is the bay of a SAS disk: the phy of its controller, or that of its
// expander.
func sasPort(dir, name string) string {
	phy := "phy" + orElse(readLine(filepath.Join(dir, "sas_device", name, "phy_identifier")), "0")
	for up := filepath.Dir(dir); !pciAddress.MatchString(filepath.Base(up)) && up != "/"; up = filepath.Dir(up) {
		if base := filepath.Base(up); strings.HasPrefix(base, "expander-") {
			if a := readLine(filepath.Join(up, "sas_device", base, "sas_address")); a != "" {
				return "sas-exp" + a + "-" + phy
			}
		}
	}
	return "sas-" + phy
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
