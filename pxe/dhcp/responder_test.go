package dhcp

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
	"go.etcd.io/bbolt"
)

func hw(n byte) net.HardwareAddr { return net.HardwareAddr{0x52, 0x54, 0, 0, 0, n} }

func newPool(t testing.TB, change func(*PoolConfig)) (*Pool, *PoolConfig) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	conf := &PoolConfig{DB: db, From: netip.MustParseAddr("10.20.0.100"), To: netip.MustParseAddr("10.20.0.103")}
	if change != nil {
		change(conf)
	}
	p, err := OpenPool(*conf)
	if err != nil {
		t.Fatal(err)
	}
	return p, conf
}

// seen remembers what an observer is told.
type seen struct {
	clients []Client
	others  []string
}

func (s *seen) Discovered(c Client) { s.clients = append(s.clients, c) }
func (s *seen) OtherServer(mac string, a netip.Addr) {
	s.others = append(s.others, mac+" "+a.String())
}

// tallies counts, and remembers what was said of the newest refusal.
type tallies struct {
	mu     sync.Mutex
	counts map[string]int // guarded by mu; so is the next
	last   string
}

func (t *tallies) Pass(what string) { t.Refuse(what, "") }

func (t *tallies) Refuse(reason, detail string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[reason]++
	t.last = reason + ": " + detail
}

func newResponder(t testing.TB, p *Pool) (*Responder, *seen) {
	t.Helper()
	s := &seen{}
	return New(Config{Server: netip.MustParsePrefix("10.20.0.11/24"), HTTP: "http://10.20.0.11:8080",
		Pool: p, Observer: s, Count: &tallies{counts: map[string]int{}}, Log: slog.New(slog.DiscardHandler)}), s
}

// sent builds a client's packet.
func sent(t testing.TB, n byte, kind dhcpv4.MessageType, mods ...dhcpv4.Modifier) []byte {
	t.Helper()
	m, err := dhcpv4.New(append([]dhcpv4.Modifier{
		dhcpv4.WithTransactionID(dhcpv4.TransactionID{1, 2, 3, 4}), dhcpv4.WithHwAddr(hw(n)), dhcpv4.WithMessageType(kind),
	}, mods...)...)
	if err != nil {
		t.Fatal(err)
	}
	return m.ToBytes()
}

func firmware(class string, arch iana.Arch) dhcpv4.Modifier {
	return func(d *dhcpv4.DHCPv4) {
		d.UpdateOption(dhcpv4.OptClassIdentifier(class))
		d.UpdateOption(dhcpv4.OptClientArch(arch))
		d.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionClientMachineIdentifier, []byte("\x000123456789abcdef")))
	}
}

func ipxe(features ...byte) dhcpv4.Modifier {
	return func(d *dhcpv4.DHCPv4) {
		d.UpdateOption(dhcpv4.OptUserClass("iPXE"))
		if len(features) > 0 {
			d.UpdateOption(dhcpv4.OptGeneric(optionIPXE, features))
		}
	}
}

func requesting(a string) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.ParseIP(a)))
}

func toServer(a string) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.ParseIP(a)))
}

// shown is what matters of an answer, one line each.
func shown(m *dhcpv4.DHCPv4, why Drop) string {
	if m == nil {
		return "dropped: " + string(why) + "\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nyour address %s\nserver address %s\nserver name %q\nfile %q\n", m.MessageType(), m.YourIPAddr, m.ServerIPAddr, m.ServerHostName, m.BootFileName)
	for code := range 255 {
		if v := m.Options.Get(dhcpv4.GenericOptionCode(code)); v != nil && code != 53 {
			fmt.Fprintf(&b, "option %d: %q\n", code, v)
		}
	}
	return b.String()
}

// golden compares with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if os.Getenv("CAIRN_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// TestAnswers plays each kind of client and compares with testdata.
// CAIRN_UPDATE=1 writes them anew.
func TestAnswers(t *testing.T) {
	const pxe, http = "PXEClient:Arch:00000:UNDI:002001", "HTTPClient:Arch:00016:UNDI:003001"
	for name, mods := range map[string][]dhcpv4.Modifier{
		"bios":                {firmware(pxe, iana.INTEL_X86PC)},
		"bios-without-arch":   {dhcpv4.WithOption(dhcpv4.OptClassIdentifier("PXEClient"))},
		"uefi":                {firmware(pxe, iana.EFI_X86_64)},
		"uefi-byte-code":      {firmware(pxe, iana.EFI_BC)},
		"uefi-http":           {firmware(http, iana.EFI_X86_64_HTTP)},
		"ipxe-bios":           {firmware(pxe, iana.INTEL_X86PC), ipxe(ipxeHTTP, 1, 1, 24, 1, 1)},
		"ipxe-uefi":           {firmware(pxe, iana.EFI_X86_64), ipxe()},
		"ipxe-without-http":   {firmware(pxe, iana.INTEL_X86PC), ipxe(24, 1, 1, 255)},
		"arm":                 {firmware(pxe, iana.EFI_ARM64)},
		"foreign":             {dhcpv4.WithOption(dhcpv4.OptClassIdentifier("MSFT 5.0"))},
		"client-identifier":   {ipxe(), dhcpv4.WithOption(dhcpv4.OptClientIdentifier([]byte("\x01RTTTTT")))},
		"relayed":             {ipxe(), dhcpv4.WithRelay(net.ParseIP("10.9.9.9"))},
		"multicast-mac":       {ipxe(), dhcpv4.WithHwAddr(net.HardwareAddr{1, 0, 0, 0, 0, 1})},
		"infiniband-mac":      {ipxe(), dhcpv4.WithHwAddr(make(net.HardwareAddr, 8))},
		"an-answer":           {ipxe(), func(d *dhcpv4.DHCPv4) { d.OpCode = dhcpv4.OpcodeBootReply }},
		"lease-query":         {ipxe(), dhcpv4.WithMessageType(dhcpv4.MessageType(10))},
		"request-without-any": {ipxe(), dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest)},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := newPool(t, nil)
			r, _ := newResponder(t, p)
			golden(t, name, shown(r.Handle(sent(t, 1, dhcpv4.MessageTypeDiscover, mods...))))
		})
	}
}

func TestInstalledMachineGoesOnToItsDisk(t *testing.T) {
	p, _ := newPool(t, nil)
	r, _ := newResponder(t, p)
	r.conf.Files.Next, r.conf.Installed = "next.efi", func(mac string) bool { return mac == "52:54:00:00:00:01" }
	for n, want := range map[byte]map[iana.Arch]string{
		1: {iana.INTEL_X86PC: "undionly.kpxe", iana.EFI_X86_64: "next.efi", iana.EFI_X86_64_HTTP: "http://10.20.0.11:8080/boot/next.efi"},
		2: {iana.INTEL_X86PC: "undionly.kpxe", iana.EFI_X86_64: "ipxe.efi", iana.EFI_X86_64_HTTP: "http://10.20.0.11:8080/boot/ipxe.efi"},
	} {
		for arch, file := range want {
			out, why := r.Handle(sent(t, n, dhcpv4.MessageTypeDiscover, firmware("PXEClient", arch)))
			if out == nil || out.BootFileName != file {
				t.Errorf("machine %d, %s: got %s, want file %s", n, arch, shown(out, why), file)
			}
		}
	}
}

func TestDiscoverThenRequest(t *testing.T) {
	p, _ := newPool(t, nil)
	r, s := newResponder(t, p)
	offer, _ := r.Handle(sent(t, 1, dhcpv4.MessageTypeDiscover, ipxe()))
	ack, why := r.Handle(sent(t, 1, dhcpv4.MessageTypeRequest, ipxe(), toServer("10.20.0.11"), requesting(offer.YourIPAddr.String())))
	if why != DropNone || ack.MessageType() != dhcpv4.MessageTypeAck || !ack.YourIPAddr.Equal(offer.YourIPAddr) {
		t.Fatalf("got %s", shown(ack, why))
	}
	want := []Client{{MAC: "52:54:00:00:00:01", Kind: KindIPXE, Address: netip.MustParseAddr("10.20.0.100")}}
	if diff := cmp.Diff(want, s.clients, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Error(diff)
	}

	for name, c := range map[string]struct {
		mods []dhcpv4.Modifier
		want dhcpv4.MessageType
		why  Drop
	}{
		"the installer that follows":  {[]dhcpv4.Modifier{toServer("10.20.0.11"), requesting("10.20.0.100")}, dhcpv4.MessageTypeAck, DropNone},
		"renewing":                    {[]dhcpv4.Modifier{dhcpv4.WithClientIP(net.ParseIP("10.20.0.100"))}, dhcpv4.MessageTypeAck, DropNone},
		"rebooting":                   {[]dhcpv4.Modifier{requesting("10.20.0.100")}, dhcpv4.MessageTypeAck, DropNone},
		"an address of another net":   {[]dhcpv4.Modifier{requesting("192.168.1.7")}, dhcpv4.MessageTypeNak, DropNone},
		"an address that is not its":  {[]dhcpv4.Modifier{requesting("10.20.0.101")}, dhcpv4.MessageTypeNak, DropNone},
		"chose another server":        {[]dhcpv4.Modifier{toServer("10.20.0.1"), requesting("10.20.0.77")}, 0, DropOther},
		"asks for information alone":  {[]dhcpv4.Modifier{dhcpv4.WithMessageType(dhcpv4.MessageTypeInform), dhcpv4.WithClientIP(net.ParseIP("10.20.0.100"))}, dhcpv4.MessageTypeAck, DropNone},
		"releases what it never had":  {[]dhcpv4.Modifier{dhcpv4.WithMessageType(dhcpv4.MessageTypeRelease), dhcpv4.WithClientIP(net.ParseIP("10.20.0.103"))}, 0, DropState},
		"declines what it never had":  {[]dhcpv4.Modifier{dhcpv4.WithMessageType(dhcpv4.MessageTypeDecline), requesting("10.20.0.103")}, 0, DropState},
		"declines without an address": {[]dhcpv4.Modifier{dhcpv4.WithMessageType(dhcpv4.MessageTypeDecline)}, 0, DropState},
	} {
		out, why := r.Handle(sent(t, 1, dhcpv4.MessageTypeRequest, c.mods...))
		if why != c.why || out != nil && out.MessageType() != c.want {
			t.Errorf("%s: got %s", name, shown(out, why))
		}
	}
	if diff := cmp.Diff([]string{"52:54:00:00:00:01 10.20.0.1"}, s.others); diff != "" {
		t.Errorf("other servers: %s", diff)
	}
	want2 := map[string]int{"OFFER": 1, "ACK": 5, "nak": 2, "other-server": 1, "not-its-address": 3}
	if diff := cmp.Diff(want2, r.conf.Count.(*tallies).counts); diff != "" {
		t.Errorf("counts: %s", diff)
	}
}

func TestPackets(t *testing.T) {
	p, _ := newPool(t, nil)
	r, _ := newResponder(t, p)
	whole := sent(t, 1, dhcpv4.MessageTypeDiscover, ipxe())
	for n := range whole {
		if out, why := r.Handle(whole[:n]); out != nil && n < 240 {
			t.Errorf("the first %d bytes of a packet are answered (%s)", n, why)
		}
	}
	if out, why := r.Handle(nil); out != nil || why != DropMalformed {
		t.Errorf("nothing is answered: %v %s", out, why)
	}
}

func TestRangeIsUsedUp(t *testing.T) {
	p, _ := newPool(t, nil)
	r, _ := newResponder(t, p)
	for n := range byte(4) {
		if out, why := r.Handle(sent(t, n+1, dhcpv4.MessageTypeDiscover, ipxe())); out == nil {
			t.Fatalf("machine %d: %s", n+1, why)
		}
	}
	if out, why := r.Handle(sent(t, 5, dhcpv4.MessageTypeDiscover, ipxe())); out != nil || why != DropExhausted {
		t.Errorf("got %s, want %s", shown(out, why), DropExhausted)
	}
}

func TestServeOverASocket(t *testing.T) {
	p, _ := newPool(t, nil)
	r, _ := newResponder(t, p)
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	done := make(chan error, 1)
	go func() { done <- r.serve(t.Context(), server, r.Handle) }()
	for _, b := range [][]byte{[]byte("rubbish"), sent(t, 1, dhcpv4.MessageTypeDiscover, ipxe())} {
		if _, err := client.WriteTo(b, server.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1500)
	n, _, err := client.ReadFrom(buf)
	if err != nil {
		t.Fatal(err)
	}
	m, err := dhcpv4.FromBytes(buf[:n])
	if err != nil || m.MessageType() != dhcpv4.MessageTypeOffer {
		t.Errorf("got %v, %v; want an offer", m, err)
	}
}

// FuzzHandle throws packets at a responder: it must neither fall over nor
// answer what is not a client's.
func FuzzHandle(f *testing.F) {
	for _, mods := range [][]dhcpv4.Modifier{
		{ipxe(ipxeHTTP, 1, 1)}, {firmware("PXEClient", iana.INTEL_X86PC)}, {firmware("HTTPClient", iana.EFI_X86_64_HTTP)},
		{ipxe(), dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest), requesting("10.20.0.100")},
		{dhcpv4.WithMessageType(dhcpv4.MessageTypeInform)}, {dhcpv4.WithMessageType(dhcpv4.MessageTypeDecline)},
	} {
		f.Add(sent(f, 1, dhcpv4.MessageTypeDiscover, mods...))
	}
	p, _ := newPool(f, nil)
	r, _ := newResponder(f, p)
	f.Fuzz(func(t *testing.T, b []byte) {
		out, why := r.Handle(b)
		if (out == nil) == (why == DropNone) {
			t.Fatalf("an answer and a reason for none: %v %q", out, why)
		}
		if out == nil {
			return
		}
		back, err := dhcpv4.FromBytes(out.ToBytes())
		if err != nil || back.OpCode != dhcpv4.OpcodeBootReply {
			t.Fatalf("the answer cannot be read back: %v", err)
		}
		if a := toAddr(out.YourIPAddr); a.IsValid() && (a.Less(p.conf.From) || p.conf.To.Less(a)) {
			t.Fatalf("gave %s, which is outside the range", a)
		}
	})
}
