package hardening

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// A setting is a sysctl key and its value.
type setting struct{ key, value string }

// kernelTable holds on every node. An optional key, which a kernel may be
// built without, begins with a dash, as in sysctl.d(5).
var kernelTable = []setting{
	{"kernel.kptr_restrict", "2"},
	{"kernel.dmesg_restrict", "1"},
	{"-kernel.yama.ptrace_scope", "2"},
	{"kernel.randomize_va_space", "2"},
	{"kernel.unprivileged_bpf_disabled", "1"},
	{"kernel.kexec_load_disabled", "1"},
	{"kernel.perf_event_paranoid", "3"},
	{"-kernel.unprivileged_userns_clone", "0"},
	{"kernel.sysrq", "0"},
	{"kernel.panic", "10"},
	{"kernel.panic_on_oops", "1"},
	{"kernel.core_pattern", "|/bin/false"},
	{"fs.protected_hardlinks", "1"},
	{"fs.protected_symlinks", "1"},
	{"fs.protected_fifos", "2"},
	{"fs.protected_regular", "2"},
	{"fs.suid_dumpable", "0"},
	{"-net.core.bpf_jit_harden", "2"},
	{"net.ipv4.conf.all.rp_filter", "1"},
	{"net.ipv4.conf.default.rp_filter", "1"},
	{"net.ipv4.conf.all.accept_redirects", "0"},
	{"net.ipv4.conf.default.accept_redirects", "0"},
	{"net.ipv4.conf.all.secure_redirects", "0"},
	{"net.ipv4.conf.default.secure_redirects", "0"},
	{"net.ipv4.conf.all.send_redirects", "0"},
	{"net.ipv4.conf.default.send_redirects", "0"},
	{"net.ipv4.conf.all.accept_source_route", "0"},
	{"net.ipv4.conf.default.accept_source_route", "0"},
	{"net.ipv4.conf.all.log_martians", "1"},
	{"net.ipv4.conf.default.log_martians", "1"},
	{"net.ipv4.conf.all.arp_ignore", "1"},
	{"net.ipv4.conf.all.arp_announce", "2"},
	{"net.ipv4.tcp_syncookies", "1"},
	{"net.ipv4.icmp_echo_ignore_broadcasts", "1"},
	{"net.ipv4.ip_forward", "0"},
	// Servers bind to the management address before it is there, so that
	// nothing has to wait for the network.
	{"net.ipv4.ip_nonlocal_bind", "1"},
	{"-net.ipv6.conf.all.accept_ra", "0"},
	{"-net.ipv6.conf.default.accept_ra", "0"},
	{"-net.ipv6.conf.all.accept_redirects", "0"},
	{"-net.ipv6.conf.default.accept_redirects", "0"},
}

// noIPv6 is for nodes without an IPv6 address of their own. Guests may use
// IPv6: their frames are bridged and never reach the host's stack.
var noIPv6 = []setting{
	{"-net.ipv6.conf.all.disable_ipv6", "1"},
	{"-net.ipv6.conf.default.disable_ipv6", "1"},
}

func kernelSettings() Control {
	files := always(func(t *Target) []File {
		var b strings.Builder
		for _, s := range t.settings() {
			fmt.Fprintf(&b, "%s = %s\n", s.key, s.value)
		}
		return []File{{Path: "/etc/sysctl.d/90-cairn.conf", Text: b.String()}}
	})
	return Control{
		ID: "sysctl", Title: "The kernel tells nothing, follows nobody and forwards nothing",
		Why:    "each setting closes a known way up from an ordinary account or in from the wire",
		Source: "SECURITY.md O5; CIS 1.5.1-1.5.3, 3.3.1-3.3.11",
		Apply:  render(files),
		Check:  both(rendered(files), checkSettings),
	}
}

func (t *Target) settings() []setting {
	n := &t.Node
	if n.management().Is6() || n.External.Address.Addr().Is6() {
		return kernelTable
	}
	return append(append([]setting{}, kernelTable...), noIPv6...)
}

func checkSettings(_ context.Context, t *Target) []Finding {
	var findings []Finding
	for _, s := range t.settings() {
		key, optional := strings.CutPrefix(s.key, "-")
		f := Finding{Item: key, Wanted: s.value}
		data, err := t.read("/proc/sys/" + strings.ReplaceAll(key, ".", "/"))
		switch {
		case errors.Is(err, fs.ErrNotExist) && optional:
			f.Found, f.OK = "not in this kernel", true
		case err != nil:
			f.Found = err.Error()
		default:
			f.Found = strings.TrimSpace(string(data))
			f.OK = f.Found == s.value
		}
		findings = append(findings, f)
	}
	return findings
}

// unwantedModules are file systems, protocols and buses that no node needs.
var unwantedModules = []string{
	"cramfs", "freevxfs", "hfs", "hfsplus", "jffs2", "udf",
	"dccp", "tipc", "rds", "sctp", "firewire-core", "usb-storage", "uas",
}

// wantedModules are loaded at boot, per role; most others come with their
// device.
var wantedModules = map[string][]string{
	Compute: {"bridge", "8021q", "tun", "veth", "vhost_net", "nf_tables", "nf_conntrack", "nf_conntrack_bridge"},
}

func modules() Control {
	files := always(moduleFiles)
	return Control{
		ID: "modules", Title: "Drivers that nobody needs cannot be loaded",
		Why:    "the kernel loads old and rarely tested code on demand of anybody",
		Source: "SECURITY.md O7; CIS 1.1.1, 3.2",
		Apply:  render(files),
		Check:  both(rendered(files), checkModules),
	}
}

func moduleFiles(t *Target) []File {
	var b strings.Builder
	for _, m := range unwantedModules {
		fmt.Fprintf(&b, "install %s /bin/false\nblacklist %s\n", m, m)
	}
	var load strings.Builder
	for _, role := range t.Node.Roles {
		for _, m := range wantedModules[role] {
			load.WriteString(m + "\n")
		}
	}
	return []File{
		{Path: "/etc/modprobe.d/cairn.conf", Text: b.String()},
		{Path: "/etc/modules-load.d/cairn.conf", Text: load.String()},
	}
}

func checkModules(_ context.Context, t *Target) []Finding {
	data, err := t.read("/proc/modules")
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // absent: a kernel without modules
		return []Finding{{Item: "/proc/modules", Found: err.Error(), Wanted: "readable"}}
	}
	var findings []Finding
	for _, m := range unwantedModules {
		f := Finding{Item: "module " + m, Wanted: "not loaded", Found: "not loaded", OK: true}
		if strings.Contains("\n"+string(data), "\n"+strings.ReplaceAll(m, "-", "_")+" ") {
			f.Found, f.OK = "loaded", false
		}
		findings = append(findings, f)
	}
	return findings
}

func coreDumps() Control {
	files := always(func(*Target) []File {
		return []File{
			{Path: "/etc/systemd/coredump.conf.d/cairn.conf", Text: "[Coredump]\nStorage=none\nProcessSizeMax=0\n"},
			{Path: "/etc/security/limits.d/cairn.conf", Text: "* hard core 0\n"},
		}
	})
	return Control{
		ID: "coredumps", Title: "No program leaves its memory on a disk",
		Why:    "memory of our services holds tokens, passwords and keys",
		Source: "SECURITY.md O12; CIS 1.5.3",
		Apply:  render(files), Check: rendered(files),
	}
}
