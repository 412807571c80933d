package hardening

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"time"
)

// patience is how long a program may take to answer: the broker's needs half a
// minute of an emulated processor.
const patience = 5 * time.Minute

// run returns what a program of the machine prints.
func run(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(exit.Stderr)))
	}
	return string(out), err
}

// checkAddresses compares the addresses of the live machine with its networks:
// each must be in one of them, the trunk has none.
func checkAddresses(_ context.Context, t *Target) []Finding {
	nics, err := net.Interfaces()
	if err != nil {
		return []Finding{{Item: "addresses", Found: err.Error(), Wanted: "readable"}}
	}
	var findings []Finding
	for _, nic := range nics {
		addrs, err := nic.Addrs()
		if err != nil {
			findings = append(findings, Finding{Item: "addresses of " + nic.Name, Found: err.Error(), Wanted: "readable"})
			continue
		}
		findings = append(findings, t.checkNIC(nic.Name, addrs))
	}
	return findings
}

func (t *Target) checkNIC(name string, addrs []net.Addr) Finding {
	n := &t.Node
	f := Finding{Item: "addresses of " + name, Wanted: "none"}
	var found []string
	for _, a := range addrs {
		found = append(found, a.String())
	}
	f.Found = orDefault(strings.Join(found, " "), "none")
	switch {
	case name == ManagementNIC && !n.Management.DHCP:
		f.Wanted = n.Management.Address.String()
	case name == n.bootNIC():
		f.Wanted = BootAddress
	case name == ExternalNIC && n.External.Address.IsValid():
		f.Wanted = n.External.Address.String()
	case name == "lo", name == ManagementNIC, name == ExternalNIC:
		f.Wanted = f.Found
	}
	f.OK = f.Found == f.Wanted
	return f
}

// checkListens compares the listening TCP sockets of the live machine with
// those that its roles have.
func checkListens(_ context.Context, t *Target) []Finding {
	var findings []Finding
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, err := t.read(file)
		if err != nil {
			continue // no IPv6 in this kernel
		}
		for line := range strings.Lines(string(data)) {
			if at, ok := listening(line); ok && !at.Addr().IsLoopback() {
				findings = append(findings, t.checkListen(at))
			}
		}
	}
	return findings
}

func (t *Target) checkListen(at netip.AddrPort) Finding {
	f := Finding{Item: fmt.Sprintf("listens on %d", at.Port()), Found: at.String(), Wanted: "no such listener"}
	ports := []uint16{22}
	if t.Node.Has(Controller) {
		ports = append(ports, 443, 3306, 5671, 8080, 8443, 8444)
	}
	for _, port := range ports {
		if at.Port() == port {
			f.Wanted, f.OK = "part of the role", true
		}
	}
	return f
}

// listening reads a line of /proc/net/tcp: local address and state are the
// second and fourth field, in the machine's byte order.
func listening(line string) (netip.AddrPort, bool) {
	const listen = "0A"
	f := strings.Fields(line)
	if len(f) < 4 || f[3] != listen {
		return netip.AddrPort{}, false
	}
	host, portText, ok := strings.Cut(f[1], ":")
	if !ok || len(host)%8 != 0 {
		return netip.AddrPort{}, false
	}
	var port uint16
	if _, err := fmt.Sscanf(portText, "%04X", &port); err != nil {
		return netip.AddrPort{}, false
	}
	var raw []byte
	for i := 0; i < len(host); i += 8 {
		var word [4]byte
		if _, err := fmt.Sscanf(host[i:i+8], "%02X%02X%02X%02X", &word[3], &word[2], &word[1], &word[0]); err != nil {
			return netip.AddrPort{}, false
		}
		raw = append(raw, word[:]...)
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), port), ok
}
