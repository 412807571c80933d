package image

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// addTagByName answers POST of one tag, which needs no body.
func (s *Service) addTagByName(ctx context.Context, c *api.Call, n *Namespace, k entryKind) (any, error) {
	raw, err := json.Marshal(Tag{c.Param("name")})
	if err != nil {
		return nil, err
	}
	e, err := s.newEntry(c, n.Namespace, k, raw)
	if err != nil {
		return nil, err
	}
	if err := s.db.Transact(ctx, func(tx *store.Tx) error { return s.addEntries(ctx, tx, []*Entry{e}) }); err != nil {
		return nil, err
	}
	return e.object()
}

// replaceTags answers POST of all tags. With X-Openstack-Append they are added
// to those that are there.
func (s *Service) replaceTags(ctx context.Context, c *api.Call, n *Namespace, k entryKind) (any, error) {
	in, err := api.Decode[struct {
		Tags []Tag `json:"tags" api:"required,max=1024"`
	}](c)
	if err != nil {
		return nil, err
	}
	var list []*Entry
	for _, tag := range in.Tags {
		raw, err := json.Marshal(tag)
		if err != nil {
			return nil, err
		}
		e, err := s.newEntry(c, n.Namespace, k, raw)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	appends := strings.EqualFold(strings.TrimSpace(c.Request().Header.Get("X-Openstack-Append")), "true")
	err = s.db.Transact(ctx, func(tx *store.Tx) error {
		if !appends {
			if _, err := s.entries.In(tx).Delete(ctx, ofKind(n, k)...); err != nil {
				return err
			}
		}
		return s.addEntries(ctx, tx, list)
	})
	return in, err
}

// entriesOf makes entries of what the body of a new namespace brings along.
func (s *Service) entriesOf(c *api.Call, in *Namespace) (list []*Entry, err error) {
	add := func(k entryKind, item any) error {
		raw, err := json.Marshal(item)
		if err != nil {
			return err
		}
		e, err := s.newEntry(c, in.Namespace, k, raw)
		list = append(list, e)
		return err
	}
	for _, k := range entryKinds() {
		for _, item := range in.items(k.kind) {
			if err := add(k, item); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// items are what the namespace has of a kind.
func (n *Namespace) items(kind string) (items []any) {
	switch kind {
	case kindObject:
		return anyOf(n.Objects)
	case kindTag:
		return anyOf(n.Tags)
	case kindAssociation:
		return anyOf(n.Associations)
	}
	for name, raw := range n.Properties {
		var p map[string]any
		if err := json.Unmarshal(raw, &p); err != nil || p == nil {
			p = map[string]any{} // checked with the rest of it
		}
		p["name"] = name
		items = append(items, p)
	}
	return items
}

func anyOf[T any](list []T) []any {
	items := make([]any, len(list))
	for i := range list {
		items[i] = list[i]
	}
	return items
}

// A ResourceType is what a namespace can be associated with.
type ResourceType struct {
	Name      string    `db:"name,key"`
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
}

// listResourceTypes answers GET /metadefs/resource_types.
func (s *Service) listResourceTypes(ctx context.Context, c *api.Call) error {
	rows, err := s.resourceTypes.List(ctx, store.Query{})
	if err != nil {
		return err
	}
	list := []any{}
	for i := range rows {
		list = append(list, map[string]any{
			"name": rows[i].Name, "created_at": rows[i].CreatedAt.Format(timeLayout), "updated_at": rows[i].UpdatedAt.Format(timeLayout),
		})
	}
	return c.JSON(http.StatusOK, map[string]any{"resource_types": list})
}
