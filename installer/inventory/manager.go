package inventory

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/cairn-cloud/cairn/installer/inventory/ipmi"
	"github.com/cairn-cloud/cairn/installer/inventory/smbios"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// kindHostInterface is a BMC that is known by its network inside the machine
// alone.
const kindHostInterface = "host-interface"

// manager finds the BMC. Firmware says that there is one; where it is on the
// network the BMC itself knows best, and its Redfish host interface second.
func (h Host) manager() *plan.Manager {
	table, err := os.ReadFile(filepath.Join(h.Sys, "firmware/dmi/tables/DMI"))
	if err != nil {
		table = nil // not root, or no SMBIOS
	}
	all := smbios.Parse(table)
	m := &plan.Manager{Kind: smbios.Interface(all)}
	redfish := smbios.Redfish(all)
	if m.Kind == "" && len(redfish) > 0 {
		m.Kind = kindHostInterface
	}
	device := filepath.Join(h.Dev, ipmi.Device)
	if m.Kind == "" {
		if !exists(device) {
			return nil
		}
		m.Kind = readLine(filepath.Join(h.Sys, "class/ipmi", ipmi.Device, "device/type")) // as its driver says
	}
	if lan := h.lan(device); lan.Address.IsValid() || lan.MAC != "" {
		m.MAC, m.Address = lan.MAC, text(lan.Address)
	}
	for _, r := range redfish {
		if m.Address == "" {
			m.Address = text(r.Service)
		}
	}
	return m
}

// lan is what the BMC says of its network; empty when it does not, or not in
// time.
func (h Host) lan(device string) ipmi.LAN {
	if h.LAN == nil || !exists(device) && !exists(filepath.Join(h.Sys, "class/ipmi")) {
		return ipmi.LAN{} // the driver is not loaded: no use in waiting for it
	}
	lan, _ := within(h.patience(), func() ipmi.LAN {
		lan, err := h.LAN(device)
		if err != nil {
			return ipmi.LAN{}
		}
		return lan
	})
	return lan
}

// Limits of asking a BMC. The kernel's driver speaks to it for a while before
// it offers it.
const (
	bmcAppears = 3 * time.Second
	bmcAnswers = 2 * time.Second
)

// askBMC asks a BMC for its network.
func askBMC(device string) (ipmi.LAN, error) {
	const step = 100 * time.Millisecond
	for end := time.Now().Add(bmcAppears); ; time.Sleep(step) {
		b, err := ipmi.Open(device, bmcAnswers)
		if errors.Is(err, fs.ErrNotExist) && time.Now().Before(end) {
			continue
		}
		if err != nil {
			return ipmi.LAN{}, err
		}
		lan, err := ipmi.FindLAN(b)
		return lan, errors.Join(err, b.Close())
	}
}

func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
