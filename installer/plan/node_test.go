package plan

import (
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNode puts everything that a plan can say of networks into a manifest.
func TestNode(t *testing.T) {
	rack, err := ParseRack([]byte(`
name: r
ssh_keys: [ssh-ed25519 AAAA]
api_names: [cloud.example.net]
management: {mtu: 9000, vlan: 20, relayed: [{network: 10.21.0.0/22}]}
tenant: {mtu: 9000}
external: {nic: '52:54:00:00:00:03', address: 203.0.113.5/24, gateway: 203.0.113.1}
rules: [{roles: [controller, compute], host: h, nics: {bond: 802.3ad}, encrypt: tpm}]
`))
	if err != nil {
		t.Fatal(err)
	}
	inv := Inventory{Machine: "m", TPM: "2.0", Disks: []Disk{{Path: "/dev/vda", Size: 20 << 30}}, NICs: []NIC{
		{MAC: "52:54:00:00:00:01", Link: true}, {MAC: "52:54:00:00:00:02", Link: true}, {MAC: "52:54:00:00:00:03", Link: true}}}
	p, err := Make(inv, rack, Options{Local: true, Version: "7"})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"10.20.0.11": `{"id":"n","name":"h","cluster":"r","roles":["controller","compute"],"version":"7",` +
			`"management":{"mac":"52:54:00:00:00:01","address":"10.20.0.11/24","vlan":20,"mtu":9000,"bond":{"mode":"802.3ad","members":["52:54:00:00:00:01","52:54:00:00:00:02"]}},` +
			`"tenant":{"mac":"52:54:00:00:00:01","mtu":9000},` +
			`"external":{"mac":"52:54:00:00:00:03","address":"203.0.113.5/24","gateway":"203.0.113.1"},` +
			`"controller":"10.20.0.11","api_names":["cloud.example.net"],"ssh_keys":["ssh-ed25519 AAAA"],"encrypt":"tpm"}`,
		"10.21.3.7": `{"id":"n","name":"h","cluster":"r","roles":["controller","compute"],"version":"7",` +
			`"management":{"mac":"52:54:00:00:00:01","address":"10.21.3.7/22","gateway":"10.21.0.1","vlan":20,"mtu":9000,"bond":{"mode":"802.3ad","members":["52:54:00:00:00:01","52:54:00:00:00:02"]}},` +
			`"tenant":{"mac":"52:54:00:00:00:01","mtu":9000},` +
			`"external":{"mac":"52:54:00:00:00:03","address":"203.0.113.5/24","gateway":"203.0.113.1"},` +
			`"controller":"10.20.0.11","api_names":["cloud.example.net"],"ssh_keys":["ssh-ed25519 AAAA"],"encrypt":"tpm"}`,
	} {
		n := p.Node(rack, "n", netip.MustParseAddr(address))
		if err := n.Check(); err != nil {
			t.Error(err)
		}
		got, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, string(got)); d != "" {
			t.Errorf("%s: %s", address, d)
		}
	}
}
