package pxe

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/pxe/dhcp"
)

// TestAnotherServerIsNamed has a DHCP server turn up that nobody wants: it is
// found before any machine chooses it, and no disk is touched.
func TestAnotherServerIsNamed(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	br := wire(t)
	rogue := newStation(t, br, 7)
	rogue.serveAddresses(t)
	book, state := startDeployer(t, []byte("kernel"), nil)
	const known = "10.20.0.1 (MAC 52:54:00:00:00:07, its switch port is not known: look for the MAC in the switches' tables)"
	book.wait(t, quiet, "another DHCP server answers on this network", known)

	operator := newStation(t, br, 9)
	var answer struct {
		Servers []dhcp.Other `json:"dhcp_servers"`
	}
	operatorGet(t, operator, state, "/v1/counters", &answer)
	if len(answer.Servers) != 1 || answer.Servers[0].MAC != rogue.mac.String() || answer.Servers[0].Server.String() != otherAddress || !answer.Servers[0].Addresses {
		t.Errorf("the operator sees %+v, want 10.20.0.1 of %s", answer.Servers, rogue.mac)
	}
	if text := operatorGet(t, operator, state, "/metrics", nil); !strings.Contains(text, `cairn_deployer_refused_total{protocol="dhcp",what="rogue-server"} `) {
		t.Errorf("the metrics are\n%s", text)
	}
	if code, text := operator.status(t, "http://10.20.0.11:8080/metrics"); code != 404 {
		t.Errorf("everybody sees the metrics: %d %s", code, text)
	}

	s := newStation(t, br, 1)
	s.address(t, netip.MustParsePrefix("10.20.0.150/24"))
	script := string(s.get(t, "http://10.20.0.11:8080/boot/script?mac="+s.mac.String()+"&uuid="+machineID+"&platform=pcbios"))
	answers := s.inventory(t, script)
	if want := "one DHCP server: another DHCP server, " + known + ", answers on this network; switch it off"; answers.Wait != want {
		t.Errorf("the machine waits for %q, want %q", answers.Wait, want)
	}
}

// TestAddressInUseIsNotGiven has a device sit on the first address of the
// range, and another on one that rack.yaml names.
func TestAddressInUseIsNotGiven(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	br := wire(t)
	for n, a := range map[byte]string{5: "10.20.0.100/24", 6: "10.20.0.50/24"} {
		newStation(t, br, n).address(t, netip.MustParsePrefix(a))
	}
	_, state := startDeployer(t, []byte("kernel"), func(c *Command) {
		c.Rack = rackFile(t, "machines: [{mac: '52:54:00:00:00:02', address: 10.20.0.50}, {mac: '52:54:00:00:00:03', address: 10.20.0.51}]\n")
	})
	for n, want := range map[byte]string{1: "10.20.0.101", 3: "10.20.0.51"} {
		if got := newStation(t, br, n).lease(t, asIPXE()).YourIPAddr.String(); got != want {
			t.Errorf("machine %d has %s, want %s", n, got, want)
		}
	}
	unlucky, operator := newStation(t, br, 2), newStation(t, br, 9)
	for {
		unlucky.discover(t, asIPXE())
		list, text := counters(t, operator, state)
		if list["dhcp address-in-use"] < 2 {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if !strings.Contains(text, "10.20.0.50 is in use by 52:54:00:00:00:06") &&
			!strings.Contains(text, "10.20.0.50 is the address of machine 52:54:00:00:00:02 in rack.yaml, and another device (52:54:00:00:00:06) has it") {
			t.Errorf("the operator sees %s", text)
		}
		return
	}
}
