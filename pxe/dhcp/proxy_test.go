package dhcp

import (
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// proxy is a responder beside another server, and what it learns.
func proxy(t testing.TB) (*Responder, *seen, map[string]netip.Addr) {
	t.Helper()
	p, _ := newPool(t, nil)
	r, s := newResponder(t, p)
	learned := map[string]netip.Addr{}
	r.conf.Proxy, r.conf.Learn = true, func(mac string, a netip.Addr) { learned[mac] = a }
	return r, s, learned
}

// TestBesideAnotherServer plays each kind of client that another server gives
// its address.
func TestBesideAnotherServer(t *testing.T) {
	const pxe, http = "PXEClient:Arch:00000:UNDI:002001", "HTTPClient:Arch:00016:UNDI:003001"
	for name, mods := range map[string][]dhcpv4.Modifier{
		"proxy-bios":      {firmware(pxe, iana.INTEL_X86PC)},
		"proxy-uefi":      {firmware(pxe, iana.EFI_X86_64)},
		"proxy-uefi-http": {firmware(http, iana.EFI_X86_64_HTTP)},
		"proxy-ipxe":      {firmware(pxe, iana.INTEL_X86PC), ipxe(ipxeHTTP, 1, 1)},
		"proxy-plain":     {dhcpv4.WithOption(dhcpv4.OptClassIdentifier("MSFT 5.0"))},
		"proxy-installer": {dhcpv4.WithOption(dhcpv4.OptClassIdentifier("cairn-installer"))},
		"proxy-request":   {firmware(pxe, iana.EFI_X86_64), dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest), toServer("10.20.0.1"), requesting("10.20.0.50")},
		"proxy-inform":    {firmware(pxe, iana.EFI_X86_64), dhcpv4.WithMessageType(dhcpv4.MessageTypeInform), dhcpv4.WithClientIP(net.ParseIP("10.20.0.50"))},
		"proxy-unknown":   {firmware(pxe, iana.EFI_X86_64), dhcpv4.WithMessageType(dhcpv4.MessageType(10))},
	} {
		t.Run(name, func(t *testing.T) {
			r, _, _ := proxy(t)
			golden(t, name, shown(r.Handle(sent(t, 1, dhcpv4.MessageTypeDiscover, mods...))))
		})
	}
}

// TestBootServer asks on port 4011.
func TestBootServer(t *testing.T) {
	const pxe = "PXEClient:Arch:00007:UNDI:003016"
	at := dhcpv4.WithClientIP(net.ParseIP("10.20.0.50"))
	item := dhcpv4.WithOption(dhcpv4.OptGeneric(dhcpv4.OptionVendorSpecificInformation, []byte{71, 4, 0, 0, 0, 1, 255}))
	for name, mods := range map[string][]dhcpv4.Modifier{
		"boot-server":          {firmware(pxe, iana.EFI_X86_64), at},
		"boot-server-item":     {firmware(pxe, iana.INTEL_X86PC), at, item},
		"boot-server-plain":    {at},
		"boot-server-discover": {firmware(pxe, iana.EFI_X86_64), dhcpv4.WithMessageType(dhcpv4.MessageTypeDiscover)},
		"boot-server-arm":      {firmware(pxe, iana.EFI_ARM64), at},
	} {
		t.Run(name, func(t *testing.T) {
			r, _, _ := proxy(t)
			golden(t, name, shown(r.HandleBoot(sent(t, 1, dhcpv4.MessageTypeRequest, mods...))))
		})
	}
}

func TestAddressesOfAnotherServerAreLearned(t *testing.T) {
	r, s, learned := proxy(t)
	pxe := firmware("PXEClient:Arch:00000:UNDI:002001", iana.INTEL_X86PC)
	r.Handle(sent(t, 1, dhcpv4.MessageTypeDiscover, pxe))
	r.Handle(sent(t, 1, dhcpv4.MessageTypeRequest, pxe, toServer("10.20.0.1"), requesting("10.20.0.50")))
	r.Handle(sent(t, 2, dhcpv4.MessageTypeRequest, toServer("10.20.0.1"), requesting("10.20.0.51")))
	r.HandleBoot(sent(t, 3, dhcpv4.MessageTypeRequest, pxe, dhcpv4.WithClientIP(net.ParseIP("10.20.0.52"))))
	want := map[string]netip.Addr{
		"52:54:00:00:00:01": netip.MustParseAddr("10.20.0.50"),
		"52:54:00:00:00:02": netip.MustParseAddr("10.20.0.51"),
		"52:54:00:00:00:03": netip.MustParseAddr("10.20.0.52"),
	}
	if diff := cmp.Diff(want, learned, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	if len(s.others) != 0 {
		t.Errorf("the server that is there on purpose counts as strange: %v", s.others)
	}
	if len(s.clients) != 1 || s.clients[0].Address.IsValid() {
		t.Errorf("discovered %+v, want the one that boots, without an address", s.clients)
	}
}

// TestWithoutATag plays clients on the untagged side of a tagged network.
func TestWithoutATag(t *testing.T) {
	const pxe = "PXEClient:Arch:00000:UNDI:002001"
	for name, mods := range map[string][]dhcpv4.Modifier{
		"untagged-bios":          {firmware(pxe, iana.INTEL_X86PC)},
		"untagged-uefi":          {firmware(pxe, iana.EFI_X86_64)},
		"untagged-ipxe":          {firmware(pxe, iana.INTEL_X86PC), ipxe(ipxeHTTP, 1, 1, ipxeVLAN, 1, 1)},
		"untagged-ipxe-knows-no": {firmware(pxe, iana.INTEL_X86PC), ipxe(ipxeHTTP, 1, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := newPool(t, nil)
			r, _ := newResponder(t, p)
			r.conf.VLAN = 20
			golden(t, name, shown(r.Handle(sent(t, 1, dhcpv4.MessageTypeDiscover, mods...))))
		})
	}
}
