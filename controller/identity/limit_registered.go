package identity

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A registeredLimit is how many of something a service lets a project or
// domain have that has no limit of its own. -1 is any number.
type registeredLimit struct {
	ID           string  `json:"id"            db:"id,key"`
	ServiceID    string  `json:"service_id"    db:"service_id"    api:"create,update,filter"`
	RegionID     *string `json:"region_id"     db:"region_id"     api:"create,update,filter"`
	ResourceName string  `json:"resource_name" db:"resource_name" api:"create,update,name,filter"`
	DefaultLimit int32   `json:"default_limit" db:"default_limit" api:"create,update,min=-1"`
	Description  *string `json:"description"   db:"description"   api:"create,update,max=65535"`
}

// newRegisteredLimit is what a body may say of one.
type newRegisteredLimit struct {
	ServiceID    string  `json:"service_id"    api:"required,name"`
	RegionID     *string `json:"region_id"`
	ResourceName string  `json:"resource_name" api:"required,name"`
	DefaultLimit int32   `json:"default_limit" api:"required,min=-1"`
	Description  *string `json:"description"   api:"max=65535"`
}

// ruleRegisterLimits and ruleLimits are of the creations: several at once.
const (
	ruleRegisterLimits = "identity:create_registered_limits"
	ruleLimits         = "identity:create_limits"
)

// registeredLimits describes /registered_limits: all see them, administrators
// make them.
func (s *Service) registeredLimits() api.Resource[registeredLimit] {
	return api.Resource[registeredLimit]{
		Name: "registered_limit", Path: "/registered_limits", Owner: api.Cloud, Links: true, Without: []api.Op{api.OpCreate},
		Read: policy.Anyone, Write: policy.Admin, Rows: s.tables.registeredLimits,
		Updating: func(ctx context.Context, tx *store.Tx, _ *api.Call, old, changed *registeredLimit) error {
			if err := s.limitPlace(ctx, changed.ServiceID, changed.RegionID); err != nil {
				return err
			}
			if old.ServiceID == changed.ServiceID && orNone(old.RegionID) == orNone(changed.RegionID) && old.ResourceName == changed.ResourceName {
				return nil
			}
			return s.noLimits(ctx, tx, old.ID)
		},
		Deleting: func(ctx context.Context, tx *store.Tx, _ *api.Call, r *registeredLimit) error {
			return s.noLimits(ctx, tx, r.ID)
		},
	}
}

// noLimits refuses to take a registered limit away from under limits.
func (s *Service) noLimits(ctx context.Context, tx *store.Tx, id string) error {
	if _, err := s.tables.registeredLimits.In(tx).Lock(ctx, id); err != nil {
		return err
	}
	n, err := s.tables.limits.In(tx).Count(ctx, store.Eq("registered_limit_id", id))
	if err == nil && n > 0 {
		err = cloud.Forbidden("The registered limit %s has limits of %d projects or domains; delete these first.", id, n)
	}
	return err
}

// limitPlace sees that service and region of a limit exist.
func (s *Service) limitPlace(ctx context.Context, service string, region *string) error {
	_, err := s.tables.services.Get(ctx, service)
	if cloud.IsNotFound(err) {
		err = cloud.BadRequest("service_id is %q; allowed: the id of a service", short(service))
	}
	if err != nil || region == nil {
		return err
	}
	_, err = s.tables.regions.Get(ctx, *region)
	if cloud.IsNotFound(err) {
		err = cloud.BadRequest("region_id is %q; allowed: the id of a region, or null", short(*region))
	}
	return err
}

func (s *Service) limitRoutes() []api.Route {
	return []api.Route{
		{Method: http.MethodPost, Path: "/registered_limits", Rule: ruleRegisterLimits, Handle: s.registerLimits},
		{Method: http.MethodPost, Path: "/limits", Rule: ruleLimits, Handle: s.createLimits},
		get("/limits/model", "", func(_ context.Context, c *api.Call) error {
			return c.JSON(http.StatusOK, map[string]any{"model": map[string]string{
				"name": "flat", "description": "Limits of projects and domains are held to by themselves, whatever is above or below.",
			}})
		}),
	}
}

func limitRules() []policy.Rule {
	return []policy.Rule{
		{Name: ruleRegisterLimits, Check: policy.Admin, Doc: "registering limits"},
		{Name: ruleLimits, Check: policy.Admin, Doc: "setting limits of projects and domains"},
	}
}

// entries are the objects in a list of a body.
func entries(c *api.Call, name string) ([]json.RawMessage, error) {
	var body map[string]json.RawMessage
	if err := c.Read(&body); err != nil {
		return nil, err
	}
	var list []json.RawMessage
	if err := json.Unmarshal(body[name], &list); err != nil || len(list) == 0 {
		return nil, cloud.BadRequest("The request body must be an object with the member %q: a list with one entry or more.", name)
	}
	return list, nil
}

// registerLimits answers POST /registered_limits: all that the body names, or
// none.
func (s *Service) registerLimits(ctx context.Context, c *api.Call) error {
	list, err := entries(c, "registered_limits")
	if err != nil {
		return err
	}
	rows := make([]registeredLimit, len(list))
	for i, raw := range list {
		in, err := api.DecodeRaw[newRegisteredLimit](c, raw)
		if err != nil {
			return err
		}
		if err := s.limitPlace(ctx, in.ServiceID, in.RegionID); err != nil {
			return err
		}
		rows[i] = registeredLimit{cloud.NewHexID(), in.ServiceID, in.RegionID, in.ResourceName, in.DefaultLimit, in.Description}
	}
	err = s.db.Transact(ctx, func(tx *store.Tx) error {
		for i := range rows {
			if err := s.tables.registeredLimits.In(tx).Insert(ctx, &rows[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	made := []any{}
	for i := range rows {
		o, err := c.Entry(&rows[i], "/registered_limits/"+rows[i].ID)
		if err != nil {
			return err
		}
		made = append(made, o)
	}
	return c.JSON(http.StatusCreated, map[string]any{"registered_limits": made})
}
