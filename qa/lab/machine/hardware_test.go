package machine

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/qa/lab/fabric"
)

func TestHardware(t *testing.T) {
	s := Spec{CPUs: 4, MemoryMiB: 1024, Sockets: 2, TPM: true, BMC: &BMC{},
		Disks: []Disk{{File: "a", Bus: NVMe, Serial: "n0"}, {File: "b", Bus: NVMe, Socket: 1, Serial: "n1", BootIndex: 1}, {File: "c", Bus: ATA, Serial: "a0"}, {File: "d", Bus: SCSI, Serial: "s0"}},
		NICs:  []NIC{{MAC: "52:54:00:00:00:01", Model: "e1000e", User: &User{}}, {MAC: "52:54:00:00:00:02", Port: &fabric.Port{}}},
	}
	want := []string{
		"-smp 4,sockets=2,cores=2 -m 1024",
		"-object memory-backend-ram,id=mem0,size=512M -numa node,nodeid=0,cpus=0-1,memdev=mem0",
		"-object memory-backend-ram,id=mem1,size=512M -numa node,nodeid=1,cpus=2-3,memdev=mem1",
		"-device virtio-scsi-pci,id=scsi",
		"-chardev socket,id=tpm,fd=6 -tpmdev emulator,id=tpm0,chardev=tpm -device tpm-crb,tpmdev=tpm0",
		"-chardev socket,id=bmc,server=on,wait=off,path=bmc.sock -device ipmi-bmc-extern,id=bmc0,chardev=bmc -device isa-ipmi-kcs,bmc=bmc0",
		"-device nvme,id=hd0,drive=disk0,serial=n0",
		"-device ide-hd,bus=ide.3,id=hd2,drive=disk2,serial=a0",
		"-device scsi-hd,bus=scsi.0,lun=3,wwn=0x5000c50000000003,id=hd3,drive=disk3,serial=s0",
		"-device pxb-pcie,id=far1,bus=pcie.0,bus_nr=32,numa_node=1",
		"-device pcie-root-port,id=slot1,bus=far1,chassis=11 -device nvme,bus=slot1,id=hd1,drive=disk1,serial=n1,bootindex=1",
	}
	got := s.hardware()
	for i := range s.Disks {
		got = append(got, s.Disks[i].device(i)...)
	}
	got = append(got, s.far()...)
	if d := cmp.Diff(strings.Join(want, " "), strings.Join(got, " ")); d != "" {
		t.Error(d)
	}
	if !slices.Contains(s.cards(), "e1000e,id=nic0,netdev=net0,mac=52:54:00:00:00:01,romfile=") {
		t.Errorf("no e1000e: %q", s.cards())
	}
}

func TestHardwareIsChecked(t *testing.T) {
	good := Spec{Name: "a", Dir: "d", CPUs: 4, MemoryMiB: 1024, Firmware: BIOS, Sockets: 2}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Spec){
		"machine a: 3 sockets; allowed: a number that divides 4 CPUs and 1024 MiB": func(s *Spec) { s.Sockets = 3 },
		`machine a: disk x: bus "mfm"; allowed: empty, nvme, ata, scsi`:            func(s *Spec) { s.Disks = []Disk{{Serial: "x", Bus: "mfm"}} },
		"machine a: BMC at fe80::1; allowed: an IPv4 address":                      func(s *Spec) { s.BMC = &BMC{Address: netip.MustParseAddr("fe80::1")} },
		"machine a: disk x: socket 1; allowed: one of 2, and 0 alone unless it is nvme": func(s *Spec) {
			s.Disks = []Disk{{Serial: "x", Bus: ATA, Socket: 1}}
		},
	} {
		s := good
		change(&s)
		if err := s.check(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
