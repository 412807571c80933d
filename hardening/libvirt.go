package hardening

import (
	"context"
	"fmt"
	"strings"
)

func libvirt() Control {
	files := always(libvirtFiles)
	return Control{
		ID: "libvirt", Title: "Guests run as an ordinary account in a sandbox, and only root commands them",
		Why:    "a guest that breaks out of its virtual machine must find nothing to take",
		Source: "SECURITY.md 1.7; Security Guide, hardening the virtualization layers; OSSN-0007, OSSN-0089",
		Roles:  []string{Compute},
		Apply:  render(files),
		Check:  both(rendered(files), checkGuests),
	}
}

func libvirtFiles(*Target) []File {
	list := []File{
		{Path: "/etc/libvirt/qemu.conf", Text: qemuConfig + confinement, Mode: 0o600},
		{Path: "/etc/libvirt/lxc.conf", Text: confinement},
		{Path: "/etc/libvirt/libvirtd.conf", Text: libvirtdConfig},
		{Path: "/etc/libvirt/qemu/networks/autostart", Gone: true},
		{Path: unitDir + "/libvirtd.service.d/cairn.conf", Text: "[Unit]\nStartLimitIntervalSec=0\n\n" +
			"[Service]\nEnvironment=LIBVIRTD_ARGS=\nRestart=always\nRestartSec=2\nLimitCORE=0\n"},
	}
	for _, socket := range []string{"libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket"} {
		list = append(list, File{
			Path: unitDir + "/" + socket + ".d/cairn.conf",
			Text: "[Socket]\nSocketUser=root\nSocketGroup=root\nSocketMode=0600\n",
		})
	}
	return list
}

// qemuConfig holds for libvirt 9 and 11. Which accelerator a guest uses makes
// no difference to it.
const qemuConfig = `user = "libvirt-qemu"
group = "libvirt-qemu"
dynamic_ownership = 1
remember_owner = 1
seccomp_sandbox = 1
namespaces = [ "mount" ]
vnc_auto_unix_socket = 1
max_core = 0
dump_guest_core = 0
migrate_tls_force = 1
default_tls_x509_verify = 1
stdio_handler = "logd"
`

// confinement has libvirt start no guest, machine or container, that it cannot
// give a profile.
const confinement = `security_driver = "apparmor"
security_default_confined = 1
security_require_confined = 1
`

// libvirtdConfig leaves the local socket as the only way in, and the socket to
// root: no password, ticket or group opens it.
const libvirtdConfig = `listen_tls = 0
listen_tcp = 0
unix_sock_group = "root"
unix_sock_rw_perms = "0600"
unix_sock_ro_perms = "0600"
auth_unix_rw = "none"
auth_unix_ro = "none"
log_outputs = "2:journald"
`

// checkGuests looks at every running QEMU: its account, its system call
// filter, its capabilities.
func checkGuests(_ context.Context, t *Target) []Finding {
	all, err := t.processes()
	if err != nil {
		return []Finding{{Item: "processes", Found: err.Error(), Wanted: "readable"}}
	}
	var findings []Finding
	for _, p := range all {
		if p.guest() {
			findings = append(findings, checkGuest(p.fields))
		}
	}
	return findings
}

func checkGuest(fields map[string]string) Finding {
	uid, _, _ := strings.Cut(fields["Uid"], "\t")
	f := Finding{
		Item:   "guest process " + fields["Pid"],
		Wanted: "not root, no capabilities, filtered system calls",
		Found:  fmt.Sprintf("uid %s, capabilities %s, seccomp %s", uid, fields["CapEff"], fields["Seccomp"]),
	}
	f.OK = uid != "0" && strings.Trim(fields["CapEff"], "0") == "" && fields["Seccomp"] == "2"
	return f
}
