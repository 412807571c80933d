package image

import (
	"context"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/api"
)

// storeID names the one store that there is: files of this machine.
const storeID = "file"

// What projects can be limited in, by the names of Glance's limits.
const (
	quotaSize  = "image_size_total"  // MiB of data, staged data included
	quotaCount = "image_count_total" // images
)

// mebibytes is what so many bytes count, begun ones in full.
func mebibytes(size int64) int64 { return (size + 1<<20 - 1) >> 20 }

// infoStores answers GET /info/stores.
func infoStores(_ context.Context, c *api.Call) error {
	return c.JSON(http.StatusOK, map[string]any{"stores": []any{
		map[string]string{"id": storeID, "description": "files of the controller", "default": "true"},
	}})
}

// infoStoresDetail answers GET /info/stores/detail.
func infoStoresDetail(_ context.Context, c *api.Call) error {
	return c.JSON(http.StatusOK, map[string]any{"stores": []any{map[string]any{
		"id": storeID, "type": "file", "description": "files of the controller", "default": "true", "weight": 0, "properties": map[string]any{},
	}}})
}

// infoUsage answers GET /info/usage: the project's limits and what it uses.
func (s *Service) infoUsage(ctx context.Context, c *api.Call) error {
	usage, err := s.quotas.Usage(ctx, s.db, c.Caller.ProjectID)
	if err != nil {
		return err
	}
	answer := map[string]any{}
	for name, u := range usage {
		answer[name] = map[string]int64{"limit": u.Limit, "usage": u.InUse}
	}
	return c.JSON(http.StatusOK, map[string]any{"usage": answer})
}

// infoImport answers GET /info/import.
func infoImport(_ context.Context, c *api.Call) error {
	return c.JSON(http.StatusOK, map[string]any{"import-methods": map[string]any{
		"description": "Import methods available.", "type": "array", "value": importMethods(),
	}})
}
