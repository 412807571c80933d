package vswitch

import (
	"flag"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/node/spec"
)

var update = flag.Bool("update", false, "write the golden files")

func testPorts() []spec.Port {
	return []spec.Port{
		{
			ID: "aaaaaaaa-1111-4000-8000-000000000001", MAC: "fa:16:3e:00:00:01", VLAN: 101, MTU: 1500,
			Addresses: []spec.Address{{Address: netip.MustParseAddr("10.0.0.5"), Bits: 24}},
			Security:  true, AdminUp: true,
			Rules: []spec.Rule{
				{Ingress: false},
				{Ingress: false, IPv6: true},
				{Ingress: true, Protocol: "icmp"},
				{Ingress: true, Protocol: "tcp", PortMin: 22, PortMax: 22, Remotes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
				{Ingress: true, Protocol: "udp", PortMin: 5000, PortMax: 6000, Remotes: []netip.Prefix{netip.MustParsePrefix("10.0.0.6/32"), netip.MustParsePrefix("10.0.0.7/32")}},
				{Ingress: true, IPv6: true, Protocol: "icmp", PortMin: 128, PortMax: 0},
				{Ingress: true, Protocol: "tcp"},
			},
		},
		{
			ID: "bbbbbbbb-1111-4000-8000-000000000002", MAC: "fa:16:3e:00:00:02", VLAN: 102,
			Addresses: []spec.Address{{Address: netip.MustParseAddr("10.0.0.5"), Bits: 24}, {Address: netip.MustParseAddr("2001:db8::5"), Bits: 64}},
			Security:  true, AdminUp: true,
		},
		{ID: "cccccccc-1111-4000-8000-000000000003", MAC: "fa:16:3e:00:00:03", VLAN: 102, AdminUp: true},
		{ID: "dddddddd-1111-4000-8000-000000000004", MAC: "fa:16:3e:00:00:04", VLAN: 102, Security: true},
	}
}

func TestRules(t *testing.T) {
	for name, r := range map[string]Ruleset{
		"empty":     {Trunk: "eth1"},
		"ports":     {Trunk: "eth1", Ports: testPorts()},
		"shared":    {Trunk: "mgmt0", Shared: true, Ports: testPorts()[:2]},
		"stateless": {Ports: testPorts()[:1], Stateless: true},
		"isolated":  {Ports: testPorts()[:1], Isolated: map[string]bool{testPorts()[0].ID: true}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Rules(r)
			file := "testdata/" + name + ".nft"
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
			checkByNft(t, r, got)
		})
	}
}

// checkByNft lets the kernel look at a ruleset without loading it. A kernel
// that cannot track connections on bridges gets the one without.
func checkByNft(t *testing.T, r Ruleset, text string) {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil || os.Getuid() != 0 {
		t.Log("not checked by nft: that takes root and nft (apt-get install nftables)")
		return
	}
	out, err := checkText(text)
	if err != nil && !r.Stateless {
		t.Logf("this kernel does not track connections on bridges: %s", firstLine(out))
		r.Stateless = true
		out, err = checkText(Rules(r))
	}
	if err != nil {
		t.Errorf("nft: %v\n%s", err, out)
	}
}

func checkText(text string) (string, error) {
	cmd := exec.Command("unshare", "--net", "nft", "--check", "--file", "-")
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func TestRulesThatMakeNoSense(t *testing.T) {
	p := testPorts()[0]
	for _, r := range []spec.Rule{
		{Protocol: "vrrp"},
		{Protocol: "tcp", PortMin: 80, PortMax: 22},
		{Protocol: "tcp", PortMin: 80, PortMax: 70000},
		{Protocol: "icmp", PortMin: 256},
		{Remotes: []netip.Prefix{netip.MustParsePrefix("2001:db8::/64")}},
		{IPv6: true, Remotes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
	} {
		p.Rules = []spec.Rule{r}
		if _, err := exec.LookPath("nft"); err != nil || os.Getuid() != 0 {
			t.Skip("asking nft takes root and nft; on Debian: apt-get install nftables")
		}
		if out, err := checkText(Rules(Ruleset{Ports: []spec.Port{p}, Stateless: true})); err == nil {
			t.Errorf("%+v was taken: %s", r, out)
		}
	}
}
