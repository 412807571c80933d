package compute

import (
	"github.com/cairn-cloud/cairn/node/spec"
)

// A VMState is what a server is, apart from what is being done to it. The
// words are Nova's (OS-EXT-STS:vm_state).
type VMState string

// The states of a server.
const (
	VMBuilding VMState = "building"
	VMActive   VMState = "active"
	VMStopped  VMState = "stopped"
	VMError    VMState = "error"
)

// A TaskState is what is being done to a server (OS-EXT-STS:task_state).
type TaskState string

// The tasks of a server. The first two and TaskReleasing are the controller's
// own work, done by [Service.advance]; the rest wait for a report.
const (
	TaskNone       TaskState = ""
	TaskScheduling TaskState = "scheduling"
	TaskNetworking TaskState = "networking"
	TaskReleasing  TaskState = "releasing"

	TaskSpawning      TaskState = "spawning"
	TaskPoweringOn    TaskState = "powering-on"
	TaskPoweringOff   TaskState = "powering-off"
	TaskRebooting     TaskState = "rebooting"
	TaskRebootingHard TaskState = "rebooting_hard"
	TaskDeleting      TaskState = "deleting"
)

// Status is the word that users see, made of both states as Nova makes it.
func Status(vm VMState, task TaskState) string {
	switch vm {
	case VMBuilding:
		return "BUILD"
	case VMStopped:
		return "SHUTOFF"
	case VMError:
		return "ERROR"
	}
	switch task {
	case TaskRebooting:
		return "REBOOT"
	case TaskRebootingHard:
		return "HARD_REBOOT"
	}
	return "ACTIVE"
}

// powerState is Nova's number for what the hypervisor says: 0 nothing yet,
// 1 running, 4 shut down.
func powerState(vm VMState) int {
	switch vm {
	case VMActive:
		return 1
	case VMStopped:
		return 4
	}
	return 0
}

// A turn is what a report makes of a server.
type turn struct {
	vm    VMState
	task  TaskState
	fault string
}

// next says what a server turns into when its host reports a state for the
// server's present generation, and whether that is a change at all. What it
// was told to be (intent) decides what a state means: a guest that is stopped
// was either asked to or has ended by itself.
func next(intent spec.Power, now turn, r spec.Report) (turn, bool) {
	then := now
	switch {
	case intent == spec.PowerGone:
		if r.State == spec.StateGone {
			then.task = TaskReleasing
		}
	case r.State == spec.StateRunning && intent == spec.PowerOn:
		then = turn{vm: VMActive}
	case r.State == spec.StateStopped && intent == spec.PowerOff:
		then = turn{vm: VMStopped}
	case r.State == spec.StateStopped && now.vm == VMActive && now.task == TaskNone:
		then = turn{vm: VMStopped}
	case r.State == spec.StateError:
		then = turn{vm: VMError, fault: r.Fault}
	case r.State == spec.StateGone:
		then = turn{vm: VMError, fault: "The guest is no longer on its host."}
	}
	return then, then != now
}
