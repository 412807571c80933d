package hardening

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Accounts of Cairn itself. Their ids are fixed, since files on the data
// partition outlive the system image.
const (
	Operator       = "cairn"            // the network manager, by SSH key
	controllerUser = "cairn-controller" // the API process
	deployUser     = "cairn-deploy"     // installs machines; holds the CA's key
)

type ownAccount struct {
	name  string
	id    int // of user and group
	home  string
	shell string
	text  string
}

var ownAccounts = []ownAccount{
	{deployUser, 801, "/nonexistent", "/usr/sbin/nologin", "Cairn deployer"},
	{controllerUser, 800, "/nonexistent", "/usr/sbin/nologin", "Cairn controller"},
	{Operator, 1000, "/run", "/bin/bash", "Network manager"},
}

// operatorGroups let the operator read logs. They give no rights to change.
var operatorGroups = []string{"systemd-journal", "adm"}

func accounts() Control {
	return Control{
		ID: "accounts", Title: "No password opens anything, and each service has its own account",
		Why:    "a default or shared password is the first thing that is tried",
		Source: "CIS 5.4.2.4, 7.2.2; SECURITY.md O10",
		Apply:  applyAccounts,
		Check:  checkAccounts,
	}
}

func applyAccounts(_ context.Context, t *Target) error {
	edits := []struct {
		file string
		mode fs.FileMode
		edit func([]string) []string
	}{
		{"/etc/passwd", 0o644, ownUsers},
		{"/etc/group", 0o644, ownGroups},
		{"/etc/shadow", 0o640, noPasswords},
	}
	for _, e := range edits {
		data, err := t.read(e.file)
		if err != nil {
			return err
		}
		lines := e.edit(strings.Split(strings.TrimRight(string(data), "\n"), "\n"))
		err = t.write(File{Path: e.file, Text: strings.Join(lines, "\n") + "\n", Mode: e.mode})
		if err != nil {
			return err
		}
	}
	return t.write(
		File{Path: "/etc/passwd-", Gone: true}, File{Path: "/etc/shadow-", Gone: true},
		File{Path: "/etc/group-", Gone: true}, File{Path: "/etc/gshadow-", Gone: true},
	)
}

func ownUsers(lines []string) []string {
	lines = withoutOwn(lines)
	for _, a := range ownAccounts {
		lines = append(lines, fmt.Sprintf("%s:x:%d:%d:%s:%s:%s", a.name, a.id, a.id, a.text, a.home, a.shell))
	}
	return lines
}

func ownGroups(lines []string) []string {
	lines = withoutOwn(lines)
	for i, line := range lines {
		f := strings.Split(line, ":")
		for _, group := range operatorGroups {
			if f[0] == group && len(f) == 4 {
				f[3] = Operator
				lines[i] = strings.Join(f, ":")
			}
		}
	}
	for _, a := range ownAccounts {
		members := ""
		if a.name == controllerUser || a.name == deployUser {
			members = Operator // reads what each leaves for the operator, and no more
		}
		lines = append(lines, fmt.Sprintf("%s:x:%d:%s", a.name, a.id, members))
	}
	return lines
}

// noPasswords locks every account. The operator's has no password rather than
// a locked one: sshd refuses locked accounts, keys or not.
func noPasswords(lines []string) []string {
	lines = withoutOwn(lines)
	for i, line := range lines {
		f := strings.Split(line, ":")
		if len(f) == 9 {
			f[1] = "!*"
			lines[i] = strings.Join(f, ":")
		}
	}
	for _, a := range ownAccounts {
		lines = append(lines, a.name+":*:20000:0:99999:7:::")
	}
	return lines
}

// withoutOwn leaves out the lines of our accounts.
func withoutOwn(lines []string) []string {
	var kept []string
	for _, line := range lines {
		name, _, _ := strings.Cut(line, ":")
		own := false
		for _, a := range ownAccounts {
			own = own || a.name == name
		}
		if !own {
			kept = append(kept, line)
		}
	}
	return kept
}

func checkAccounts(_ context.Context, t *Target) []Finding {
	shadow, err := t.read("/etc/shadow")
	if err != nil {
		return []Finding{{Item: "/etc/shadow", Found: err.Error(), Wanted: "readable"}}
	}
	open := Finding{Item: "accounts with a password", Wanted: "none"}
	var names []string
	for line := range strings.Lines(string(shadow)) {
		f := strings.Split(line, ":")
		if len(f) > 1 && !strings.HasPrefix(f[1], "!") && f[1] != "*" {
			names = append(names, f[0])
		}
	}
	open.Found, open.OK = orDefault(strings.Join(names, " "), "none"), len(names) == 0

	passwd, err := t.read("/etc/passwd")
	if err != nil {
		return []Finding{open, {Item: "/etc/passwd", Found: err.Error(), Wanted: "readable"}}
	}
	var super []string
	for line := range strings.Lines(string(passwd)) {
		if f := strings.Split(line, ":"); len(f) > 2 && f[2] == "0" {
			super = append(super, f[0])
		}
	}
	root := Finding{Item: "accounts with user id 0", Found: strings.Join(super, " "), Wanted: "root"}
	root.OK = root.Found == root.Wanted
	return []Finding{open, root}
}

// An identifier is an account's numbers.
type identifier struct{ uid, gid int }

// account looks the name up in the machine's own /etc/passwd, which need not be
// that of the system that this runs in.
func (t *Target) account(name string) (identifier, error) {
	if name == "root" {
		return identifier{}, nil
	}
	data, err := t.read("/etc/passwd")
	if err != nil {
		return identifier{}, err
	}
	for line := range bytes.Lines(data) {
		f := strings.Split(strings.TrimSpace(string(line)), ":")
		if len(f) != 7 || f[0] != name {
			continue
		}
		uid, err := strconv.Atoi(f[2])
		if err != nil {
			return identifier{}, fmt.Errorf("account %s: user id %q is not a number", name, f[2])
		}
		gid, err := strconv.Atoi(f[3])
		if err != nil {
			return identifier{}, fmt.Errorf("account %s: group id %q is not a number", name, f[3])
		}
		return identifier{uid, gid}, nil
	}
	return identifier{}, fmt.Errorf("account %s is not in /etc/passwd of the image", name)
}

func (t *Target) differentOwner(info fs.FileInfo, owner string) string {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 && int(stat.Uid) == os.Geteuid() {
		return "" // in a test of an ordinary user: protect cannot give files away
	}
	who, err := t.account(owner)
	if err != nil {
		return err.Error()
	}
	if int(stat.Uid) != who.uid {
		return fmt.Sprintf("owned by user id %d, wanted %s (%d)", stat.Uid, owner, who.uid)
	}
	return ""
}
