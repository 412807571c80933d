package dhcp

import (
	"bytes"
	"net"
	"net/netip"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// Kind is what sort of program asks.
type Kind string

// The kinds of clients. KindPlain is an operating system, among them our own
// installer; KindAlien is firmware of an architecture that we have no image for.
const (
	KindBIOS  Kind = "bios"
	KindUEFI  Kind = "uefi"
	KindHTTP  Kind = "uefi-http"
	KindIPXE  Kind = "ipxe"
	KindPlain Kind = "plain"
	KindAlien Kind = "alien"
)

// A Client is who sent a packet.
type Client struct {
	MAC     string // lower case, colons
	Kind    Kind
	Arch    string     // as the firmware names it, for people; empty when it says nothing
	Address netip.Addr // what it was given; zero before that
}

// canonicalMAC is the form of hardware addresses in all of pxe, or empty when
// hw is not the address of one Ethernet device.
func canonicalMAC(hw net.HardwareAddr) string {
	if len(hw) != 6 || hw[0]&1 != 0 || bytes.Equal(hw, make([]byte, 6)) {
		return ""
	}
	return hw.String()
}

// optionIPXE is the option that encapsulates iPXE's own (iPXE: dhcp.h,
// DHCP_EB_ENCAP), and the two of those that matter here.
const (
	optionIPXE   = dhcpv4.OptionEtherboot
	ipxeHTTP     = 19  // the client can fetch over HTTP
	ipxeNoProxy  = 176 // do not wait for a proxyDHCP server
	pxeDiscovery = 6   // PXE 2.1: discovery control
)

// identify tells what sort of program sent m.
func identify(m *dhcpv4.DHCPv4) Client {
	c := Client{MAC: canonicalMAC(m.ClientHWAddr), Kind: KindPlain}
	archs := m.ClientArch()
	if len(archs) > 0 {
		c.Arch = archs[0].String()
	}
	if isIPXE(m) {
		c.Kind = KindIPXE
		return c
	}
	class := m.ClassIdentifier()
	if !strings.HasPrefix(class, "PXEClient") && !strings.HasPrefix(class, "HTTPClient") {
		return c
	}
	// RFC 4578: without the option the client is an Intel x86PC.
	arch := iana.INTEL_X86PC
	if len(archs) > 0 {
		arch = archs[0]
	}
	c.Kind = kindOf(arch)
	return c
}

func kindOf(arch iana.Arch) Kind {
	switch arch {
	case iana.INTEL_X86PC:
		return KindBIOS
	case iana.EFI_X86_64, iana.EFI_BC:
		return KindUEFI
	case iana.EFI_X86_64_HTTP:
		return KindHTTP
	}
	return KindAlien
}

// isIPXE tells iPXE that can go on by itself. One that was built without HTTP
// is treated as the firmware under it, and gets our loader.
func isIPXE(m *dhcpv4.DHCPv4) bool {
	if !bytes.Contains(m.Options.Get(dhcpv4.OptionUserClassInformation), []byte("iPXE")) {
		return false
	}
	features := m.Options.Get(optionIPXE)
	if len(features) == 0 {
		return true
	}
	return hasSubOption(features, ipxeHTTP)
}

// hasSubOption walks encapsulated options: code, length, value.
func hasSubOption(b []byte, code byte) bool {
	for len(b) >= 2 && b[0] != 255 {
		if b[0] == 0 {
			b = b[1:]
			continue
		}
		if b[0] == code {
			return true
		}
		n := 2 + int(b[1])
		if n > len(b) {
			return false
		}
		b = b[n:]
	}
	return false
}
