package network

import (
	"context"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A SecurityGroup is a set of allowed flows for the ports that are its
// members.
type SecurityGroup struct {
	ID          string              `json:"id" db:"id,key" api:"filter,sort"`
	Seq         int64               `json:"-" db:"seq,auto"`
	ProjectID   string              `json:"project_id" db:"project_id" api:"create,setadmin,also=tenant_id,filter,sort"`
	Name        string              `json:"name" db:"name" api:"create,update,required,max=255,filter,sort"`
	Description string              `json:"description" db:"description" api:"create,update,max=255,filter"`
	Stateful    bool                `json:"stateful"`
	Rules       []SecurityGroupRule `json:"security_group_rules"`
	Tags        []string            `json:"tags"`
	Revision    int                 `json:"revision_number" db:"revision_number"`
	CreatedAt   time.Time           `json:"created_at" db:"created_at" api:"sort"`
	UpdatedAt   time.Time           `json:"updated_at" db:"updated_at"`
}

// groupsResource describes /security-groups.
func (s *Service) groupsResource() api.Resource[SecurityGroup] {
	return api.Resource[SecurityGroup]{
		Name: "security_group", Path: "/security-groups", Noun: "security group",
		Rows: s.groups,
		Scope: func(ctx context.Context, c *api.Call) ([]store.Cond, error) {
			if err := s.ensureDefault(ctx, c.Caller.ProjectID); err != nil {
				return nil, err
			}
			if c.Caller.IsAdmin {
				return nil, nil
			}
			return []store.Cond{store.Eq("project_id", c.Caller.ProjectID)}, nil
		},
		Fill:   s.fillGroups,
		Create: s.createGroup,
		Updating: func(_ context.Context, _ *store.Tx, _ *api.Call, old, changed *SecurityGroup) error {
			if old.Name == "default" && changed.Name != old.Name {
				return conflict("SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
			}
			changed.Revision = old.Revision + 1
			return nil
		},
		Delete: s.deleteGroup,
	}
}

// createGroup makes a group that lets everything out and nothing in.
func (s *Service) createGroup(ctx context.Context, c *api.Call, in *SecurityGroup) (*SecurityGroup, error) {
	if in.Name == "default" {
		return nil, conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
	}
	in.ProjectID = projectOf(c, in.ProjectID)
	if in.ID == "" {
		in.ID = cloud.NewID()
	}
	in.CreatedAt = s.clock()
	in.UpdatedAt, in.Revision = in.CreatedAt, 1
	return in, s.db.Transact(ctx, func(tx *store.Tx) error {
		if _, err := s.defaultGroup(ctx, tx, in.ProjectID); err != nil {
			return err
		}
		if err := s.quotas.Reserve(ctx, tx, in.ProjectID, "security_group", 1); err != nil {
			return err
		}
		if err := s.groups.In(tx).Insert(ctx, in); err != nil {
			return err
		}
		return s.addBasicRules(ctx, tx, in)
	})
}

// deleteGroup removes a group that no port is a member of.
func (s *Service) deleteGroup(ctx context.Context, c *api.Call, row *SecurityGroup) error {
	if row.Name == "default" && !c.Caller.IsAdmin {
		return conflict("SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group.")
	}
	naming, err := collect(ctx, s.db, column, "SELECT DISTINCT group_id FROM security_group_rules WHERE remote_group_id = ?", row.ID)
	if err != nil {
		return err
	}
	return s.db.Transact(ctx, func(tx *store.Tx) error {
		rules, err := s.rules.In(tx).Count(ctx, store.Or(store.Eq("group_id", row.ID), store.Eq("remote_group_id", row.ID)))
		if err != nil {
			return err
		}
		_, err = s.groups.In(tx).Delete(ctx, store.Eq("id", row.ID))
		if store.IsReferenced(err) {
			return conflict("SecurityGroupInUse", "Security Group %s in use.", row.ID)
		}
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM default_groups WHERE group_id = ?", row.ID); err != nil {
			return err
		}
		if err := s.quotas.Release(ctx, tx, row.ProjectID, "security_group_rule", rules); err != nil {
			return err
		}
		if err := s.note(ctx, tx, topicRules, naming...); err != nil {
			return err
		}
		return s.quotas.Release(ctx, tx, row.ProjectID, "security_group", 1)
	})
}

// fillGroups adds the rules.
func (s *Service) fillGroups(ctx context.Context, _ *api.Call, rows []*SecurityGroup) error {
	ids := make([]string, len(rows))
	byID := make(map[string]*SecurityGroup, len(rows))
	for i, g := range rows {
		ids[i], byID[g.ID] = g.ID, g
		g.Rules, g.Tags, g.Stateful = []SecurityGroupRule{}, []string{}, true
	}
	if len(ids) == 0 {
		return nil
	}
	rules, err := s.rules.List(ctx, store.Query{
		Where: []store.Cond{store.In("group_id", ids...)}, Sort: []store.Sort{{Column: "seq"}},
	})
	for _, r := range rules {
		r.fill()
		byID[r.GroupID].Rules = append(byID[r.GroupID].Rules, r)
	}
	return err
}
