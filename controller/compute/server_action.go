package compute

import (
	"context"
	"encoding/json"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/node/spec"
)

// serverActions is POST /servers/{id}/action.
func (s *Service) serverActions() []api.Action[Server] {
	const p = "os_compute_api:servers:"
	return []api.Action[Server]{
		{Name: "os-start", Rule: p + "start", Do: func(ctx context.Context, _ *api.Call, v *Server) (any, error) {
			return nil, s.start(ctx, v.ID)
		}},
		{Name: "os-stop", Rule: p + "stop", Do: func(ctx context.Context, _ *api.Call, v *Server) (any, error) {
			return nil, s.stop(ctx, v.ID)
		}},
		{Name: "reboot", Rule: p + "reboot", Do: s.reboot},
		{Name: "os-getConsoleOutput", Rule: "os_compute_api:os-console-output", Code: 200, Do: s.console},
		{Name: "forceDelete", Rule: "os_compute_api:os-deferred-delete:force", Do: func(ctx context.Context, _ *api.Call, v *Server) (any, error) {
			return nil, s.deleteServer(ctx, v.ID)
		}},
	}
}

// start tells the host to run a stopped server.
func (s *Service) start(ctx context.Context, id string) error {
	return s.intend(ctx, id, func(row *serverRow) (store.Set, error) {
		if row.VM != VMStopped || row.Task != TaskNone {
			return nil, wrongState("start", row)
		}
		return store.Set{"intent": spec.PowerOn, "task_state": TaskPoweringOn, "updated_at": s.clock()}, nil
	})
}

// stop tells the host to shut a server down.
func (s *Service) stop(ctx context.Context, id string) error {
	return s.intend(ctx, id, func(row *serverRow) (store.Set, error) {
		if row.VM != VMActive && row.VM != VMError || row.Task != TaskNone || row.Intent == "" {
			return nil, wrongState("stop", row)
		}
		return store.Set{"intent": spec.PowerOff, "task_state": TaskPoweringOff, "updated_at": s.clock()}, nil
	})
}

// reboot tells the host to restart a server: SOFT asks the guest, HARD does
// not. A hard reboot also starts what is stopped or in error, as in Nova.
func (s *Service) reboot(ctx context.Context, c *api.Call, v *Server) (any, error) {
	var in struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(c.Body(), &in); err != nil || in.Type != "SOFT" && in.Type != "HARD" {
		return nil, cloud.BadRequest("Invalid input for field/attribute type. Value: %s. Allowed: SOFT, HARD", in.Type)
	}
	return nil, s.intend(ctx, v.ID, func(row *serverRow) (store.Set, error) {
		hard := in.Type == "HARD"
		rebooting := row.Task == TaskRebooting || row.Task == TaskRebootingHard
		busy := row.Task != TaskNone && (!hard || !rebooting)
		if busy || row.Intent == "" || row.Intent == spec.PowerGone || !hard && row.VM != VMActive || row.VM == VMBuilding {
			return nil, wrongState("reboot", row)
		}
		task := TaskRebooting
		if hard {
			task = TaskRebootingHard
		}
		return store.Set{
			"intent": spec.PowerOn, "task_state": task, "reboot_count": row.RebootCount + 1, "hard_reboot": hard, "updated_at": s.clock(),
		}, nil
	})
}

// deleteServer begins the end of a server. What no host was told of is
// released at once, the rest when the host says that it is gone.
func (s *Service) deleteServer(ctx context.Context, id string) error {
	defer s.wake()
	return s.intend(ctx, id, func(row *serverRow) (store.Set, error) {
		switch {
		case row.Intent == spec.PowerGone || row.Task == TaskReleasing:
			return nil, nil
		case row.Intent == "":
			return store.Set{"task_state": TaskReleasing, "updated_at": s.clock()}, nil
		}
		return store.Set{"intent": spec.PowerGone, "task_state": TaskDeleting, "updated_at": s.clock()}, nil
	})
}

// consoleWait is how long a host has to send the end of a console log.
const consoleWait = 20 * time.Second

// console asks the host for the end of the console log.
func (s *Service) console(ctx context.Context, c *api.Call, v *Server) (any, error) {
	var in struct {
		Length json.Number `json:"length"`
	}
	if err := json.Unmarshal(c.Body(), &in); err != nil {
		return nil, cloud.BadRequest("Invalid input for field/attribute length. A number of lines is needed.")
	}
	lines, _ := in.Length.Int64() // absent or null: everything that is kept
	if v.row.Intent == "" {
		return nil, cloud.Conflict("Instance %s is not ready", v.ID)
	}
	ctx, cancel := context.WithTimeout(ctx, consoleWait)
	defer cancel()
	reply, err := s.bus.Call(ctx, v.row.NodeID, spec.Request{Op: spec.OpConsole, Guest: v.ID, Lines: int(max(lines, 0))})
	if err != nil {
		return nil, cloud.Unavailable("Host %s does not answer.", v.row.NodeName).Because(err)
	}
	if reply.Error != "" {
		return nil, cloud.NotFound("Unable to retrieve console log: %s", reply.Error)
	}
	return map[string]string{"output": string(reply.Data)}, nil
}

// wrongState is Nova's refusal of what the server's state does not allow.
func wrongState(action string, row *serverRow) error {
	if row.Task != TaskNone {
		return cloud.Conflict("Cannot '%s' instance %s while it is in task_state %s", action, row.ID, row.Task)
	}
	return cloud.Conflict("Cannot '%s' instance %s while it is in vm_state %s", action, row.ID, row.VM)
}
