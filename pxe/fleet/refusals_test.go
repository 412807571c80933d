package fleet

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// TestRefusals has a line for each thing that the fleet refuses, and says
// exactly what.
func TestRefusals(t *testing.T) {
	const mac3 = "52:54:00:00:00:03"
	at := func(s string) netip.Addr { return netip.MustParseAddr(s) }
	for want, do := range map[string]func(*rack) error{
		// Boot scripts.
		`refused: MAC address "x"; allowed: six bytes like 52:54:00:12:34:56`: func(k *rack) error {
			_, err := k.Boot(Boot{MAC: "x", Firmware: "bios", From: at("10.20.0.101")})
			return err
		},
		`refused: MAC address "01:00:5e:00:00:01"; allowed: six bytes like 52:54:00:12:34:56`: func(k *rack) error {
			_, err := k.Boot(Boot{MAC: "01:00:5e:00:00:01", Firmware: "bios", From: at("10.20.0.101")})
			return err
		},
		"refused: 10.20.0.101 belongs to " + mac1 + ", which asks for the script of " + mac2: func(k *rack) error {
			k.boot(mac1, id1)
			_, err := k.Boot(Boot{MAC: mac2, Firmware: "bios", From: at("10.20.0.101")})
			return err
		},
		"refused: 10.20.0.9 asks for the script of " + mac1 + ", whose address is 10.20.0.101": func(k *rack) error {
			k.boot(mac1, id1)
			_, err := k.Boot(Boot{MAC: mac1, Firmware: "bios", From: at("10.20.0.9")})
			return err
		},
		"refused: " + mac1 + " is a NIC of the installed machine " + id1 + " and now claims to be " + id2 + "; reinstall the former if its board was replaced": func(k *rack) error {
			k.install(mac1, id1)
			k.boot(mac2, id2)
			_, err := k.Boot(Boot{MAC: mac1, UUID: id2, Firmware: "bios", From: at("10.20.0.101")})
			return err
		},

		// Tickets.
		"boot ticket refused: this deployer did not sign it": func(k *rack) error {
			_, err := k.Plan("1.525400000001.1.x.y", id1)
			return err
		},
		"boot ticket refused: it is for machine " + id1 + ", not for " + id2: func(k *rack) error {
			_, err := k.Plan(k.boot(mac1, id1).Ticket, id2)
			return err
		},
		"boot ticket refused: machine " + id1 + " has booted again since": func(k *rack) error {
			old := k.boot(mac1, id1).Ticket
			k.boot(mac1, id1)
			_, err := k.Plan(old, id1)
			return err
		},
		"boot ticket refused: machine " + id1 + " has used it up by enrolling": func(k *rack) error {
			_, err := k.Plan(k.install(mac1, id1), id1)
			return err
		},
		"boot ticket refused: its machine is unknown here": func(k *rack) error {
			_, err := k.Plan(k.tickets.seal(claim{MAC: mac3, Nonce: "n", Expires: k.now.Add(time.Hour)}), id1)
			return err
		},
		"boot ticket refused: it ended at 2026-11-23T12:00:00Z; boot the machine from the network again": func(k *rack) error {
			ticket := k.boot(mac1, id1).Ticket
			k.now = k.now.Add(k.Fleet.conf.TicketFor + time.Second)
			_, err := k.Plan(ticket, id1)
			return err
		},
		"boot ticket refused: unknown form": func(k *rack) error {
			_, err := k.Plan("2.525400000001.1.x."+k.tickets.sum("2.525400000001.1.x"), id1)
			return err
		},

		// Installers.
		"refused: inventory of machine " + id2 + " under the name of " + id1: func(k *rack) error {
			_, err := k.Inventory(k.boot(mac1, id1).Ticket, id1, inventory(mac1, id2))
			return err
		},
		"refused: booted from " + mac2 + ", which is none of the machine's NICs [" + mac1 + "]": func(k *rack) error {
			_, err := k.Inventory(k.boot(mac1, id1).Ticket, id1, inventory(mac2, id1))
			return err
		},
		"wrong state: machine " + id1 + " is booting; a plan follows an inventory": func(k *rack) error {
			_, err := k.Plan(k.boot(mac1, id1).Ticket, id1)
			return err
		},
		"refused: progress {Phase: Done:0 Total:0 Detail:} makes no sense": func(k *rack) error {
			return k.Progress(k.boot(mac1, id1).Ticket, id1, plan.Progress{})
		},
		"refused: progress {Phase:write Done:-1 Total:0 Detail:} makes no sense": func(k *rack) error {
			return k.Progress(k.boot(mac1, id1).Ticket, id1, plan.Progress{Phase: "write", Done: -1})
		},
		"wrong state: machine " + id1 + " is booting and cannot become installing; allowed: [inventoried failed]": func(k *rack) error {
			return k.Progress(k.boot(mac1, id1).Ticket, id1, plan.Progress{Phase: "write"})
		},
		"wrong state: machine " + id1 + " is booting; it enrols while it is installing": func(k *rack) error {
			_, err := k.Enrol(k.boot(mac1, id1).Ticket, id1, plan.EnrolRequest{CSR: csr(k.t)})
			return err
		},
		"refused: issue node certificate: the request is not a CSR in PEM": func(k *rack) error {
			d := k.boot(mac1, id1)
			k.inventory(d.Ticket, mac1, id1)
			k.progress(d.Ticket, id1, "partition")
			_, err := k.Enrol(d.Ticket, id1, plan.EnrolRequest{CSR: "x"})
			return err
		},
		"wrong state: machine " + id1 + " reports of round 3 of the fabric check, which is over or is not its own": func(k *rack) error {
			return k.Fabric(k.boot(mac1, id1).Ticket, id1, plan.FabricReport{Round: 3})
		},

		// Operators.
		`no such machine: "nobody"`: func(k *rack) error { _, err := k.Machine("nobody"); return err },
		`no such machine: "else"`:   func(k *rack) error { _, err := k.Approve("else"); return err },
		"wrong state: machine " + id1 + " is booting; allowed: enrolled, ready, failed or seen": func(k *rack) error {
			k.boot(mac1, id1)
			_, err := k.Reinstall(id1)
			return err
		},
		"refused: this deployer switches no machines": func(k *rack) error {
			_, err := k.Power(context.Background(), id1, PowerRequest{Action: "on"})
			return err
		},
		"10.20.0.50 for " + mac3 + ": the addresses of this deployer cannot be chosen. Take address out of machines in rack.yaml": func(k *rack) error {
			_, err := k.pin(&plan.Plan{Management: mac3, Address: at("10.20.0.50")})
			return err
		},
	} {
		t.Run(want, func(t *testing.T) {
			if err := do(newRack(t, nil)); err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

// A machine that may not install is told why on its own screen.
func TestRefusalsOnTheScreen(t *testing.T) {
	k := newRack(t, nil)
	for range maxAttempts {
		d := k.boot(mac1, id1)
		k.inventory(d.Ticket, mac1, id1)
		k.progress(d.Ticket, id1, "partition")
	}
	want := "3 installations did not come to their end; the last one: no reason given. An operator has to allow another"
	if d := k.boot(mac1, id1); d.Do != DoHold || d.Reason != want {
		t.Errorf("told to %s because %q, want to hold because %q", d.Do, d.Reason, want)
	}
}

func TestTooManyMachines(t *testing.T) {
	k := newRack(t, nil)
	for n := range maxUninstalled {
		mac := "52:54:00:01:" + string("0123456789abcdef"[n>>12&15]) + string("0123456789abcdef"[n>>8&15]) + ":" +
			string("0123456789abcdef"[n>>4&15]) + string("0123456789abcdef"[n&15])
		k.records[mac] = &record{Key: mac, Machine: Machine{ID: idFromMAC(mac), MACs: []string{mac}, State: Booting, Since: k.now}}
	}
	want := "refused: too many machines wait to be installed: 2048; allowed: 2048"
	if err := k.Discovered(mac1, netip.MustParseAddr("10.20.0.101"), "bios"); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestSpoiltTicketKey(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ticket.key")
	if err := os.WriteFile(file, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := "ticket key " + file + " has 5 bytes; allowed: 32"
	if _, err := openKeeper(dir); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Another DHCP server is named once, with all that is known of it.
func TestRogueServersAreNamed(t *testing.T) {
	k := newRack(t, nil)
	const server = "10.20.0.1 (MAC 52:54:00:00:00:07, port swp7 of switch tor-1)"
	d := k.boot(mac1, id1)
	k.OtherServer(mac2, netip.MustParseAddr("10.20.0.1"))
	k.RogueServer(server, "it answered a DISCOVER")
	k.OtherServer(mac2, netip.MustParseAddr("10.20.0.1")) // knows less
	want := "one DHCP server: another DHCP server, " + server + ", answers on this network; switch it off"
	if a := k.inventory(d.Ticket, mac1, id1); a.Wait != want {
		t.Errorf("waits for %q, want %q", a.Wait, want)
	}
}

func TestPlaceIsWhatTheSwitchSays(t *testing.T) {
	k := newRack(t, nil)
	d := k.boot(mac1, id1)
	inv := inventory(mac1, id1)
	inv.NICs[1].LLDP = &plan.LLDP{Switch: "tor-1", Port: "swp7"}
	if _, err := k.Inventory(d.Ticket, id1, inv); err != nil {
		t.Fatal(err)
	}
	for mac, want := range map[string]string{inv.NICs[1].MAC: "port swp7 of switch tor-1", mac1: "", "02:00:00:00:00:01": ""} {
		if got := k.Place(mac); got != want {
			t.Errorf("%s is at %q, want %q", mac, got, want)
		}
	}
	for range 2 {
		if err := k.Attached(strings.ToUpper(mac1), "swp7 of tor-1"); err != nil {
			t.Fatal(err)
		}
	}
	m := k.state(id1, Checked)
	if m.Circuit != "swp7 of tor-1" {
		t.Errorf("plugged in at %q", m.Circuit)
	}
	if err := k.Attached("02:00:00:00:00:01", "x"); err != nil {
		t.Error(err)
	}
}
