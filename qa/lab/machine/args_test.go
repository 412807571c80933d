package machine

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/qa/lab/fabric"
)

func TestDrivesAndCards(t *testing.T) {
	s := Spec{
		Disks:  []Disk{{File: "disk0.img", Serial: "d0", BootIndex: 2}},
		CDROMs: []CDROM{{File: "/a,b.iso", BootIndex: 3}, {File: "conf.iso"}},
		NICs: []NIC{
			{MAC: "52:54:00:00:00:01", Port: &fabric.Port{}, BootIndex: 1},
			{MAC: "52:54:00:00:00:02", User: &User{Forwards: []Forward{{From: 8443, To: 443}}}},
			{MAC: "52:54:00:00:00:03", Port: &fabric.Port{}},
		},
	}
	want := []string{
		"-drive", "if=none,id=disk0,format=raw,cache=unsafe,discard=unmap,detect-zeroes=unmap,file=disk0.img",
		"-object", "iothread,id=io0",
		"-device", "virtio-blk-pci,iothread=io0,id=hd0,drive=disk0,serial=d0,bootindex=2",
		"-drive", "if=none,id=cd0,media=cdrom,readonly=on,format=raw,file=/a,,b.iso",
		"-device", "ide-cd,id=cdrom0,drive=cd0,bus=ide.0,bootindex=3",
		"-drive", "if=none,id=cd1,media=cdrom,readonly=on,format=raw,file=conf.iso",
		"-device", "ide-cd,id=cdrom1,drive=cd1,bus=ide.1",
		"-netdev", "stream,id=net0,server=off,addr.type=fd,addr.str=5",
		"-device", "virtio-net-pci,id=nic0,netdev=net0,mac=52:54:00:00:00:01,bootindex=1",
		"-netdev", "user,id=net1,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:8443-:443",
		"-device", "virtio-net-pci,id=nic1,netdev=net1,mac=52:54:00:00:00:02,romfile=",
		"-netdev", "stream,id=net2,server=off,addr.type=fd,addr.str=6",
		"-device", "virtio-net-pci,id=nic2,netdev=net2,mac=52:54:00:00:00:03,romfile=",
	}
	if d := cmp.Diff(want, append(s.drives(), s.cards()...)); d != "" {
		t.Error(d)
	}
}

func TestADiskIsRecorded(t *testing.T) {
	s := Spec{Disks: []Disk{{File: "disk0.img", Serial: "d0", Record: "/tmp/a,b"}}}
	want := []string{
		"-blockdev", "driver=blklogwrites,node-name=disk0,discard=unmap,log-super-update-interval=1," +
			"file.driver=file,file.discard=unmap,file.cache.no-flush=on,file.filename=disk0.img," +
			"log.driver=file,log.cache.no-flush=on,log.filename=/tmp/a,,b",
		"-object", "iothread,id=io0",
		"-device", "virtio-blk-pci,iothread=io0,id=hd0,drive=disk0,serial=d0",
	}
	if d := cmp.Diff(want, s.drives()); d != "" {
		t.Error(d)
	}
}

func TestForward(t *testing.T) {
	f := Forward{From: 2222, To: 22, Address: netip.MustParseAddr("10.20.0.11")}
	if got := f.String(); got != "tcp:127.0.0.1:2222-10.20.0.11:22" {
		t.Errorf("got %s", got)
	}
}

func TestSpecIsChecked(t *testing.T) {
	good := Spec{Name: "a", Dir: "d", CPUs: 1, MemoryMiB: 64, Firmware: BIOS}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Spec){
		"machine: name or dir is empty":                                            func(s *Spec) { s.Dir = "" },
		"machine a: 0 CPUs; allowed: 1 or more":                                    func(s *Spec) { s.CPUs = 0 },
		"machine a: 1 MiB of memory; allowed: 64 or more":                          func(s *Spec) { s.MemoryMiB = 1 },
		`machine a: firmware "coreboot"; allowed: bios, uefi`:                      func(s *Spec) { s.Firmware = "coreboot" },
		`machine a: accelerator "xen"; allowed: tcg, kvm`:                          func(s *Spec) { s.Accel = "xen" },
		"machine a: a gateway has one NIC, in a switch port":                       func(s *Spec) { s.Gateway = &User{} },
		"machine a: NIC x needs a switch port or a user-mode network, one of them": func(s *Spec) { s.NICs = []NIC{{MAC: "x"}} },
	} {
		s := good
		change(&s)
		if err := s.check(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
