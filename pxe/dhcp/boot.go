package dhcp

import (
	"github.com/insomniacslk/dhcp/dhcpv4"
)

// bootOptions tells a boot client what to load: the loader for firmware, the
// script for iPXE. The file name stands both in the BOOTP header, where old
// ROMs look, and in option 67.
func (r *Responder) bootOptions(m *dhcpv4.DHCPv4, c Client, out *dhcpv4.DHCPv4) {
	server := r.conf.Server.Addr().String()
	switch c.Kind {
	case KindIPXE:
		r.bootFile(out, ScriptURL(r.conf.HTTP, c.MAC))
		out.UpdateOption(dhcpv4.OptGeneric(optionIPXE, []byte{ipxeNoProxy, 1, 1}))
	case KindBIOS, KindUEFI:
		r.bootFile(out, r.loader(c))
		out.ServerHostName = server
		out.UpdateOption(dhcpv4.OptTFTPServerName(server))
		out.UpdateOption(dhcpv4.OptClassIdentifier("PXEClient"))
		// Discovery control 8: take the file named here, ask no boot server.
		out.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionVendorSpecificInformation, []byte{pxeDiscovery, 1, 8, 255}))
	case KindHTTP:
		r.bootFile(out, r.conf.HTTP+"/boot/"+r.loader(c))
		out.UpdateOption(dhcpv4.OptClassIdentifier("HTTPClient"))
	}
	// The PXE specification wants the machine's identifier back.
	if id := m.Options.Get(dhcpv4.OptionClientMachineIdentifier); id != nil && c.Kind != KindPlain {
		out.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionClientMachineIdentifier, id))
	}
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
