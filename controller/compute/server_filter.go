package compute

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

type condition = func(ctx context.Context, c *api.Call, values []string) ([]store.Cond, error)

// byColumn wants a column to have one of the values.
func byColumn(column string) condition {
	return func(_ context.Context, _ *api.Call, values []string) ([]store.Cond, error) {
		return []store.Cond{store.In(column, values...)}, nil
	}
}

// adminOnly ignores a filter of callers who may not know what it is about.
func adminOnly(f condition) condition {
	return func(ctx context.Context, c *api.Call, values []string) ([]store.Cond, error) {
		if !c.Caller.IsAdmin {
			return nil, nil
		}
		return f(ctx, c, values)
	}
}

// byStatus turns the word that users see into both states.
func byStatus(_ context.Context, _ *api.Call, values []string) ([]store.Cond, error) {
	var any []store.Cond
	for _, v := range values {
		switch strings.ToUpper(v) {
		case "BUILD":
			any = append(any, store.Eq("vm_state", VMBuilding))
		case "SHUTOFF":
			any = append(any, store.Eq("vm_state", VMStopped))
		case "ERROR":
			any = append(any, store.Eq("vm_state", VMError))
		case "REBOOT":
			any = append(any, store.All(store.Eq("vm_state", VMActive), store.Eq("task_state", TaskRebooting)))
		case "HARD_REBOOT":
			any = append(any, store.All(store.Eq("vm_state", VMActive), store.Eq("task_state", TaskRebootingHard)))
		case "ACTIVE":
			any = append(any, store.All(store.Eq("vm_state", VMActive),
				store.Ne("task_state", TaskRebooting), store.Ne("task_state", TaskRebootingHard)))
		}
	}
	return []store.Cond{store.Or(any...)}, nil
}

// notDeleted is the filter deleted: what is deleted leaves no row.
func notDeleted(_ context.Context, _ *api.Call, values []string) ([]store.Cond, error) {
	switch strings.ToLower(values[len(values)-1]) {
	case "true", "1", "yes":
		return []store.Cond{store.Or()}, nil
	}
	return nil, nil
}

// changesSince wants rows that changed at that time or later.
func changesSince(_ context.Context, _ *api.Call, values []string) ([]store.Cond, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, values[0]); err == nil {
			return []store.Cond{store.Ge("updated_at", t.UTC())}, nil
		}
	}
	return nil, cloud.BadRequest("Invalid input for query parameters changes-since. Value: %s. It must be a time like 2026-11-22T12:00:00Z", values[0])
}

// userDataOut is the user data as it came.
func userDataOut(b []byte) json.RawMessage {
	if len(b) == 0 {
		return json.RawMessage("null")
	}
	return orNull(ptr(base64.StdEncoding.EncodeToString(b)))
}
