package lab

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

func TestChooseAccel(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		wish, answer string
		err          error
		want         Accel
	}{
		{"auto", `{"works": true, "reason": "it ran"}`, nil, Accel{machine.KVM, "it ran"}},
		{"auto", `{"works": false, "reason": "it hangs"}`, nil, Accel{machine.TCG, "it hangs"}},
		{"auto", "", broken, Accel{}},
		{"tcg", "", broken, Accel{machine.TCG, "chosen by --accel=tcg"}},
		{"kvm", "", broken, Accel{machine.KVM, "chosen by --accel=kvm"}},
	} {
		got, err := chooseAccel(t.Context(), c.wish, func(context.Context) ([]byte, error) { return []byte(c.answer), c.err })
		if got != c.want || (err != nil) != (c.want == Accel{}) {
			t.Errorf("%+v: got %+v, %v", c, got, err)
		}
	}
}

func TestRunIsKeptAndGoesOn(t *testing.T) {
	dir := t.TempDir()
	run, err := loadRun(dir)
	if err != nil || run.length() != 0 {
		t.Fatalf("a run from nowhere: %+v, %v", run, err)
	}
	run.Up, run.Accel, run.Guests = true, Accel{machine.TCG, "so"}, "some"
	run.Steps = []Step{{"prepare", 1, 1, 0}, {stepController, 60, 61, 90.25}, {stepComputes, 10, 71, 80}, {"more", 1, 72, 0}}
	start := time.Unix(0, 0)
	run.measure(&Status{Machines: []MachineStatus{
		{Name: "controller", Activity: machine.Activity{CPU: time.Minute, Resident: 2 << 30}, Progress: Progress{
			Phases: []Phase{{"power on", start}, {"kernel", start.Add(1500 * time.Millisecond)}},
		}},
		{Name: "compute1", Activity: machine.Activity{Resident: 1 << 30}},
	}})
	if run.Resident != 3072 {
		t.Errorf("%d MiB resident, want 3072", run.Resident)
	}
	if err := run.save(dir); err != nil {
		t.Fatal(err)
	}
	again, err := (&upCommand{place: place{dir}, From: "computes"}).resume()
	if err != nil {
		t.Fatal(err)
	}
	run.Up, run.Steps = false, run.Steps[:2]
	if d := cmp.Diff(run, again); d != "" {
		t.Error(d)
	}
	if again.length() != 61*time.Second {
		t.Errorf("it goes on at %v, want 1m1s", again.length())
	}
	again.rewind("no such step")
	if len(again.Steps) != 0 {
		t.Errorf("steps before one that there never was: %+v", again.Steps)
	}
}

func TestBurnt(t *testing.T) {
	at := func(a, b time.Duration) *Status {
		return &Status{Machines: []MachineStatus{{Name: "a", Activity: machine.Activity{CPU: a}}, {Name: "b", Activity: machine.Activity{CPU: b}}}}
	}
	for _, c := range []struct {
		before, after *Status
		want          Seconds
	}{
		{at(1*time.Second, 5*time.Second), at(4*time.Second, 7*time.Second), 5},
		{at(9*time.Second, 0), at(1*time.Second, 2*time.Second), 3}, // a was switched off and on
		{&Status{}, at(1*time.Second, 0), 1},
		{nil, at(1*time.Second, 0), 0},
		{at(1*time.Second, 0), nil, 0},
	} {
		if got := burnt(c.before, c.after); got != c.want {
			t.Errorf("got %v, want %v", got, c.want)
		}
	}
}

func TestStatusSaysWhatRunsTheMachines(t *testing.T) {
	var out bytes.Buffer
	printStatus(&out, &Status{Accel: Accel{machine.TCG, "KVM hangs"}})
	if !strings.HasPrefix(out.String(), "machines run under TCG: KVM hangs\n") {
		t.Errorf("got\n%s", out.String())
	}
}
