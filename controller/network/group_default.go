package network

import (
	"context"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// defaultGroup is the id of the project's default security group, which is
// made when it is first asked for: out everything, in what comes from members
// of the group.
func (s *Service) defaultGroup(ctx context.Context, tx *store.Tx, project string) (string, error) {
	id, err := lookupDefault(ctx, tx, project)
	if err != nil || id != "" {
		return id, err
	}
	id = cloud.NewID()
	// Two requests may get here at once: the second waits for the first's row.
	if _, err := tx.ExecContext(ctx, "INSERT IGNORE INTO default_groups (project_id, group_id) VALUES (?, ?)", project, id); err != nil {
		return "", err
	}
	if have, err := lookupDefault(ctx, tx, project); err != nil || have != id {
		return have, err
	}
	now := s.clock()
	g := &SecurityGroup{ID: id, ProjectID: project, Name: "default", Description: "Default security group", Revision: 1, CreatedAt: now, UpdatedAt: now}
	if err := s.groups.In(tx).Insert(ctx, g); err != nil {
		return "", err
	}
	if err := s.quotas.Reserve(ctx, tx, project, "security_group", 1); err != nil {
		return "", err
	}
	if err := s.addBasicRules(ctx, tx, g); err != nil {
		return "", err
	}
	return id, s.addRules(ctx, tx, g, []SecurityGroupRule{
		{Direction: "ingress", EtherType: "IPv4", RemoteGroupID: &id},
		{Direction: "ingress", EtherType: "IPv6", RemoteGroupID: &id},
	})
}

// lookupDefault is the id of the project's default group; empty if there is
// none yet.
func lookupDefault(ctx context.Context, q store.Querier, project string) (string, error) {
	ids, err := collect(ctx, q, column, "SELECT group_id FROM default_groups WHERE project_id = ?", project)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}

// ensureDefault makes the project's default group if it is missing.
func (s *Service) ensureDefault(ctx context.Context, project string) error {
	if project == "" {
		return nil
	}
	id, err := lookupDefault(ctx, s.db, project)
	if err != nil || id != "" {
		return err
	}
	return s.db.Transact(ctx, func(tx *store.Tx) error {
		_, err := s.defaultGroup(ctx, tx, project)
		return err
	})
}

// addBasicRules adds what every new group allows: everything that goes out.
func (s *Service) addBasicRules(ctx context.Context, tx *store.Tx, g *SecurityGroup) error {
	return s.addRules(ctx, tx, g, []SecurityGroupRule{
		{Direction: "egress", EtherType: "IPv4"},
		{Direction: "egress", EtherType: "IPv6"},
	})
}

// addRules writes rules of a new group.
func (s *Service) addRules(ctx context.Context, tx *store.Tx, g *SecurityGroup, rules []SecurityGroupRule) error {
	for _, r := range rules {
		r.ID, r.ProjectID, r.GroupID = cloud.NewID(), g.ProjectID, g.ID
		r.CreatedAt, r.UpdatedAt = g.CreatedAt, g.CreatedAt
		if err := s.rules.In(tx).Insert(ctx, &r); err != nil {
			return err
		}
		if err := s.quotas.Reserve(ctx, tx, g.ProjectID, "security_group_rule", 1); err != nil {
			return err
		}
	}
	return nil
}
