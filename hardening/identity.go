package hardening

import (
	"fmt"
	"strings"
)

func identity() Control {
	files := always(identityFiles)
	return Control{
		ID: "identity", Title: "The machine bears the name and id of its enrolment",
		Why:    "logs, certificates and DHCP must agree on who this is; an image must not carry an id",
		Source: "machine-id(5); LAB.md, image sizes",
		Apply:  render(files), Check: rendered(files),
	}
}

func identityFiles(t *Target) []File {
	n := &t.Node
	var hosts strings.Builder
	hosts.WriteString("127.0.0.1 localhost\n")
	own := []string{n.Name}
	peers := []string{"api", "mariadb", "rabbitmq", "deployer"}
	if n.Controller == n.management() {
		own = append(own, peers...)
	} else if n.Controller.IsValid() {
		fmt.Fprintf(&hosts, "%s %s\n", n.Controller, strings.Join(peers, " "))
	}
	fmt.Fprintf(&hosts, "%s %s\n", n.management(), strings.Join(own, " "))

	return []File{
		{Path: "/etc/hostname", Text: n.Name + "\n"},
		{Path: "/etc/hosts", Text: hosts.String()},
		{Path: "/etc/machine-id", Text: machineID(n.ID) + "\n", Mode: 0o444},
		{Path: "/etc/resolv.conf", Link: "../run/systemd/resolve/stub-resolv.conf"},
		{Path: "/etc/issue", Text: issue(n)},
		{Path: "/etc/issue.net", Text: "Authorised use only.\n"},
		{Path: "/etc/motd", Text: ""},
	}
}

// machineID is the UUID as systemd wants it: 32 lower case hex digits.
func machineID(uuid string) string {
	return strings.ToLower(strings.ReplaceAll(uuid, "-", ""))
}

// issue is what the console shows: nobody can log in there.
func issue(n *Node) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nCairn %s: %s of cluster %s (%s)\n", n.Version, n.Name, n.Cluster, strings.Join(n.Roles, ", "))
	fmt.Fprintf(&b, "management: %s\n", n.Management.Address)
	if n.Has(Controller) {
		at := n.management().String()
		if n.External.Address.IsValid() {
			at = n.External.Address.Addr().String()
		}
		fmt.Fprintf(&b, "dashboard and APIs: https://%s/\n", at)
	}
	fmt.Fprintf(&b, "log in: ssh %s@%s, by key\n\n", Operator, n.management())
	return b.String()
}
