package lab

import (
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

func working(name string, cpu time.Duration, disk, serial int64) MachineStatus {
	return MachineStatus{Name: name, Activity: machine.Activity{On: true, CPU: cpu, Disk: disk, Serial: serial}}
}

func TestOnlyAMachineThatDoesNothingIsStuck(t *testing.T) {
	start := time.Unix(0, 0)
	for name, c := range map[string]struct {
		after MachineStatus
		idle  time.Duration
	}{
		"nothing moved":            {working("m", time.Second, 0, 0), time.Hour},
		"an idle kernel ticks":     {working("m", 2*time.Second, 4096, 0), time.Hour},
		"the console spoke":        {working("m", time.Second, 0, 1), 0},
		"the disk moved":           {working("m", time.Second, 1<<20, 0), 0},
		"the processor was busy":   {working("m", time.Minute, 0, 0), 0},
		"it was switched on again": {working("m", 0, 0, 0), 0},
	} {
		w := newWatch(10 * time.Minute)
		w.see(working("m", time.Second, 0, 0), start)
		if got := w.see(c.after, start.Add(time.Hour)); got != c.idle {
			t.Errorf("%s: idle for %v, want %v", name, got, c.idle)
		}
	}
}

func TestJudge(t *testing.T) {
	start := time.Unix(0, 0)
	a, b := working("a", 0, 0, 0), working("b", 0, 0, 0)
	both := waiting{machines: []string{"a", "b"}}
	w := newWatch(time.Minute)
	if err := judge(&Status{Machines: []MachineStatus{a, b}}, both, w, start); err != nil {
		t.Error(err)
	}
	// One that works gives hope for both.
	b.Serial = 10
	if err := judge(&Status{Machines: []MachineStatus{a, b}}, both, w, start.Add(time.Hour)); err != nil {
		t.Error(err)
	}
	err := judge(&Status{Machines: []MachineStatus{a, b}}, both, w, start.Add(2*time.Hour))
	if err == nil || !strings.HasPrefix(err.Error(), "stuck: a has done nothing for 2h0m0s in phase") {
		t.Errorf("both are stuck, and the verdict is %v", err)
	}
	b.On = false
	err = judge(&Status{Machines: []MachineStatus{a, b}}, both, w, start)
	if err == nil || !strings.HasPrefix(err.Error(), "b is off") {
		t.Errorf("b is off, and the verdict is %v", err)
	}
	a.Failed, a.Tail = true, []string{"before", "  CAIRN CANNOT GO ON", "  reason  no disk"}
	err = judge(&Status{Machines: []MachineStatus{a, b}}, both, w, start)
	if err == nil || err.Error() != "a says:   CAIRN CANNOT GO ON\n      reason  no disk" {
		t.Errorf("a has failed, and the verdict is %v", err)
	}
	both.mayFail, b.On = true, true
	if err := judge(&Status{Machines: []MachineStatus{a, b}}, both, w, start); err != nil {
		t.Errorf("failures are looked at elsewhere, and the verdict is %v", err)
	}
	if a.Times = maxFailures; judge(&Status{Machines: []MachineStatus{a, b}}, both, w, start) == nil {
		t.Error("a fails again and again, and there is hope")
	}
}
