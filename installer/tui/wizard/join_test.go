package wizard

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJoin(t *testing.T) {
	s := newStage(t, server())
	s.play("focus:join", "enter", "shot:network", "focus:card 52:54:00:00:00:01", " ", "focus:next", "enter", "shot:network, no card",
		"focus:card 52:54:00:00:00:02", " ", "focus:next", "enter", "shot:network, no answer",
		"focus:card 52:54:00:00:00:02", " ", "focus:card 52:54:00:00:00:01", " ", "focus:vlan", "type:x", "focus:next", "enter", "shot:network, no tag",
		"focus:vlan", "ctrl+u", "focus:static", " ", "focus:address", "type:192.0.2.9", "focus:next", "enter", "shot:network, no address",
		"focus:address", "type:/24", "focus:dns", "type:192.0.2.53, y", "focus:next", "enter", "shot:network, no name server",
		"focus:dns", "ctrl+u", "focus:next", "enter", "shot:deployer",
		"type:10.20.0.12", "enter", "shot:it says no", "enter",
		"focus:host", "ctrl+u", "focus:next", "enter", "shot:fingerprint", "focus:yes", "enter")
	a := s.answered()
	if a.Choice != Join || a.Deployer.Host != "10.20.0.11" || a.Deployer.Ticket != "secret" {
		t.Errorf("answered %+v", a)
	}
	s.golden("join")
}

func TestLeaving(t *testing.T) {
	s := newStage(t, bare())
	s.play("enter", "ctrl+c", "shot:leave?", "ctrl+c", "shot:stayed", "ctrl+c", "enter", "ctrl+c", "focus:power off", "enter")
	if d := cmp.Diff(Answer{Choice: PowerOff}, s.answered()); d != "" {
		t.Error(d)
	}
	s.golden("leave")
}

// TestAMachineThatIsInstalledStartsByItself: after a power cut nobody is
// there, and the medium may still be in its drive.
func TestAMachineThatIsInstalledStartsByItself(t *testing.T) {
	s := newStage(t, server())
	s.play("beat:59")
	if len(s.answers) != 0 {
		t.Fatalf("answered %+v", s.answers)
	}
	s.play("beat:1", "beat:60")
	if d := cmp.Diff(Answer{Choice: Boot, Disk: "/dev/nvme1n1"}, s.answered()); d != "" {
		t.Error(d)
	}
	s = newStage(t, server())
	s.play("down", "beat:600")
	if len(s.answers) != 0 {
		t.Errorf("somebody is there, and it answered %+v", s.answers)
	}
}
