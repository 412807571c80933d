package dhcp

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// Kind is what sort of program asks.
type Kind string

// The kinds of clients. KindPlain is an operating system; KindInstaller is
// ours, which gets an address even where its machine did not boot from us
// (from an ISO, or by another card); KindProbe is a deployer that looks for
// others; KindAlien is firmware of an architecture that we have no image for.
const (
	KindBIOS      Kind = "bios"
	KindUEFI      Kind = "uefi"
	KindHTTP      Kind = "uefi-http"
	KindIPXE      Kind = "ipxe"
	KindInstaller Kind = "installer"
	KindPlain     Kind = "plain"
	KindProbe     Kind = "probe"
	KindAlien     Kind = "alien"
)

// Words by which programs of ours say who they are.
const (
	classInstaller = "cairn-installer" // vendor class, option 60
	classProbe     = "cairn-probe"     // user class, option 77
)

// A Client is who sent a packet.
type Client struct {
	MAC  string // lower case, colons
	Kind Kind
	Arch string // as the firmware names it, for people; empty when it says nothing
	// Machines is the SMBIOS UUID, as the firmware says it (RFC 4578, option
	// 97), in both orders of its bytes; empty when it does not.
	Machines []string
	Address  netip.Addr // what it was given; zero before that
	// Circuit and Remote are what a relay agent or a switch says of where the
	// client is plugged in (option 82); empty: nothing.
	Circuit, Remote string
}

// boots tells whether the client wants something to boot.
func (c Client) boots() bool {
	return c.Kind == KindBIOS || c.Kind == KindUEFI || c.Kind == KindHTTP || c.Kind == KindIPXE
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
// DHCP_EB_ENCAP), and those of them that matter here.
const (
	optionIPXE  = dhcpv4.OptionEtherboot
	ipxeHTTP    = 19  // the client can fetch over HTTP
	ipxeVLAN    = 38  // the client knows tags
	ipxeNoProxy = 176 // do not wait for a proxyDHCP server
)

// identify tells what sort of program sent m. Where tags are needed, iPXE that
// knows none does not count as iPXE.
func identify(m *dhcpv4.DHCPv4, tags bool) Client {
	relay := m.Options.Get(dhcpv4.OptionRelayAgentInformation)
	c := Client{MAC: canonicalMAC(m.ClientHWAddr), Kind: KindPlain, Machines: machineIDs(m.Options.Get(dhcpv4.OptionClientMachineIdentifier)),
		Circuit: readable(subOption(relay, relayCircuit)), Remote: readable(subOption(relay, relayRemote))}
	archs := m.ClientArch()
	if len(archs) > 0 {
		c.Arch = archs[0].String()
	}
	class := m.ClassIdentifier()
	switch {
	case isIPXE(m, tags):
		c.Kind = KindIPXE
		return c
	case bytes.Contains(m.Options.Get(dhcpv4.OptionUserClassInformation), []byte(classProbe)):
		c.Kind = KindProbe
		return c
	case class == classInstaller:
		c.Kind = KindInstaller
		return c
	case !strings.HasPrefix(class, "PXEClient") && !strings.HasPrefix(class, "HTTPClient"):
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

// machineIDs reads option 97: type 0, then 16 bytes. Some firmware sends them
// as SMBIOS has them, the first three fields with the low byte first, and iPXE
// as they are written.
func machineIDs(b []byte) []string {
	if len(b) != 17 || b[0] != 0 {
		return nil
	}
	u := slices.Clone(b[1:])
	written := func() string { return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]) }
	ids := []string{written()}
	slices.Reverse(u[:4])
	slices.Reverse(u[4:6])
	slices.Reverse(u[6:8])
	return append(ids, written())
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

// isIPXE tells iPXE that can go on by itself. One that was built without what
// it needs for that is treated as the firmware under it, and gets our loader.
func isIPXE(m *dhcpv4.DHCPv4, tags bool) bool {
	if !bytes.Contains(m.Options.Get(dhcpv4.OptionUserClassInformation), []byte("iPXE")) {
		return false
	}
	features := m.Options.Get(optionIPXE)
	if len(features) == 0 {
		return true
	}
	return subOption(features, ipxeHTTP) != nil && (!tags || subOption(features, ipxeVLAN) != nil)
}
