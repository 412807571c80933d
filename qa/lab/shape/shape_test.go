package shape

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOddRack(t *testing.T) {
	r, err := Built("odd")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	memory := 0
	for _, m := range r.Machines {
		got = append(got, m.Name+": "+m.String())
		memory += m.MemoryMiB
		if m.Refused != "" && !strings.HasSuffix(m.Refused, ".") || strings.Contains(m.Refused, "\n") {
			t.Errorf("%s is refused with %q", m.Name, m.Refused)
		}
	}
	want := []string{
		"controller: BIOS, 3.5 GiB, 2 NICs (management, external), 1 disk (16 GiB)",
		"narrow: UEFI, 1.5 GiB, 1 NIC (trunk), 1 disk (16 GiB)",
		"wide: BIOS, 1.5 GiB, 2 NICs (trunk), 3 disks (24 GiB ata, 20 GiB nvme, 14 GiB nvme)",
		"small: UEFI, 1 GiB, 2 NICs (management, tenant), 1 disk (8 GiB)",
		"used: BIOS, 1 GiB, 2 NICs (management, tenant), 1 disk (16 GiB with data)",
		"twins: BIOS, 1 GiB, 2 NICs (management, tenant), 2 disks (16 GiB, 16 GiB)",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if memory > 12<<10 {
		t.Errorf("%d MiB of memory; wanted: 12 GiB at most", memory)
	}
}

func TestRefusals(t *testing.T) {
	const first = "machines: [{name: c, nics: [management, external]}"
	for text, want := range map[string]string{
		"machines: []":                                     "machines is empty",
		"machines: [{name: c, nics: [x]}]":                 "machine c: the first is the controller",
		first + ", {name: c}]":                             `machines[1].name is "c"; allowed: a name that no other has`,
		first + ", {name: d}]":                             "machine d: nics is empty",
		first + ", {name: d, nics: [lan]}]":                `machine d: nics[0] is "lan"; allowed: management, tenant, trunk, external`,
		first + ", {name: d, nics: [trunk], disks: [{}]}]": "machine d: disks[0].gib is 0; allowed: 1 or more",
		first + ", {name: d, colour: red}]":                "colour",
	} {
		if _, err := parse("x", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
	if _, err := Built("even"); err == nil || err.Error() != `no rack "even" is built in; allowed: odd` {
		t.Error(err)
	}
}
