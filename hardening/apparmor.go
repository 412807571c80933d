package hardening

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// profilesDir is where AppArmor profiles lie. The image holds those of
	// confined alone, compiled for its kernel where systemd looks for them.
	profilesDir = "/etc/apparmor.d"
	// loadedProfiles lists what the kernel enforces, a line each:
	// name (mode).
	loadedProfiles = "/sys/kernel/security/apparmor/profiles"
)

// A profile confines one program.
type profile struct{ name, file string }

// confined are the profiles of a compute node. libvirt gives guests no profile
// unless it has one itself; what makes those of guests reads strangers' disks.
var confined = []profile{
	{"libvirtd", profilesDir + "/usr.sbin.libvirtd"},
	{"virt-aa-helper", profilesDir + "/usr.lib.libvirt.virt-aa-helper"},
}

func appArmor() Control {
	files := always(appArmorFiles)
	return Control{
		ID: "apparmor", Title: "Every guest has a profile of its own, which names its files and no others",
		Why:    "a guest that breaks out runs under the account of all guests, and could read their disks",
		Source: "SECURITY.md 1.7; Security Guide, hardening the virtualization layers, mandatory access controls",
		Roles:  []string{Compute},
		Apply:  render(files),
		Check:  both(rendered(files), checkProfiles, checkLabels),
	}
}

// appArmorFiles are for a kernel whose abilities are not those that the
// image's profiles were compiled for: systemd then finds none, and they are
// compiled before libvirt starts. The cache of the package is not asked: it
// outlives the image.
func appArmorFiles(*Target) []File {
	text := "[Unit]\nDescription=Load AppArmor profiles that systemd had not loaded\n" +
		"ConditionPathExistsGlob=!/sys/kernel/security/apparmor/policy/profiles/libvirtd.*\n\n" +
		"[Service]\nExecStart=\nExecStart=/usr/sbin/apparmor_parser --replace --skip-cache"
	for _, p := range confined {
		text += " " + p.file
	}
	return []File{{Path: unitDir + "/apparmor.service.d/cairn.conf", Text: text + "\nExecReload=\n"}}
}

// checkProfiles compares what the kernel enforces with what it should.
func checkProfiles(_ context.Context, t *Target) []Finding {
	data, err := t.read(loadedProfiles)
	if err != nil {
		return []Finding{{Item: loadedProfiles, Found: err.Error(), Wanted: "readable"}}
	}
	modes := profileModes(string(data))
	var findings []Finding
	for _, p := range confined {
		f := Finding{Item: "profile " + p.name, Wanted: "enforce", Found: orDefault(modes[p.name], "not loaded")}
		f.OK = f.Found == f.Wanted
		findings = append(findings, f)
		delete(modes, p.name)
	}
	other := Finding{Item: "other profiles", Wanted: "enforce", Found: "enforce", OK: true}
	var lax []string
	for name, mode := range modes {
		if mode != "enforce" {
			lax = append(lax, name+" ("+mode+")")
		}
	}
	if len(lax) > 0 {
		slices.Sort(lax)
		other.Found, other.OK = strings.Join(lax, ", "), false
	}
	return append(findings, other)
}

// profileModes reads lines of "name (mode)".
func profileModes(text string) map[string]string {
	modes := make(map[string]string)
	for line := range strings.Lines(text) {
		name, mode, ok := strings.Cut(strings.TrimSpace(line), " (")
		if ok {
			modes[name] = strings.TrimSuffix(mode, ")")
		}
	}
	return modes
}

// checkLabels looks at every guest that runs: a QEMU, or the first process of
// a container, which is a child of libvirt_lxc.
func checkLabels(_ context.Context, t *Target) []Finding {
	all, err := t.processes()
	if err != nil {
		return []Finding{{Item: "processes", Found: err.Error(), Wanted: "readable"}}
	}
	keepers := make(map[string]bool)
	for _, p := range all {
		if p.fields["Name"] == "libvirt_lxc" {
			keepers[p.fields["Pid"]] = true
		}
	}
	var findings []Finding
	for _, p := range all {
		if p.guest() || keepers[p.fields["PPid"]] {
			findings = append(findings, checkLabel(p))
		}
	}
	return findings
}

// checkLabel wants the profile that libvirt makes for a guest: its name ends
// in the guest's UUID.
func checkLabel(p process) Finding {
	f := Finding{
		Item:   fmt.Sprintf("guest process %s (%s)", p.fields["Pid"], p.fields["Name"]),
		Wanted: "libvirt-<uuid> (enforce)",
	}
	label, err := os.ReadFile(filepath.Join(p.dir, "attr/current"))
	if err != nil {
		f.Found = err.Error()
		return f
	}
	f.Found = strings.TrimRight(string(label), "\x00\n")
	name, mode, _ := strings.Cut(f.Found, " ")
	f.OK = strings.HasPrefix(name, "libvirt-") && len(name) == len("libvirt-")+36 && mode == "(enforce)"
	return f
}
