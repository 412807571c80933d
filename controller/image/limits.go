package image

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/quota"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// What projects can be limited in, by the names of Glance's limits. The first
// two are counted as they change; the others follow from what there is.
const (
	quotaSize      = "image_size_total"      // MiB of data in stores: an image that is in two counts twice
	quotaCount     = "image_count_total"     // images
	quotaStage     = "image_stage_total"     // MiB of data that waits for its import
	quotaUploading = "image_count_uploading" // images whose data is on its way
)

// unlimited are all limits, without any.
func unlimited() map[string]int64 {
	return map[string]int64{quotaSize: quota.Unlimited, quotaCount: quota.Unlimited, quotaStage: quota.Unlimited, quotaUploading: quota.Unlimited}
}

// LimitNames are the names of what projects can be limited in.
func LimitNames() []string { return slices.Sorted(maps.Keys(unlimited())) }

// quotasOf completes the limits that were given.
func quotasOf(given map[string]int64) *quota.Quotas {
	limits := unlimited()
	maps.Copy(limits, given)
	return quota.New(limits)
}

// mebibytes is what so many bytes count, begun ones in full.
func mebibytes(size int64) int64 { return (size + 1<<20 - 1) >> 20 }

// usage is what a project uses, and may.
func (s *Service) usage(ctx context.Context, q store.Querier, project string) (map[string]quota.Usage, error) {
	all, err := s.quotas.Usage(ctx, q, project)
	if err != nil {
		return nil, err
	}
	for name, query := range map[string]string{
		quotaStage: `SELECT COALESCE(SUM(CEIL(d.size / 1048576)), 0) FROM staged_images d JOIN images i ON i.id = d.image_id WHERE i.project_id = ?`,
		quotaUploading: `SELECT COUNT(*) FROM images WHERE project_id = ? AND status IN ('` +
			statusSaving + `', '` + statusUploading + `', '` + statusImporting + `')`,
	} {
		u := all[name]
		if err := q.QueryRowContext(ctx, query, project).Scan(&u.InUse); err != nil {
			return nil, fmt.Errorf("usage of %s by project %s: %w", name, project, err)
		}
		all[name] = u
	}
	return all, nil
}

// claim sees that a project may have n more of something that follows from
// what there is. Claims of one project wait for each other until their
// transactions end.
func (s *Service) claim(ctx context.Context, tx *store.Tx, project, name string, n int64) error {
	if s.quotas.Defaults()[name] == quota.Unlimited {
		return nil
	}
	if err := s.quotas.Reserve(ctx, tx, project, name, 0); err != nil {
		return err
	}
	all, err := s.usage(ctx, tx, project)
	if err != nil {
		return err
	}
	if u := all[name]; u.Limit != quota.Unlimited && u.InUse+n > u.Limit {
		return overLimit(project, name, u, n)
	}
	return nil
}

// overLimit is Glance's fault.
func overLimit(project, name string, u quota.Usage, n int64) error {
	return cloud.OverQuota("Project %s is over a limit for [Resource %s is over limit of %d due to current usage %d and delta %d]", project, name, u.Limit, u.InUse, n)
}

// An allowance is how many bytes may come, and what is wrong with more.
type allowance struct {
	bytes int64
	over  error
}

// admits refuses a size that is known before a byte of it has come; below 0:
// it is not known.
func (a allowance) admits(size int64) error {
	if size > a.bytes || a.bytes == 0 {
		return a.over
	}
	return nil
}

// allowanceFor is how much data an image may have: as much as any, and as its
// project may still have of something.
func (s *Service) allowanceFor(ctx context.Context, project, name string) (allowance, error) {
	a := allowance{s.maxSize, s.tooLarge()}
	all, err := s.usage(ctx, s.db, project)
	if err != nil {
		return a, err
	}
	u := all[name]
	if u.Limit == quota.Unlimited || u.Limit-u.InUse > math.MaxInt64>>20 {
		return a, nil
	}
	if left := max(u.Limit-u.InUse, 0) << 20; left < a.bytes {
		return allowance{left, overLimit(project, name, u, left>>20+1)}, nil
	}
	return a, nil
}

// infoUsage answers GET /info/usage: the project's limits and what it uses.
func (s *Service) infoUsage(ctx context.Context, c *api.Call) error {
	usage, err := s.usage(ctx, s.db, c.Caller.ProjectID)
	if err != nil {
		return err
	}
	answer := map[string]any{}
	for name, u := range usage {
		answer[name] = map[string]int64{"limit": u.Limit, "usage": u.InUse}
	}
	return c.JSON(http.StatusOK, map[string]any{"usage": answer})
}
