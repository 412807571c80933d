package image

import (
	"context"
	"encoding/json"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// taskLife is how long it is known what an import did.
const taskLife = 48 * time.Hour

// The statuses of a task.
const (
	taskPending    = "pending"
	taskProcessing = "processing"
	taskSuccess    = "success"
	taskFailure    = "failure"
)

// A Task is an import: what was asked for, how far it is, and how it ended.
type Task struct {
	ID        string                     `json:"id"         db:"id,key"     api:"sort"`
	Type      string                     `json:"type"       db:"type"       api:"filter,sort"`
	Status    string                     `json:"status"     db:"status"     api:"filter,sort"`
	Owner     string                     `json:"owner"      db:"project_id" api:"filter"`
	UserID    string                     `json:"user_id"    db:"user_id"`
	RequestID string                     `json:"request_id" db:"request_id"`
	ImageID   string                     `json:"image_id"   db:"image_id"   api:"filter"`
	Input     map[string]json.RawMessage `json:"input"      db:"input,json"`
	Result    map[string]string          `json:"result"     db:"result,json"`
	Message   string                     `json:"message"    db:"message"`
	CreatedAt time.Time                  `json:"created_at" db:"created_at" api:"sort"`
	UpdatedAt time.Time                  `json:"updated_at" db:"updated_at" api:"sort"`
	ExpiresAt time.Time                  `json:"expires_at" db:"expires_at"` // moves on when the task ends
	Holder    string                     `json:"-"          db:"holder"`     // the controller that carries it out
	To        []string                   `json:"-"          db:"to_stores,json"`
	Self      string                     `json:"self"`
	Schema    string                     `json:"schema"`
}

// taskResource describes /tasks: nobody makes them but imports.
func (s *Service) taskResource() api.Resource[Task] {
	return api.Resource[Task]{
		Name: "task", Path: "/tasks", Flat: true, Read: policy.Admin, Rows: s.tasks, Fill: fillTasks, Without: []api.Op{api.OpDelete},
	}
}

// refuseTask answers POST /tasks, which Glance keeps for what was there before
// imports and has marked as deprecated: a task of the type import named a URL
// or a path of the host and made an image of it in one go.
func refuseTask(context.Context, *api.Call) error {
	return cloud.Errorf(cloud.KindMethodNotAllowed, "Tasks are not made by themselves; make an image and import its data with POST /v2/images/{image_id}/import.")
}

func fillTasks(_ context.Context, _ *api.Call, rows []*Task) error {
	for _, r := range rows {
		r.Self, r.Schema = "/v2/tasks/"+r.ID, "/v2/schemas/task"
	}
	return nil
}

// imageTasks answers GET /images/{id}/tasks.
func (s *Service) imageTasks(ctx context.Context, c *api.Call, img *Image) (any, error) {
	rows, err := s.tasks.List(ctx, store.Query{Where: []store.Cond{store.Eq("image_id", img.ID)}, Sort: []store.Sort{{Column: "created_at"}}})
	if err != nil {
		return nil, err
	}
	list := []any{}
	for i := range rows {
		o, err := c.Present(&rows[i], fillTasks(ctx, c, []*Task{&rows[i]}))
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return map[string]any{"tasks": list}, nil
}

// taskSchema says what a task is made of.
func taskSchema() map[string]any {
	return document("task", map[string]any{
		"id": readOnlyText(), "type": text("What the task does"), "status": text("How far it is"), "owner": text("The project that asked for it"),
		"user_id": readOnlyText(), "request_id": readOnlyText(), "image_id": readOnlyText(), "message": text("Why it failed"),
		"input": map[string]any{"type": []string{"null", "object"}}, "result": map[string]any{"type": []string{"null", "object"}},
		"created_at": timestamp(), "updated_at": timestamp(), "expires_at": timestamp(), "self": readOnlyText(), "schema": readOnlyText(),
	})
}
