package plan

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkMake plans a large machine, 48 cards and 60 disks, in a rack of 20
// rules of which the last one matches.
func BenchmarkMake(b *testing.B) {
	inv, rack, o := large(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Make(inv, rack, o); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "plans/s")
}

// BenchmarkExplain is BenchmarkMake with every condition of every rule told.
func BenchmarkExplain(b *testing.B) {
	inv, rack, o := large(b)
	for b.Loop() {
		if x := Explain(inv, rack, o); x.Plan == nil {
			b.Fatal(x.Refused)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "plans/s")
}

// BenchmarkParseRack reads a rack of 20 rules and 500 known machines.
func BenchmarkParseRack(b *testing.B) {
	raw := []byte(largeRack(500))
	for b.Loop() {
		if _, err := ParseRack(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func large(b *testing.B) (Inventory, *Rack, Options) {
	b.Helper()
	rack, err := ParseRack([]byte(largeRack(0)))
	if err != nil {
		b.Fatal(err)
	}
	inv := Inventory{Machine: "564d0000-0000-4000-8000-000000000001", Serial: "SN1", Vendor: "Example", Product: "R1", CPUs: 64, MemoryMiB: 262144}
	for i := range 48 {
		inv.NICs = append(inv.NICs, NIC{Name: fmt.Sprintf("eth%d", i), MAC: fmt.Sprintf("52:54:00:00:00:%02x", i), Driver: "ixgbe", Link: i%2 == 0,
			LLDP: &LLDP{Switch: fmt.Sprintf("tor-%d", i%4), Port: fmt.Sprintf("eth%d", i)}})
	}
	inv.BootMAC = inv.NICs[7].MAC
	for i := range 60 {
		inv.Disks = append(inv.Disks, Disk{Path: fmt.Sprintf("/dev/sd%d", i), Size: int64(i+1) * 100 << 30, Model: "Disk", Serial: fmt.Sprintf("S%d", i),
			Bus: "scsi", Rotational: i > 1, WWN: fmt.Sprintf("0x%d", i)})
	}
	o := Options{Names: map[string]bool{}, Taken: map[string]int{}}
	for i := range 500 {
		o.Names[fmt.Sprintf("compute%d", i+1)] = true
	}
	return inv, rack, o
}

func largeRack(machines int) string {
	var s strings.Builder
	s.WriteString("management: {network: 10.0.0.0/16}\nrules:\n")
	for i := range 19 {
		fmt.Fprintf(&s, "- {name: r%d, roles: [compute], match: {min_cpus: 2, where: {vendor: Exam*, nics.lldp.switch: 'tor-%d*', disks.size: '>= %d GiB', product: X%d}}}\n", i, i%4, i, i)
	}
	s.WriteString("- {name: last, roles: [compute], disk: {rotational: false, mirror: true, choose: largest}, data: [{use: volumes, disk: {rotational: true}}]}\n")
	if machines > 0 {
		s.WriteString("machines:\n")
	}
	for i := range machines {
		fmt.Fprintf(&s, "- {mac: '52:54:00:01:%02x:%02x', name: m%d, address: 10.0.%d.%d, bmc: {user: admin, password_file: /etc/bmc}}\n", i/256, i%256, i, 8+i/250, 1+i%250)
	}
	return s.String()
}
