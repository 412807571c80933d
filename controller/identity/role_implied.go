package identity

import (
	"context"
	"net/http"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// An implication is one role that comes with another.
type implication struct {
	PriorID   string `db:"prior_id,key"`
	ImpliedID string `db:"implied_id"`
}

// withImplied adds to ids what they imply, at any distance.
func (n *snapshot) withImplied(ids map[string]bool) {
	var queue []string
	for id := range ids {
		queue = append(queue, id)
	}
	for len(queue) > 0 {
		next := n.impliedBy(queue[0])
		queue = queue[1:]
		for _, id := range next {
			if !ids[id] {
				ids[id] = true
				queue = append(queue, id)
			}
		}
	}
}

// imply answers PUT: the role of the path's end comes with the first one.
func (s *Service) imply(ctx context.Context, c *api.Call, prior *Role) (any, error) {
	snap := s.now.Load()
	implied := snap.roles.at(c.Param("implied_id"))
	switch {
	case implied == nil:
		return nil, cloud.NotFound("Could not find role: %s.", c.Param("implied_id"))
	case implied.DomainID == nil && implied.Name == "admin":
		return nil, cloud.Forbidden("Role admin cannot be an implied role.")
	case prior.DomainID == nil && implied.DomainID != nil:
		return nil, cloud.Forbidden("A global role cannot imply the domain-specific role %s.", implied.ID)
	}
	below := map[string]bool{implied.ID: true}
	snap.withImplied(below)
	if below[prior.ID] {
		return nil, cloud.BadRequest("implied role is %s; allowed: a role that does not imply %s itself", implied.ID, prior.ID)
	}
	err := s.change(ctx, func(tx *store.Tx) error {
		for _, id := range []string{prior.ID, implied.ID} {
			if err := hold(ctx, tx, kindRole, id); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "INSERT IGNORE INTO implied_roles (prior_id, implied_id) VALUES (?, ?)", prior.ID, implied.ID)
		return err
	}, implication{prior.ID, implied.ID}.change(false))
	return inference(c, prior, roleObject(c, implied)), err
}

// inference is a role with what it implies: one, or a list.
func inference(c *api.Call, prior *Role, implies any) any {
	return map[string]any{"role_inference": map[string]any{"prior_role": roleObject(c, prior), "implies": implies}, "links": listLinks(c)}
}

// impliedBy is the role at the path's end, which prior must imply.
func (s *Service) impliedBy(c *api.Call, prior *Role) (*Role, error) {
	snap, id := s.now.Load(), c.Param("implied_id")
	if r := snap.roles.at(id); r != nil && contains(snap.impliedBy(prior.ID), id) {
		return r, nil
	}
	return nil, cloud.NotFound("%s does not imply %s.", prior.ID, id)
}

func (s *Service) isImplied(_ context.Context, c *api.Call, prior *Role) (any, error) {
	_, err := s.impliedBy(c, prior)
	return nil, err
}

func (s *Service) showImplied(_ context.Context, c *api.Call, prior *Role) (any, error) {
	implied, err := s.impliedBy(c, prior)
	if err != nil {
		return nil, err
	}
	return inference(c, prior, roleObject(c, implied)), nil
}

func (s *Service) listImplied(_ context.Context, c *api.Call, prior *Role) (any, error) {
	return inference(c, prior, s.now.Load().impliedObjects(c, prior.ID)), nil
}

// impliedObjects are the roles that a role implies by itself.
func (n *snapshot) impliedObjects(c *api.Call, prior string) []any {
	list := []any{}
	for _, id := range n.impliedBy(prior) {
		if r := n.roles.at(id); r != nil {
			list = append(list, roleObject(c, r))
		}
	}
	return list
}

func (s *Service) implyNoMore(ctx context.Context, c *api.Call, prior *Role) (any, error) {
	return nil, s.change(ctx, func(tx *store.Tx) error {
		n, err := s.tables.implied.In(tx).Delete(ctx, store.Eq("prior_id", prior.ID), store.Eq("implied_id", c.Param("implied_id")))
		if err == nil && n == 0 {
			err = cloud.NotFound("%s does not imply %s.", prior.ID, c.Param("implied_id"))
		}
		return err
	}, implication{prior.ID, c.Param("implied_id")}.change(true))
}

// inferences answers GET /role_inferences: which role implies which.
func (s *Service) inferences(_ context.Context, c *api.Call) error {
	snap := s.now.Load()
	list := []any{}
	last := ""
	for i := range snap.implied.all() {
		prior := i.PriorID
		if prior == last {
			continue
		}
		last = prior
		if r := snap.roles.at(prior); r != nil {
			list = append(list, map[string]any{"prior_role": roleObject(c, r), "implies": snap.impliedObjects(c, prior)})
		}
	}
	return c.JSON(http.StatusOK, map[string]any{"role_inferences": list, "links": listLinks(c)})
}
