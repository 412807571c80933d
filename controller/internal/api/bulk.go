package api

import (
	"context"
	"encoding/json"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// bulk tells whether a body creates several, and takes it apart.
func (r *compiled[T]) bulk(body json.RawMessage) ([]json.RawMessage, bool) {
	var outer map[string]json.RawMessage
	if json.Unmarshal(body, &outer) != nil {
		return nil, false
	}
	raw, ok := outer[r.Plural]
	if !ok {
		return nil, false
	}
	var items []json.RawMessage
	return items, json.Unmarshal(raw, &items) == nil
}

// createItem makes one of several.
func (r *compiled[T]) createItem(ctx context.Context, c *Call, item json.RawMessage) (*T, error) {
	c.body = item
	if err := c.members(); err != nil || c.present == nil {
		return nil, cloud.BadRequest("Each entry of %s must be an object.", r.Plural)
	}
	return r.createOne(ctx, c)
}

// undo deletes what a bulk creation had made before it failed.
func (r *compiled[T]) undo(ctx context.Context, c *Call, rows []T) {
	for i := range rows {
		var err error
		if r.Delete != nil {
			err = r.Delete(ctx, c, &rows[i])
		} else if r.Rows != nil {
			err = c.service.service.DB.Transact(ctx, func(tx *store.Tx) error { return r.take(ctx, tx, c, &rows[i]) })
		}
		if err != nil {
			c.Log.Error("undo a bulk creation", "resource", r.Name, "error", err)
		}
	}
}
