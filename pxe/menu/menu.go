// Package menu writes the iPXE scripts that machines boot by.
//
// There are five: [First] asks iPXE for what DHCP did not say, [Install] boots
// the installer with its ticket, [Disk] goes on to the installed system,
// [Hold] does neither and says why, and [Tagged] goes on in another VLAN. The scripts hold no secret but the ticket,
// which is good for one boot of one machine. The package does no I/O and
// imports installer/plan of ours.
package menu

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// Firmware that a machine boots with, in iPXE's words.
const (
	BIOS = "pcbios"
	UEFI = "efi"
)

// A Target is the machine that a script is for, and where its deployer is.
type Target struct {
	Base     string // of the HTTP server, like http://10.20.0.11:8080
	Deployer netip.Addr
	MAC      string // lower case, colons
	Platform string // BIOS or UEFI
	Name     string // of the machine, if it has one
}

// ScriptPath is where a machine asks for its script.
const ScriptPath = "/boot/script"

// First asks again with what only iPXE knows.
func First(t Target) string {
	return script(
		"chain --replace --autofree "+t.url()+"&uuid=${uuid}&platform=${platform} || goto again",
		":again",
		"echo Cairn: the deployer "+t.Deployer.String()+" does not answer; trying again in 5 seconds",
		"sleep 5",
		"chain --replace --autofree "+t.url()+" || goto again",
	)
}

func (t Target) url() string { return t.Base + ScriptPath + "?mac=" + t.MAC }

// An Installation is what the installer needs on its kernel line.
type Installation struct {
	CA     string   // fingerprint of the cluster's CA: sha256:<hex>
	Ticket string   // the one-shot boot ticket
	VLAN   int      // tag of the management network; 0: untagged
	Args   []string // further arguments, like console=ttyS0,115200
}

// Install boots kernel and initramfs as the installer.
func Install(t Target, in Installation) string {
	args := []string{
		"initrd=" + manifest.Initramfs,
		plan.ParamMode + "=install",
		plan.ParamDeployer + "=" + t.Deployer.String(),
		plan.ParamCA + "=" + in.CA,
		plan.ParamTicket + "=" + in.Ticket,
		plan.ParamBootIf + "=01-" + strings.ReplaceAll(t.MAC, ":", "-"),
	}
	if in.VLAN != 0 {
		args = append(args, plan.ParamVLAN+"="+strconv.Itoa(in.VLAN))
	}
	args = append(args, in.Args...)
	image := t.Base + "/image/"
	return script(
		"echo Cairn: booting the installer from "+t.Deployer.String(),
		":again",
		"imgfree",
		"kernel "+image+manifest.Kernel+" "+strings.Join(args, " ")+" || goto retry",
		"initrd --name "+manifest.Initramfs+" "+image+manifest.Initramfs+" || goto retry",
		"boot || goto retry",
		":retry",
		"echo Cairn: that did not work; trying again in 5 seconds",
		"sleep 5",
		"goto again",
	)
}

// Disk boots the installed system. A BIOS machine boots its first disk. UEFI
// firmware goes on to its next boot option, which it does only after an error.
func Disk(t Target) string {
	lines := []string{"echo Cairn: " + clean(t.Name) + " is installed; booting its disk"}
	if t.Platform != UEFI {
		lines = append(lines, "sanboot --no-describe --drive 0x80 || echo Cairn: no disk boots")
	}
	return script(append(lines, "exit 1")...)
}

// Hold says why the machine may not go on, and asks again every minute.
func Hold(t Target, reason string) string {
	return script(
		"echo Cairn: "+clean(reason),
		":again",
		"sleep 60",
		"chain --replace --autofree "+t.url()+" || goto again",
	)
}

// trunks is how many cards of a machine [Tagged] tries: iPXE names the VLAN
// after the card, and does not say which one it booted from.
const trunks = 16

// Tagged has iPXE, which booted without a tag, ask for an address with one,
// and go on there. t is the target on the other side.
func Tagged(t Target, vlan int) string {
	tag := strconv.Itoa(vlan)
	lines := []string{
		"echo Cairn: going on in VLAN " + tag,
		"vcreate --tag " + tag + " netX ||", // it may be there from the last try
		"ifclose ||",
		":again",
	}
	for n := range trunks {
		lines = append(lines, fmt.Sprintf("dhcp net%d-%s && goto tagged ||", n, tag))
	}
	return script(append(lines,
		"echo Cairn: no DHCP answer in VLAN "+tag+"; is it allowed on the switch port? Trying again in 5 seconds",
		"sleep 5",
		"goto again",
		":tagged",
		"chain --replace --autofree "+t.url()+"&uuid=${uuid}&platform=${platform} || goto again",
	)...)
}

func script(lines ...string) string { return "#!ipxe\n" + strings.Join(lines, "\n") + "\n" }

// clean leaves only what iPXE prints as it stands: no settings (${...}), no
// operators, no other lines.
func clean(s string) string {
	const harmless = " .,:;/()_+=-"
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(harmless, r):
			b.WriteRune(r)
		default:
			b.WriteByte('?')
		}
		if b.Len() == 300 {
			break
		}
	}
	return b.String()
}

// CheckArg refuses an argument that would not stay one word of the kernel
// line, or that iPXE would expand.
func CheckArg(arg string) error {
	for _, r := range arg {
		if r <= ' ' || r > '~' || strings.ContainsRune("${}\"'|&;#", r) {
			return fmt.Errorf("kernel argument %q has %q; allowed: printable ASCII without blanks, quotes and ${}|&;#", arg, r)
		}
	}
	return nil
}
