package pxe

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/iana"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/fleet"
)

const foundRack = "name: new\nmanagement: {controller: 10.20.0.12}\nfabric: {check: off}\n"

// TestTheFirstMachineFoundsTheRack goes the way of a laptop: the first machine
// is told to found the cluster and gets no certificate, and the deployer ends
// when that machine starts its system.
func TestTheFirstMachineFoundsTheRack(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	br := wire(t)
	file := filepath.Join(t.TempDir(), "rack.yaml")
	must(t, os.WriteFile(file, []byte(foundRack), 0o600))
	book, _ := startDeployer(t, []byte("kernel"), func(c *Command) {
		c.Rack, c.Found, c.Address = file, true, netip.MustParseAddr("10.20.0.11")
	})
	s := newStation(t, br, 1)
	url := s.lease(t, asFirmware(iana.INTEL_X86PC), asIPXE()).BootFileName
	script := string(s.get(t, url+"&uuid="+machineID+"&platform=pcbios"))
	ticket, c := param(t, script, plan.ParamTicket), s.client(pinned(param(t, script, plan.ParamCA)))
	base := "https://10.20.0.11:8443/v1/machines/" + machineID
	var answer plan.Answer
	if code, text := call(t, c, "POST", base+"/inventory", ticket, machineInventory(s), &answer); code != 200 {
		t.Fatalf("inventory: %d %s", code, text)
	}
	for answer.Plan == nil && answer.Refused == "" {
		answer = plan.Answer{}
		if code, text := call(t, c, "GET", base+"/plan", ticket, nil, &answer); code != 200 {
			t.Fatalf("plan: %d %s", code, text)
		}
	}
	if p := answer.Plan; p == nil || !p.Founds || p.HostName != "controller1" || p.Management != s.mac.String() {
		t.Fatalf("got %+v, want a plan for a first controller", answer)
	}
	_, csr, err := pki.NewRequest()
	must(t, err)
	var e plan.Enrolment
	if code, text := call(t, c, "POST", base+"/enrol", ticket, plan.EnrolRequest{CSR: string(csr)}, &e); code != 200 {
		t.Fatalf("enrol: %d %s", code, text)
	}
	if !e.Founds || e.Certificate != "" || e.CA != "" || e.Node.Rack != foundRack || e.Node.Management.Address.String() != "10.20.0.12/24" {
		t.Errorf("enrolled as %+v, want to found the cluster of the rack", e)
	}
	if code, text := call(t, c, "POST", base+"/progress", ticket, plan.Progress{Phase: fleet.PhaseHandover}, nil); code != 204 {
		t.Fatalf("progress: %d %s", code, text)
	}
	book.wait(t, time.Minute, "this deployer ends")
}

func TestAFounderFoundsOneController(t *testing.T) {
	rack, err := plan.ParseRack([]byte(foundRack))
	must(t, err)
	f := &founder{rack: rack, log: slog.New(slog.DiscardHandler)}
	inv := func(id string, disk int64) plan.Inventory {
		return plan.Inventory{Machine: id, Firmware: "bios", CPUs: 2, MemoryMiB: 2048, BootMAC: "52:54:00:00:00:02",
			Disks: []plan.Disk{{Path: "/dev/vda", Size: disk << 30}},
			NICs:  []plan.NIC{{Name: "eth0", MAC: "52:54:00:00:00:01", Link: true}, {Name: "eth1", MAC: "52:54:00:00:00:02", Link: true}}}
	}
	if _, err := f.plan(inv("a", 1), rack, plan.Options{}); err == nil {
		t.Error("a machine with a disk that is too small became the controller")
	}
	for range 2 { // it may boot again
		p, err := f.plan(inv("b", 20), rack, plan.Options{})
		if err != nil || !p.Founds || p.Address != rack.Management.Controller || p.Management != "52:54:00:00:00:02" {
			t.Errorf("got %+v, %v; want a first controller on the card that it booted from", p, err)
		}
	}
	var refusal *plan.Refusal
	if _, err := f.plan(inv("c", 20), rack, plan.Options{}); !errors.As(err, &refusal) || !strings.Contains(err.Error(), "machine b becomes the first controller of rack new") {
		t.Errorf("a second one got %v", err)
	}
}

func TestFoundIsChecked(t *testing.T) {
	rack, err := plan.ParseRack([]byte(foundRack))
	must(t, err)
	for want, c := range map[string]Config{
		"found together with controller https://10.20.0.12:8444": {Found: true, Controller: "https://10.20.0.12:8444", Address: rack.Management.RangeFrom},
		"address 10.20.0.12 is that of the controller to be":     {Found: true},
	} {
		c.Release, c.StateDir = "release", t.TempDir()
		if err := c.complete(rack); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestAPauseEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if pauseFor(ctx, time.Hour) || !pauseFor(t.Context(), 0) {
		t.Error("a pause says the wrong thing")
	}
}
