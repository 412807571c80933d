package compute

import (
	"testing"

	"github.com/cairn-cloud/cairn/node/spec"
)

func TestNext(t *testing.T) {
	build := turn{vm: VMBuilding, task: TaskSpawning}
	active, stopped := turn{vm: VMActive}, turn{vm: VMStopped}
	deleting := turn{vm: VMActive, task: TaskDeleting}
	for _, c := range []struct {
		name   string
		intent spec.Power
		now    turn
		report spec.Report
		want   turn
	}{
		{"still building", spec.PowerOn, build, spec.Report{State: spec.StateBuilding}, build},
		{"built", spec.PowerOn, build, spec.Report{State: spec.StateRunning}, active},
		{"failed", spec.PowerOn, build, spec.Report{State: spec.StateError, Fault: "no disk"}, turn{vm: VMError, fault: "no disk"}},
		{"stops", spec.PowerOff, turn{vm: VMActive, task: TaskPoweringOff}, spec.Report{State: spec.StateRunning}, turn{vm: VMActive, task: TaskPoweringOff}},
		{"stopped", spec.PowerOff, turn{vm: VMActive, task: TaskPoweringOff}, spec.Report{State: spec.StateStopped}, stopped},
		{"ended by itself", spec.PowerOn, active, spec.Report{State: spec.StateStopped}, stopped},
		{"down on the way up", spec.PowerOn, turn{vm: VMActive, task: TaskRebooting}, spec.Report{State: spec.StateStopped}, turn{vm: VMActive, task: TaskRebooting}},
		{"rebooted", spec.PowerOn, turn{vm: VMActive, task: TaskRebootingHard}, spec.Report{State: spec.StateRunning}, active},
		{"recovered", spec.PowerOn, turn{vm: VMError, fault: "x"}, spec.Report{State: spec.StateRunning}, active},
		{"going", spec.PowerGone, deleting, spec.Report{State: spec.StateRunning}, deleting},
		{"gone", spec.PowerGone, deleting, spec.Report{State: spec.StateGone}, turn{vm: VMActive, task: TaskReleasing}},
		{"cannot go", spec.PowerGone, deleting, spec.Report{State: spec.StateError, Fault: "busy"}, deleting},
	} {
		got, changed := next(c.intent, c.now, c.report)
		if got != c.want || changed != (c.want != c.now) {
			t.Errorf("%s: %+v, changed %v; want %+v", c.name, got, changed, c.want)
		}
	}
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		vm   VMState
		task TaskState
		want string
	}{
		{VMBuilding, TaskScheduling, "BUILD"},
		{VMActive, TaskNone, "ACTIVE"},
		{VMActive, TaskPoweringOff, "ACTIVE"},
		{VMActive, TaskRebooting, "REBOOT"},
		{VMActive, TaskRebootingHard, "HARD_REBOOT"},
		{VMStopped, TaskPoweringOn, "SHUTOFF"},
		{VMError, TaskDeleting, "ERROR"},
	} {
		if got := Status(c.vm, c.task); got != c.want {
			t.Errorf("Status(%s, %s) = %s, want %s", c.vm, c.task, got, c.want)
		}
	}
}
