package identity

import (
	"context"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A limit is what a project or domain may have instead of a registered limit.
type limit struct {
	ID                string  `json:"id"             db:"id,key"`
	RegisteredLimitID string  `json:"-"              db:"registered_limit_id"`
	ProjectID         *string `json:"project_id"     db:"project_id"     api:"filter"`
	DomainID          *string `json:"domain_id"      db:"domain_id"      api:"filter"`
	ServiceID         string  `json:"service_id"     db:"service_id"     api:"filter"`
	RegionID          *string `json:"region_id"      db:"region_id"      api:"filter"`
	ResourceName      string  `json:"resource_name"  db:"resource_name"  api:"filter"`
	ResourceLimit     int32   `json:"resource_limit" db:"resource_limit" api:"update,min=-1"`
	Description       *string `json:"description"    db:"description"    api:"update,max=65535"`
}

// newLimit is what a body may say of one.
type newLimit struct {
	ProjectID     *string `json:"project_id"`
	DomainID      *string `json:"domain_id"`
	ServiceID     string  `json:"service_id"     api:"required,name"`
	RegionID      *string `json:"region_id"`
	ResourceName  string  `json:"resource_name"  api:"required,name"`
	ResourceLimit int32   `json:"resource_limit" api:"required,min=-1"`
	Description   *string `json:"description"    api:"max=65535"`
}

// limits describes /limits: administrators see all, others those of their
// scope; a domain's also those of its projects.
func (s *Service) limits() api.Resource[limit] {
	return api.Resource[limit]{
		Name: "limit", Path: "/limits", Owner: api.Cloud, Links: true, Without: []api.Op{api.OpCreate},
		Read: policy.Anyone, Write: policy.Admin, Rows: s.tables.limits,
		Scope: func(_ context.Context, c *api.Call) ([]store.Cond, error) {
			switch {
			case c.Caller.IsAdmin || c.Caller.System:
				return nil, nil
			case c.Caller.DomainID != "":
				return []store.Cond{store.Or(store.Eq("domain_id", c.Caller.DomainID),
					store.Sub("project_id", "SELECT id FROM projects WHERE domain_id = ?", c.Caller.DomainID))}, nil
			default:
				return []store.Cond{store.Eq("project_id", c.Caller.ProjectID)}, nil
			}
		},
	}
}

// createLimits answers POST /limits: all that the body names, or none.
func (s *Service) createLimits(ctx context.Context, c *api.Call) error {
	list, err := entries(c, "limits")
	if err != nil {
		return err
	}
	asked := make([]*newLimit, len(list))
	for i, raw := range list {
		if asked[i], err = api.DecodeRaw[newLimit](c, raw); err != nil {
			return err
		}
		if err := s.limitHolder(ctx, asked[i]); err != nil {
			return err
		}
	}
	var rows []limit
	err = s.db.Transact(ctx, func(tx *store.Tx) error {
		rows = nil
		for _, in := range asked {
			row, err := s.insertLimit(ctx, tx, in)
			if err != nil {
				return err
			}
			rows = append(rows, *row)
		}
		return nil
	})
	if err != nil {
		return err
	}
	made := []any{}
	for i := range rows {
		o, err := c.Entry(&rows[i], "/limits/"+rows[i].ID)
		if err != nil {
			return err
		}
		made = append(made, o)
	}
	return c.JSON(http.StatusCreated, map[string]any{"limits": made})
}

// limitHolder sees that a limit is of one project or one domain, and that it,
// service and region exist.
func (s *Service) limitHolder(ctx context.Context, in *newLimit) error {
	snap := s.now.Load()
	switch {
	case (in.ProjectID == nil) == (in.DomainID == nil):
		return cloud.BadRequest("project_id and domain_id; needed: exactly one of them")
	case in.ProjectID != nil && (snap.projects.at(*in.ProjectID) == nil || snap.projects.at(*in.ProjectID).IsDomain):
		return cloud.BadRequest("project_id is %q; allowed: the id of a project that is no domain", short(*in.ProjectID))
	case in.DomainID != nil && snap.domains.at(*in.DomainID) == nil:
		return cloud.BadRequest("domain_id is %q; allowed: the id of a domain", short(*in.DomainID))
	}
	return s.limitPlace(ctx, in.ServiceID, in.RegionID)
}

// insertLimit adds a limit below its registered limit, which stays while the
// transaction runs.
func (s *Service) insertLimit(ctx context.Context, tx *store.Tx, in *newLimit) (*limit, error) {
	registered, err := s.tables.registeredLimits.In(tx).First(ctx,
		store.Eq("service_id", in.ServiceID), store.Eq("region_id", in.RegionID), store.Eq("resource_name", in.ResourceName))
	if cloud.IsNotFound(err) {
		return nil, cloud.Forbidden("There is no registered limit of %q for this service and region; a limit needs one.", in.ResourceName)
	}
	if err != nil {
		return nil, err
	}
	if _, err := s.tables.registeredLimits.In(tx).Lock(ctx, registered.ID); err != nil {
		return nil, err
	}
	row := &limit{
		ID: cloud.NewHexID(), RegisteredLimitID: registered.ID, ProjectID: in.ProjectID, DomainID: in.DomainID, ServiceID: in.ServiceID,
		RegionID: in.RegionID, ResourceName: in.ResourceName, ResourceLimit: in.ResourceLimit, Description: in.Description,
	}
	return row, s.tables.limits.In(tx).Insert(ctx, row)
}
