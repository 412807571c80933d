package hardening

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// What leads to the management network, in all its shapes.
func TestNetworkShapes(t *testing.T) {
	bond := func(mode string) *Bond {
		return &Bond{Mode: mode, Members: []string{"52:54:00:00:00:01", "52:54:00:00:00:02"}}
	}
	for name, change := range map[string]func(*Node){
		"vlan":      func(n *Node) { n.Management.VLAN = 20 },
		"vlan-mtu":  func(n *Node) { n.Management.VLAN, n.Management.MTU, n.Deployer = 20, 9000, false },
		"bond":      func(n *Node) { n.Management.Bond = bond("active-backup") },
		"bond-vlan": func(n *Node) { n.Management.Bond, n.Management.VLAN = bond("802.3ad"), 20 },
		"one-trunk": func(n *Node) { n.TenantMAC, n.TenantMTU = n.Management.MAC, 9000 },
		"one-bond": func(n *Node) {
			n.TenantMAC, n.Management.Bond, n.Management.VLAN = n.Management.MAC, bond("802.3ad"), 20
		},
		"tenant-mtu": func(n *Node) { n.TenantMTU = 9000 },
		"external":   func(n *Node) { n.External = Interface{MAC: "52:54:00:00:00:05", DHCP: true, VLAN: 30} },
	} {
		t.Run(name, func(t *testing.T) {
			n := Node{Deployer: true, TenantMAC: "52:54:00:00:00:03",
				Management: Interface{MAC: "52:54:00:00:00:01", Address: netip.MustParsePrefix("10.20.0.11/24")}}
			change(&n)
			a := &txtar.Archive{Comment: []byte("boot NIC: " + n.bootNIC() + "\n\n")}
			for _, f := range networkFiles(&Target{Node: n}) {
				if strings.HasPrefix(f.Path, networkDir+"10-") {
					a.Files = append(a.Files, txtar.File{Name: filepath.Base(f.Path), Data: []byte(f.Text)})
				}
			}
			got, golden := string(txtar.Format(a)), filepath.Join("testdata", "network-"+name+".txtar")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("rendered files (-golden +now; go test -update writes them anew):\n%s", diff)
			}
		})
	}
}
