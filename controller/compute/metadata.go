package compute

import (
	"context"
	"encoding/json"
	"maps"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// checkMetadata holds Nova's bounds: 128 items, 255 characters each.
func checkMetadata(m map[string]string) error {
	if len(m) > 128 {
		return cloud.Forbidden("Maximum number of metadata items exceeds 128")
	}
	for k, v := range m {
		if k == "" || len(k) > 255 || len(v) > 255 {
			return cloud.BadRequest("Invalid input for field/attribute metadata. Item %q: keys have 1 to 255 characters, values at most 255.", k)
		}
	}
	return nil
}

// serverMetadata is /servers/{id}/metadata. Guests read it, so a change of it
// is a change of the intent.
func (s *Service) serverMetadata() []api.Below[Server] {
	type do = func(context.Context, *api.Call, *Server) (any, error)
	all := func(m map[string]string) any { return map[string]any{"metadata": m} }
	item := func(k, v string) any { return map[string]any{"meta": map[string]string{k: v}} }
	write := func(merge bool) do {
		return func(ctx context.Context, c *api.Call, v *Server) (any, error) {
			var in map[string]string
			if err := json.Unmarshal(c.Raw("metadata"), &in); err != nil || in == nil {
				return nil, cloud.BadRequest("Invalid input for field/attribute metadata. An object of texts is needed.")
			}
			after := maps.Clone(in)
			if merge {
				after = maps.Clone(v.row.Metadata)
				maps.Copy(after, in)
			}
			return all(after), s.setMetadata(ctx, v.ID, after)
		}
	}
	return []api.Below[Server]{
		{Method: "GET", Path: "/metadata", Do: func(_ context.Context, _ *api.Call, v *Server) (any, error) {
			return all(v.row.Metadata), nil
		}},
		{Method: "POST", Path: "/metadata", Do: write(true)},
		{Method: "PUT", Path: "/metadata", Do: write(false)},
		{Method: "GET", Path: "/metadata/{key}", Do: func(_ context.Context, c *api.Call, v *Server) (any, error) {
			value, ok := v.row.Metadata[c.Param("key")]
			if !ok {
				return nil, cloud.NotFound("Metadata item was not found")
			}
			return item(c.Param("key"), value), nil
		}},
		{Method: "PUT", Path: "/metadata/{key}", Do: func(ctx context.Context, c *api.Call, v *Server) (any, error) {
			var in map[string]string
			key := c.Param("key")
			if err := json.Unmarshal(c.Raw("meta"), &in); err != nil || len(in) != 1 {
				return nil, cloud.BadRequest("Request body contains too many items")
			}
			value, ok := in[key]
			if !ok {
				return nil, cloud.BadRequest("Request body and URI mismatch")
			}
			after := maps.Clone(v.row.Metadata)
			after[key] = value
			return item(key, value), s.setMetadata(ctx, v.ID, after)
		}},
		{Method: "DELETE", Path: "/metadata/{key}", Do: func(ctx context.Context, c *api.Call, v *Server) (any, error) {
			after := maps.Clone(v.row.Metadata)
			if _, ok := after[c.Param("key")]; !ok {
				return nil, cloud.NotFound("Metadata item was not found")
			}
			delete(after, c.Param("key"))
			return nil, s.setMetadata(ctx, v.ID, after)
		}},
	}
}

func (s *Service) setMetadata(ctx context.Context, id string, m map[string]string) error {
	if err := checkMetadata(m); err != nil {
		return err
	}
	return s.intend(ctx, id, func(row *serverRow) (store.Set, error) {
		return store.Set{"metadata": store.JSON{Of: m}, "updated_at": s.clock()}, nil
	})
}
