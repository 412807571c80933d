package wizard

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// TestFoundOnABareMachine is the shortest way: Enter, a key, Enter, yes.
func TestFoundOnABareMachine(t *testing.T) {
	s := newStage(t, bare())
	s.play("shot:start", "enter", "shot:management", "focus:next", "enter", "shot:users", "focus:next", "enter", "shot:disk", "enter", "shot:names", "focus:next", "enter",
		"shot:keys", "paste:"+goodKey+"\n", "shot:key taken", "focus:next", "enter", "shot:asked")
	want := `# Made by the installer of Cairn 2026.11.1, as a person at the console decided.
management:
  nic: "52:54:00:00:00:0a"
ssh_keys:
- "` + goodKey + `"
rules:
- name: controller
  match: {local: true}
  roles: [controller]
  host: controller1
  disk:
    serial: disk0
    wipe: never
- name: compute
  match: {local: false}
  roles: [compute]
`
	a := s.answered()
	if d := cmp.Diff(want, string(a.Rack)); d != "" || a.Choice != Found {
		t.Error(a.Choice, d)
	}
	rack, err := plan.ParseRack(a.Rack)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Make(bare(), rack, plan.Options{Version: "2026.11.1", Local: true, Number: 1})
	if err != nil {
		t.Fatal(err)
	}
	var agreed []bool
	s.Begin("Installing " + p.HostName)
	s.Confirm(p, a.Rack, func(yes bool) { agreed = append(agreed, yes) })
	s.play("shot:summary", "type:no", "enter", "shot:not agreed", "backspace*2", "type:YES", "enter")
	if d := cmp.Diff([]bool{true}, agreed); d != "" {
		t.Error(d)
	}
	s.golden("bare")
}

// TestFoundOnAServer uses every field, makes every mistake once, and goes
// back.
func TestFoundOnAServer(t *testing.T) {
	s := newStage(t, server())
	s.play("shot:start", "focus:inventory", "enter", "shot:inventory", "pgdown", "shot:inventory, scrolled", "esc",
		"focus:found", "enter", "focus:card 52:54:00:00:00:03", " ", "focus:card 52:54:00:00:00:01", " ", "focus:card 52:54:00:00:00:04", " ",
		"focus:802.3ad", " ", "focus:vlan", "type:5000", "focus:network", "type:10.1.2.0/33", "shot:management, filled", "focus:next", "enter", "shot:management, refused",
		"focus:network", "backspace", "backspace", "type:24", "focus:vlan", "ctrl+u", "type:12", "focus:controller", "type:10.9.9.9", "enter*3", "shot:management, address refused",
		"ctrl+u", "focus:next", "enter",
		"focus:card 52:54:00:00:00:01", " ", "focus:static", " ", "focus:next", "enter", "shot:users, refused",
		"focus:address", "type:192.0.2.10/24", "focus:gateway", "type:192.0.2.1", "focus:reach", "type:192.0.2.66", "focus:try", "enter", "shot:users, not reached",
		"focus:reach", "ctrl+u", "focus:try", "enter", "shot:users, reached", "focus:next", "enter",
		"shot:disk", "enter", "shot:disk, none chosen", "focus:disk /dev/sda", " ", "focus:disk /dev/nvme1n1", " ", "focus:next", "enter", "shot:disk, refused",
		"focus:disk /dev/sda", " ", "focus:next", "enter",
		"focus:name", "type:Big Rack", "focus:next", "enter", "shot:names, refused", "focus:name", "ctrl+u", "type:rack7", "focus:next", "enter",
		"type:ssh-ed25519 AAAA", "enter", "shot:keys, refused", "ctrl+u", "focus:next", "enter", "shot:keys, none",
		"focus:url", "type:example.org/x", "enter", "shot:keys, not there", "ctrl+u", "type:https://example.org/you.keys", "enter", "shot:keys, offered", "enter", "shot:keys, none taken", "focus:0", " ", "enter",
		"focus:stick", "enter", "shot:keys, stick", "esc", "shot:keys, one", "esc", "shot:back at the names", "focus:next", "enter", "focus:next", "enter")
	rack, err := plan.ParseRack(s.answered().Rack)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.answered().Rack)
	}
	if rack.Name != "rack7" || rack.Management.VLAN != 12 || rack.External.Gateway.String() != "192.0.2.1" || len(rack.SSHKeys) != 1 ||
		rack.Rules[0].NICs.Bond != "802.3ad" || rack.Rules[0].Disk.Serial != "S5P2" || rack.Rules[0].Disk.Wipe != plan.WipeCairn {
		t.Errorf("the rack became %+v\n%s", rack, s.answered().Rack)
	}
	s.golden("server")
}
