package lab

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStoryOfAnInstallation(t *testing.T) {
	s := newStory()
	now := time.Unix(0, 0)
	s.now = func() time.Time { now = now.Add(time.Second); return now }
	s.begin()
	for _, line := range []string{
		"SeaBIOS (version 1.16.2-debian-1.16.2-1)", "Booting from DVD/CD...", "Welcome to GRUB!",
		"[    0.000000] Linux version 6.12.117+deb13-amd64",
		"partition  /dev/vda", "write      root.img", "write      [####....]  17%  ETA 9s", "verify     root.img",
		"handover   kexec",
		"partition          0.2", "write             36.0       310        8.6", "cairn: booting version 0.1.0 from cairn-a of /dev/vda",
		"systemd[1]: Detected virtualization qemu.", "controller login: ",
	} {
		s.line(line)
	}
	var got []string
	p := s.progress()
	for _, phase := range p.Phases {
		got = append(got, phase.Name)
	}
	want := []string{"power on", "firmware", "kernel", "partition", "write", "verify", "handover", "installed system", "systemd", "login"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if p.Failed {
		t.Error("nothing has failed")
	}
	s.line("[   12.3] Kernel panic - not syncing: Fatal exception in interrupt")
	if p = s.progress(); p.Failed || p.current() != panicked {
		t.Errorf("one panic is chance, and shown: failed %v in %q", p.Failed, p.current())
	}
	s.line("[    0.000000] Linux version 6.12.117+deb13-amd64")
	s.line("[   12.3] Kernel panic - not syncing: VFS: Unable to mount root fs")
	if p = s.progress(); !p.Failed {
		t.Error("a second panic is a failure")
	}
	s.begin()
	if p = s.progress(); p.Failed || p.current() != "power on" || p.last() != "" {
		t.Errorf("after a new power-on: %+v", p)
	}
}

func TestStoryKeepsTheLastLines(t *testing.T) {
	s := newStory()
	for range 3 * maxTail {
		s.line("x")
	}
	s.line("last")
	if p := s.progress(); len(p.Tail) != maxTail || p.last() != "last" {
		t.Errorf("%d lines, the last is %q", len(p.Tail), p.last())
	}
}
