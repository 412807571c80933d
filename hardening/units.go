package hardening

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

const unitDir = "/etc/systemd/system"

// A wish is a unit that is started by a target.
type wish struct {
	unit   string
	target string // multi-user.target unless said otherwise
	roles  []string
}

var wishes = []wish{
	{"nftables.service", "sysinit.target", nil},
	{"systemd-networkd.service", "", nil},
	{"systemd-resolved.service", "sysinit.target", nil},
	{"chrony.service", "", nil},
	{"ssh.service", "", nil},
	{"cairn-issue.service", "", nil},
	{"cairn-audit.timer", "timers.target", nil},

	// The two slowest starts of all, so they do not wait for the rest.
	{"mariadb.service", "sysinit.target", []string{Controller}},
	{"rabbitmq-server.service", "sysinit.target", []string{Controller}},
	{"cairn-controller.service", "", []string{Controller}},
	{"cairn-broker-accounts.path", "", []string{Controller}},

	{"apparmor.service", "sysinit.target", []string{Compute}},
	{"virtlogd.socket", "sockets.target", []string{Compute}},
	{"libvirtd.socket", "sockets.target", []string{Compute}},
	{"libvirtd.service", "", []string{Compute}},
	{"cairn-node.service", "", []string{Compute}},
}

// resting are wanted units that may be inactive: they start when asked, or
// find nothing to do.
var resting = []string{"libvirtd.service", "apparmor.service"}

// masked are units that no role wants, though packages or other units start
// them.
var masked = []string{
	"apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "man-db.timer",
	"epmd.socket", "epmd.service", "mariadb.socket", "mariadb-extra.socket",
	"getty.target", "getty@.service", "serial-getty@.service", "autovt@.service", "console-getty.service",
	"libvirt-guests.service", "libvirtd-tcp.socket", "libvirtd-tls.socket",
	"ssh.socket", "sshd-keygen.service", "sshd-vsock.socket", "sshd-unix-local.socket",
	"systemd-networkd-wait-online.service", "systemd-firstboot.service", "systemd-homed.service",
	"systemd-sysupdate.timer", "systemd-sysupdate-reboot.timer", "systemd-timesyncd.service",
	"systemd-machine-id-commit.service", "ldconfig.service", "systemd-update-done.service",
	"systemd-hwdb-update.service", "systemd-journal-catalog-update.service", "systemd-sysusers.service",
	"logrotate.timer", "rpcbind.socket", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
}

// ofRole are units that are masked where their role is missing.
var ofRole = map[string][]string{
	Controller: {"mariadb.service", "rabbitmq-server.service"},
	Compute:    {"apparmor.service", "libvirtd.service", "libvirtd.socket", "libvirtd-ro.socket", "libvirtd-admin.socket", "virtlogd.service", "virtlogd.socket"},
}

func units() Control {
	files := always(unitFiles)
	return Control{
		ID: "units", Title: "A node starts what its role needs and nothing else",
		Why:    "what does not run cannot be broken into, and a boot is shorter",
		Source: "CIS 2.1, 2.2; SECURITY.md O4",
		Apply:  inOrder(forgetUnits, render(files)),
		Check:  both(rendered(files), checkUnits, checkListens),
	}
}

func unitFiles(t *Target) []File {
	n := &t.Node
	list := []File{
		{Path: unitDir + "/default.target", Link: "/usr/lib/systemd/system/multi-user.target"},
		// It offers SSH over VSOCK to whoever runs this machine.
		{Path: "/etc/systemd/system-generators/systemd-ssh-generator", Link: "/dev/null"},
		{Path: "/etc/systemd/system.conf.d/cairn.conf", Text: "[Manager]\n" +
			"# Machines under emulation, and disks of thirty drives, are slow.\n" +
			"DefaultTimeoutStartSec=15min\nDefaultTimeoutStopSec=3min\nDefaultDeviceTimeoutSec=15min\n" +
			"DefaultLimitCORE=0\nCrashReboot=yes\nDefaultIPAccounting=no\n"},
		{Path: unitDir + "/cairn-issue.service", Text: issueUnit},
		{Path: unitDir + "/cairn-audit.service", Text: auditUnit},
		{Path: unitDir + "/cairn-audit.timer", Text: auditTimer},
	}
	for _, w := range wishes {
		if n.Has(w.roles...) {
			list = append(list, enable(w))
		}
	}
	if n.Deployer {
		list = append(list, enable(wish{unit: "cairn-deploy.service"}))
	}
	for _, unit := range maskedUnits(n) {
		list = append(list, File{Path: unitDir + "/" + unit, Link: "/dev/null"})
	}
	return list
}

func maskedUnits(n *Node) []string {
	list := slices.Clone(masked)
	for _, role := range []string{Controller, Compute} {
		if !n.Has(role) {
			list = append(list, ofRole[role]...)
		}
	}
	return list
}

// enable is the link that systemctl enable would make.
func enable(w wish) File {
	from := "/usr/lib/systemd/system/" + w.unit
	if ownUnit(w.unit) {
		from = unitDir + "/" + w.unit
	}
	return File{Path: path.Join(unitDir, orDefault(w.target, "multi-user.target")+".wants", w.unit), Link: from}
}

// ownUnit tells whether we render the unit itself.
func ownUnit(unit string) bool {
	return strings.HasPrefix(unit, "cairn-") || unit == "mariadb.service" || unit == "rabbitmq-server.service"
}

// forgetUnits removes what the packages of the image have enabled.
func forgetUnits(_ context.Context, t *Target) error { return t.within(removeWants) }

func removeWants(root *os.Root) error {
	dir := inRoot(unitDir)
	entries, err := fs.ReadDir(root.FS(), dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() && (strings.HasSuffix(e.Name(), ".wants") || strings.HasSuffix(e.Name(), ".requires")) {
			if err := root.RemoveAll(path.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkUnits looks for units that failed, and for wanted ones that do not run.
func checkUnits(ctx context.Context, t *Target) []Finding {
	failed := Finding{Item: "failed units", Wanted: "none"}
	out, err := run(ctx, "systemctl", "list-units", "--failed", "--plain", "--no-legend")
	if err != nil {
		failed.Found = err.Error()
		return []Finding{failed}
	}
	var names []string
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 0 {
			names = append(names, f[0])
		}
	}
	failed.Found, failed.OK = orDefault(strings.Join(names, " "), "none"), len(names) == 0
	findings := []Finding{failed}
	for _, w := range wishes {
		if !t.Node.Has(w.roles...) {
			continue
		}
		f := Finding{Item: w.unit, Wanted: "active"}
		out, err := run(ctx, "systemctl", "show", "--property=ActiveState", "--value", w.unit)
		f.Found = strings.TrimSpace(out)
		if err != nil {
			f.Found = err.Error()
		}
		f.OK = f.Found == "active" || f.Found == "inactive" && slices.Contains(resting, w.unit)
		findings = append(findings, f)
	}
	return findings
}

const issueUnit = `[Unit]
Description=Say on the console who this is
After=multi-user.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/cat /etc/issue
StandardOutput=tty
TTYPath=/dev/console
`

// The first audit waits for what it asks: a broker that is starting is not one
// that is set up wrongly.
const auditUnit = `[Unit]
Description=Compare this machine with what it should be
After=multi-user.target mariadb.service rabbitmq-server.service

[Service]
Type=oneshot
ExecStart=` + Binary + ` audit --json
StandardOutput=truncate:` + AuditFile + `
StandardError=journal
Restart=on-failure
RestartSec=1min
RestartSteps=6
RestartMaxDelaySec=1h
Nice=10
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
LimitCORE=0
`

const auditTimer = `[Unit]
Description=Compare this machine with what it should be, every day

[Timer]
OnBootSec=3min
OnUnitActiveSec=1d
`
