package lab

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

func TestBar(t *testing.T) {
	for line, want := range map[string]string{
		"systemd[1]: Started foo.":                              "systemd[1]: Started foo.",
		"write      [####................]  50%  120 of 240 MB": "[###############---------------]  50% 120 of 240 MB",
		"999% is no progress":                                   "999% is no progress",
	} {
		if d := cmp.Diff(want, bar(line)); d != "" {
			t.Error(d)
		}
	}
}

func TestPlainViewSaysEachThingOnce(t *testing.T) {
	var out bytes.Buffer
	v := newView(&out, false)
	v.now = func() time.Time { return v.began.Add(67 * time.Second) }
	s := &Status{Machines: []MachineStatus{
		{Name: "controller", Activity: machine.Activity{On: true}, Progress: Progress{Phases: []Phase{{Name: "write"}}}},
		{Name: "compute1"},
	}}
	for range 3 {
		v.show(s, waiting{what: "the API answers"}, "")
	}
	if d := cmp.Diff("  1:07  controller: write\n  1:07  until the API answers\n", out.String()); d != "" {
		t.Error(d)
	}
}

func TestPlainViewIsNeverSilentForLong(t *testing.T) {
	var out bytes.Buffer
	v := newView(&out, false)
	var passed time.Duration
	v.now = func() time.Time { return v.began.Add(passed) }
	s := &Status{Machines: []MachineStatus{
		{Name: "controller", Activity: machine.Activity{On: true}, Progress: Progress{Phases: []Phase{{Name: "write"}}, Tail: []string{"write 50%"}}},
	}}
	for ; passed < 70*time.Second; passed += 2 * time.Second {
		v.show(s, waiting{what: "the API answers"}, "")
	}
	want := `  0:00  controller: write
  0:00  until the API answers
  0:30  still waiting until the API answers
        controller   write             write 50%
  1:00  still waiting until the API answers
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
}

func TestTerminalViewRedraws(t *testing.T) {
	var out bytes.Buffer
	v := newView(&out, true)
	s := &Status{Machines: []MachineStatus{{Name: "controller", Activity: machine.Activity{On: true}, Progress: Progress{Tail: []string{"write 50%"}}}}}
	v.show(s, waiting{what: "x"}, "")
	v.show(s, waiting{what: "x"}, "")
	if n := strings.Count(out.String(), "\x1b[2A\x1b[J"); n != 1 {
		t.Errorf("drawn over %d times, want once:\n%q", n, out.String())
	}
}

func TestTimetable(t *testing.T) {
	start := time.Unix(0, 0)
	s := &Status{Machines: []MachineStatus{{
		Name: "controller", Activity: machine.Activity{CPU: 2 * time.Minute, Resident: 3 << 30},
		Progress: Progress{Phases: []Phase{{"power on", start}, {"write", start.Add(30 * time.Second)}}},
	}}}
	run := Run{Accel: Accel{machine.TCG, "this machine has no /dev/kvm"}, Steps: []Step{{"prepare", 1, 1, 0}, {"boot", 9.5, 10.5, 61.2}}}
	run.measure(s)
	got := run.timetable()
	want := `
step                                                              took   done at       CPU
prepare                                                           0:01      0:01         -
boot                                                              0:09      0:10      1:01

machines run under TCG: this machine has no /dev/kvm

controller                                                        took  began at
  power on                                                        0:30      0:00
  write                                                              -      0:30
  processor time, 3072 MiB resident                               2:00

memory of all machines: 3072 MiB
`
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
