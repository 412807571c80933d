package wizard

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/node/spec"
)

func TestWork(t *testing.T) {
	s := newStage(t, bare())
	s.Begin("Installing controller1 on /dev/vda")
	s.Progress(plan.Progress{Phase: "partition", Detail: "/dev/vda"})
	s.play("shot:partition", "beat:2")
	s.Progress(plan.Progress{Phase: "write", Detail: "version 2026.11.1 from the medium"})
	s.Log("write      version 2026.11.1\n\n")
	s.play("beat:4")
	s.Progress(plan.Progress{Phase: "write", Done: 100e6, Total: 312e6})
	s.play("shot:write", "esc", "ctrl+c", "shot:leave?", "esc", "beat:8")
	s.Progress(plan.Progress{Phase: "write", Done: 312e6, Total: 312e6})
	for i := range 20 {
		s.Log(strings.Repeat("x", i) + "\x1b[2J end")
	}
	s.Progress(plan.Progress{Phase: "verify", Total: 312e6})
	s.Progress(plan.Progress{Phase: "enrol", Detail: "controller1"})
	s.play("beat:3", "shot:enrol")
	started := 0
	s.Finished(Outcome{Title: "controller1 is ready to start", Facts: []Fact{{"API", "https://192.0.2.10/"}, {"SSH", "ssh cairn@10.20.0.11"},
		{"CA", "sha256:" + strings.Repeat("0123456789abcdef", 4)}}, Next: "Take the medium out."}, func() { started++ })
	s.play("beat:60", "shot:done", "beat:59")
	if started != 0 {
		t.Error("it started before anybody could read the screen")
	}
	s.play("beat:2", "beat:9", "enter", "shot:starting")
	if started != 1 {
		t.Errorf("it started %d times", started)
	}
	s.golden("work")
}

func TestFailureLeadsBack(t *testing.T) {
	s := newStage(t, bare())
	s.play("enter", "focus:next", "enter", "focus:next", "enter", "enter", "focus:next", "enter", "focus:next", "enter", "enter")
	if s.answered().Choice != Found {
		t.Fatal(s.answers)
	}
	s.Begin("Installing")
	s.Log("a line")
	s.Progress(plan.Progress{Phase: "write"})
	again := 0
	s.Failed("/dev/vda: input/output error", "Replace the disk, or choose another one.", func() { again++; s.Again() })
	s.play("shot:failed", "focus:log", "enter", "shot:log", "esc", "focus:again", "enter", "shot:again")
	if again != 1 {
		t.Errorf("again %d times", again)
	}
	s.golden("failed")
}

func TestNotAgreeing(t *testing.T) {
	s := newStage(t, server())
	inv := server()
	p := plan.Plan{HostName: "db1", Roles: []spec.Role{spec.RoleController, spec.RoleCompute}, Version: "2026.11.1", Disk: inv.Disks[1], Wipes: inv.Disks[1].Contents,
		Mirror: &inv.Disks[0], Data: []plan.DataDisk{{Disk: inv.Disks[2], Use: "volumes"}}, Encrypt: "tpm", Warn: []string{"the disk /dev/sda is failing: more sectors are bad than it has spares for"},
		Management: inv.NICs[0].MAC, Tenant: inv.NICs[2].MAC, External: inv.NICs[3].MAC, VLAN: 7, Partitions: plan.Layout(inv.Disks[1].Size)}
	var agreed []bool
	ask := func() { s.Begin("Installing"); s.Confirm(p, nil, func(yes bool) { agreed = append(agreed, yes) }) }
	ask()
	s.play("shot:summary", "focus:table", "enter", "esc", "focus:code", "type:yes", "enter", "shot:yes is not enough", "esc")
	ask()
	s.play("type:"+strings.ToUpper(Code(p)), "enter")
	if d := cmp.Diff([]bool{false, true}, agreed); d != "" {
		t.Error(d)
	}
	s.golden("confirm")
}

func TestCode(t *testing.T) {
	data := plan.Disk{Serial: "a", Size: 1, Contents: []string{"x"}}
	other := plan.Disk{Serial: "a", Size: 1, Contents: []string{"y"}}
	ours := plan.Disk{Serial: "a", Contents: []string{"x"}, Installed: "id"}
	grown := plan.Disk{Serial: "b", Contents: []string{"z"}, Installed: "id"}
	cut := plan.Disk{Contents: []string{"x"}, Unfinished: true}
	code := func(d plan.Disk) string { return Code(plan.Plan{Disk: d}) }
	for _, c := range []struct {
		what string
		same bool
		a, b string
	}{
		{"blank and cut off", true, code(plan.Disk{}), code(cut)},
		{"blank and yes", true, code(plan.Disk{}), "yes"},
		{"other contents", false, code(data), code(other)},
		{"the same installation", true, code(ours), code(grown)},
		{"data and an installation", false, code(data), code(ours)},
		{"a disk and its mirror", false, code(data), Code(plan.Plan{Disk: data, Mirror: &ours})},
	} {
		if (c.a == c.b) != c.same {
			t.Errorf("%s: %s and %s", c.what, c.a, c.b)
		}
	}
	if got := code(ours); len(got) != 6 || strings.Trim(got, "abcdefghijkmnpqrstuvwxyz23456789") != "" {
		t.Errorf("the code is %q", got)
	}
}

// TestStaleResults: what comes of a task that a person went away from changes
// nothing.
func TestStaleResults(t *testing.T) {
	s := newStage(t, server())
	s.play("focus:join", "enter", "focus:next")
	task := s.Press(Key{Name: "enter"})
	s.play("shot:connecting", "x", "esc", "shot:not waited for")
	s.Apply(task(t.Context()))
	s.golden("stale")
	if s.top().title != "Join a cloud, 1 of 2: network" || s.top().busy != "" {
		t.Errorf("the screen is\n%s", s.picture())
	}
}

// TestGarbage: a serial line without anybody at its end may say anything, and
// it must not agree to anything.
func TestGarbage(t *testing.T) {
	s := newStage(t, server())
	seed := uint32(1)
	next := func() uint32 { seed = seed*1664525 + 1013904223; return seed >> 8 }
	names := []string{"enter", "esc", "tab", "up", "down", "left", "backspace", "delete", "pgdown", "ctrl+u", "ctrl+w", "home", "end", "space", "f1", "ctrl+c", "unknown"}
	for range 3000 {
		k := Key{Name: names[next()%uint32(len(names))]}
		if next()%3 == 0 {
			k = Key{Text: string([]byte{byte(next()), byte(next())})}
		}
		s.run(s.Press(k))
		s.View(int(next()%100), int(next()%40), next()%2 == 0)
		if len(s.answers) > 0 {
			s.answers = nil
			s.Again()
		}
	}
	s.now = s.now.Add(time.Hour)
	for _, l := range s.View(80, 24, false) {
		if strings.ContainsFunc(l, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("a row has control characters: %q", l)
		}
	}
}
