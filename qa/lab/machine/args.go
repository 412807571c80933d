package machine

import (
	"fmt"
	"strings"
)

// arguments is QEMU's command line. Descriptors 3 and 4 are the control and
// the serial line, those of NICs follow.
func (s *Spec) arguments(code string) []string {
	if s.Gateway != nil {
		return []string{
			"-name", s.Name, "-nodefaults", "-no-user-config", "-display", "none", "-machine", "none",
			"-chardev", "socket,id=control,fd=3", "-mon", "chardev=control,mode=control",
			"-netdev", s.Gateway.netdev("net0"), "-netdev", "hubport,id=inside,hubid=0,netdev=net0",
			"-netdev", "stream,id=net1,server=off,addr.type=fd,addr.str=5", "-netdev", "hubport,id=outside,hubid=0,netdev=net1",
		}
	}
	args := []string{
		"-name", s.Name,
		"-nodefaults", "-no-user-config", "-display", "none", "-vga", "none",
		"-machine", "q35,hpet=off,usb=off,vmport=off,smm=off,graphics=off,dump-guest-core=off",
		"-rtc", "base=utc", // A machine that finds nothing to boot tries again, as a patient one does.
		"-boot", "strict=on,reboot-timeout=5000",
		"-chardev", "socket,id=control,fd=3", "-mon", "chardev=control,mode=control",
		"-chardev", "socket,id=serial,fd=4", "-serial", "chardev:serial",
		"-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
	}
	if s.UUID != "" {
		args = append(args, "-smbios", fmt.Sprintf("type=1,manufacturer=Cairn,product=Virtual rack,serial=%s,uuid=%s", s.Serial, s.UUID))
	}
	args = append(args, s.processor()...)
	args = append(args, s.hardware()...)
	args = append(args, s.firmware(code)...)
	args = append(args, s.drives()...)
	args = append(args, s.cards()...)
	return append(args, s.far()...)
}

// varsFile is the machine's own copy of the firmware's variables.
const varsFile = "firmware-vars.fd"

func (s *Spec) firmware(code string) []string {
	var args []string
	if s.Firmware == UEFI {
		args = append(args,
			"-drive", "if=pflash,unit=0,format=raw,readonly=on,file="+code,
			"-drive", "if=pflash,unit=1,format=raw,file="+varsFile,
			"-fw_cfg", "name=opt/org.tianocore/IPv6PXESupport,string=no")
	}
	if s.Kernel != "" {
		args = append(args, "-kernel", s.Kernel, "-initrd", s.Initrd, "-append", s.Append)
	}
	return args
}

// drives are the disks and CD-ROMs. A disk of the lab need not survive a
// crash of this host, so nothing waits for it to be flushed.
func (s *Spec) drives() []string {
	var args []string
	for i, d := range s.Disks {
		args = append(args, d.backend(), d.source(i))
		args = append(args, d.device(i)...)
	}
	for i, c := range s.CDROMs {
		disc := ""
		if c.File != "" {
			disc = ",format=raw,file=" + comma(c.File)
		}
		args = append(args,
			"-drive", fmt.Sprintf("if=none,id=cd%d,media=cdrom,readonly=on%s", i, disc),
			"-device", fmt.Sprintf("ide-cd,id=%s,drive=cd%d,bus=ide.%d%s", cdID(i), i, i, bootIndex(c.BootIndex)))
	}
	return args
}

func (d *Disk) backend() string {
	if d.Record != "" {
		return "-blockdev"
	}
	return "-drive"
}

// source is the disk's file, or the file with the recorder before it, which
// has to see the flushes that the file is spared.
func (d *Disk) source(i int) string {
	if d.Record == "" {
		return fmt.Sprintf("if=none,id=disk%d,format=raw,cache=unsafe,discard=unmap,detect-zeroes=unmap,file=%s", i, comma(d.File))
	}
	return fmt.Sprintf("driver=blklogwrites,node-name=disk%d,discard=unmap,log-super-update-interval=1,"+
		"file.driver=file,file.discard=unmap,file.cache.no-flush=on,file.filename=%s,"+
		"log.driver=file,log.cache.no-flush=on,log.filename=%s", i, comma(d.File), comma(d.Record))
}

func (s *Spec) cards() []string {
	var args []string
	fd := 5
	for i, n := range s.NICs {
		if n.Port != nil {
			args = append(args, "-netdev", fmt.Sprintf("stream,id=net%d,server=off,addr.type=fd,addr.str=%d", i, fd))
			fd++
		} else {
			args = append(args, "-netdev", n.User.netdev(fmt.Sprintf("net%d", i)))
		}
		rom := ""
		if n.BootIndex == 0 {
			rom = ",romfile="
		}
		args = append(args, "-device", fmt.Sprintf("%s,id=%s,netdev=net%d,mac=%s%s%s", orDefault(n.Model, "virtio-net-pci"), nicID(i), i, n.MAC, rom, bootIndex(n.BootIndex)))
	}
	return args
}

// netdev is the network as an argument of -netdev.
func (u *User) netdev(id string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "user,id=%s,restrict=on,ipv6=off", id)
	if u.Network.IsValid() {
		fmt.Fprintf(&b, ",net=%s", u.Network)
	}
	for _, f := range u.Forwards {
		fmt.Fprintf(&b, ",hostfwd=%s", f)
	}
	for _, f := range u.Services {
		fmt.Fprintf(&b, ",guestfwd=%s", comma(f.String()))
	}
	return b.String()
}

func bootIndex(i int) string {
	if i == 0 {
		return ""
	}
	return fmt.Sprintf(",bootindex=%d", i)
}

// comma doubles commas, which separate QEMU's options.
func comma(file string) string { return strings.ReplaceAll(file, ",", ",,") }

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
