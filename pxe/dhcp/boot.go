package dhcp

import (
	"strconv"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// Codes inside option 43 of PXE (PXE 2.1, table 2-1). The last is in nobody's
// table; some boot loaders and network boot services agree on it.
const (
	pxeDiscovery = 6   // discovery control
	pxeBootItem  = 71  // what a boot server was asked for
	pxeVLAN      = 116 // tag that the machine is to go on with, in decimal digits
)

// bootOptions tells a boot client what to load: the loader for firmware, the
// script for iPXE. The file name stands both in the BOOTP header, where old
// ROMs look, and in option 67.
func (r *Responder) bootOptions(m *dhcpv4.DHCPv4, c Client, out *dhcpv4.DHCPv4) {
	server := r.conf.Server.Addr().String()
	out.ServerIPAddr = r.conf.Server.Addr().AsSlice()
	switch c.Kind {
	case KindIPXE:
		r.bootFile(out, ScriptURL(r.conf.HTTP, c.MAC))
	case KindBIOS, KindUEFI:
		r.bootFile(out, r.loader(c))
		out.ServerHostName = server
		out.UpdateOption(dhcpv4.OptTFTPServerName(server))
		out.UpdateOption(dhcpv4.OptClassIdentifier("PXEClient"))
	case KindHTTP:
		r.bootFile(out, r.conf.HTTP+"/boot/"+r.loader(c))
		out.UpdateOption(dhcpv4.OptClassIdentifier("HTTPClient"))
	}
	if v := r.vendor(m, c); v != nil {
		out.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionVendorSpecificInformation, append(v, 255)))
	}
	// The PXE specification wants the machine's identifier back.
	if id := m.Options.Get(dhcpv4.OptionClientMachineIdentifier); id != nil && c.boots() {
		out.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionClientMachineIdentifier, id))
	}
}

// vendor is what goes into option 43.
func (r *Responder) vendor(m *dhcpv4.DHCPv4, c Client) []byte {
	var v []byte
	if c.Kind == KindBIOS || c.Kind == KindUEFI {
		v = append(v, pxeDiscovery, 1, 8) // take the file named here, ask no boot server
		if item := subOption(m.Options.Get(dhcpv4.OptionVendorSpecificInformation), pxeBootItem); len(item) == 4 {
			v = append(append(v, pxeBootItem, 4), item...)
		}
	}
	if r.conf.VLAN != 0 && c.boots() {
		tag := strconv.Itoa(r.conf.VLAN)
		v = append(append(v, pxeVLAN, byte(len(tag))), tag...)
	}
	return v
}

// loader is the file that firmware starts. A BIOS machine that is installed
// gets iPXE like any other, since iPXE can boot its disk.
func (r *Responder) loader(c Client) string {
	switch {
	case c.Kind == KindBIOS:
		return r.conf.Files.BIOS
	case r.conf.Files.Next != "" && r.conf.Installed != nil && r.conf.Installed(c.MAC):
		return r.conf.Files.Next
	}
	return r.conf.Files.UEFI
}

func (r *Responder) bootFile(out *dhcpv4.DHCPv4, name string) {
	out.BootFileName = name
	out.UpdateOption(dhcpv4.OptBootFileName(name))
}
