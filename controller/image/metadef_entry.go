package image

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// The kinds of entries of a namespace.
const (
	kindObject      = "object"
	kindProperty    = "property"
	kindTag         = "tag"
	kindAssociation = "resource_type"
)

// An Entry is an object, a property, a tag or an association of a namespace.
type Entry struct {
	ID        string          `db:"id,key"`
	Namespace string          `db:"namespace"`
	Kind      string          `db:"kind"`
	Name      string          `db:"name"`
	Body      json.RawMessage `db:"body,json"` // an Object, Property, Tag or Association
	CreatedAt time.Time       `db:"created_at"`
	UpdatedAt time.Time       `db:"updated_at"`
}

// An entryKind is how entries of one kind are served.
type entryKind struct {
	kind   string
	path   string // "/objects", below the namespace
	plural string // member of the list
	take   func(c *api.Call, raw json.RawMessage) (name string, body any, err error)
}

func entryKinds() []entryKind {
	return []entryKind{
		{kindObject, "/objects", "objects", takeObject},
		{kindProperty, "/properties", "properties", takeProperty},
		{kindTag, "/tags", "tags", takeTag},
		{kindAssociation, "/resource_types", "resource_type_associations", takeAssociation},
	}
}

// entriesBelow are the routes of one kind.
func (s *Service) entriesBelow(k entryKind) []api.Below[Namespace] {
	one := k.path + "/{name}"
	below := func(method, path, verb string, code int, do func(context.Context, *api.Call, *Namespace, entryKind) (any, error)) api.Below[Namespace] {
		rule, access := verb+"_metadef_"+k.kind, policy.Admin
		if verb == "get" {
			access = policy.Anyone
		}
		return api.Below[Namespace]{Method: method, Path: path, Rule: rule, Access: access, Code: code, Do: func(ctx context.Context, c *api.Call, n *Namespace) (any, error) {
			return do(ctx, c, n, k)
		}}
	}
	list := []api.Below[Namespace]{
		below(http.MethodGet, k.path, "get", 0, s.listEntries),
		below(http.MethodPost, k.path, "add", http.StatusCreated, s.addEntry),
		below(http.MethodDelete, one, "delete", 0, s.dropEntry),
	}
	if k.kind == kindAssociation {
		return list
	}
	list = append(list,
		below(http.MethodGet, one, "get", 0, s.showEntry),
		below(http.MethodPut, one, "modify", 0, s.putEntry),
		below(http.MethodDelete, k.path, "delete", 0, s.dropEntries))
	if k.kind == kindTag {
		list[1] = below(http.MethodPost, k.path, "add", http.StatusCreated, s.replaceTags)
		list = append(list, below(http.MethodPost, one, "add", http.StatusCreated, s.addTagByName))
	}
	return list
}

// listEntries answers GET of a kind, sorted by name.
func (s *Service) listEntries(ctx context.Context, _ *api.Call, n *Namespace, k entryKind) (any, error) {
	rows, err := s.entries.List(ctx, store.Query{Where: ofKind(n, k), Sort: []store.Sort{{Column: "name"}}})
	if err != nil {
		return nil, err
	}
	list, byName := []any{}, map[string]any{}
	for i := range rows {
		o, err := rows[i].object()
		if err != nil {
			return nil, err
		}
		list, byName[rows[i].Name] = append(list, o), o
	}
	answer := map[string]any{k.plural: list, "first": n.href() + k.path, "schema": "/v2/schemas/metadefs" + k.path}
	if k.kind == kindProperty {
		answer[k.plural] = byName
	}
	return answer, nil
}

func (n *Namespace) href() string { return "/v2/metadefs/namespaces/" + n.Namespace }

func ofKind(n *Namespace, k entryKind) []store.Cond {
	return []store.Cond{store.Eq("namespace", n.Namespace), store.Eq("kind", k.kind)}
}

// object is an entry as it is shown.
func (e *Entry) object() (map[string]any, error) {
	o := map[string]any{}
	if err := json.Unmarshal(e.Body, &o); err != nil {
		return nil, err
	}
	o["name"] = e.Name
	if e.Kind != kindProperty {
		o["created_at"], o["updated_at"] = e.CreatedAt.Format(timeLayout), e.UpdatedAt.Format(timeLayout)
	}
	if e.Kind == kindObject {
		o["self"], o["schema"] = "/v2/metadefs/namespaces/"+e.Namespace+"/objects/"+e.Name, "/v2/schemas/metadefs/object"
	}
	return o, nil
}

// entry reads the one of the path.
func (s *Service) entry(ctx context.Context, c *api.Call, n *Namespace, k entryKind) (*Entry, error) {
	name := c.Param("name")
	e, err := s.entries.First(ctx, append(ofKind(n, k), store.Eq("name", name))...)
	if cloud.IsNotFound(err) {
		return nil, cloud.NotFound("Metadata definition %s %s not found in namespace %s.", strings.ReplaceAll(k.kind, "_", " "), name, n.Namespace).Because(err)
	}
	return e, err
}

func (s *Service) showEntry(ctx context.Context, c *api.Call, n *Namespace, k entryKind) (any, error) {
	e, err := s.entry(ctx, c, n, k)
	if err != nil {
		return nil, err
	}
	return e.object()
}

// addEntry answers POST of a kind.
func (s *Service) addEntry(ctx context.Context, c *api.Call, n *Namespace, k entryKind) (any, error) {
	e, err := s.newEntry(c, n.Namespace, k, c.Body())
	if err != nil {
		return nil, err
	}
	if err := s.db.Transact(ctx, func(tx *store.Tx) error { return s.addEntries(ctx, tx, []*Entry{e}) }); err != nil {
		return nil, err
	}
	return e.object()
}

// newEntry makes an entry of a body.
func (s *Service) newEntry(c *api.Call, namespace string, k entryKind, raw json.RawMessage) (*Entry, error) {
	name, body, err := k.take(c, raw)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(body)
	now := s.clock()
	return &Entry{ID: cloud.NewID(), Namespace: namespace, Kind: k.kind, Name: name, Body: text, CreatedAt: now, UpdatedAt: now}, err
}

// addEntries inserts entries; types of resources that nobody has named before
// are known from then on.
func (s *Service) addEntries(ctx context.Context, tx *store.Tx, list []*Entry) error {
	for _, e := range list {
		err := s.entries.In(tx).Insert(ctx, e)
		if cloud.IsConflict(err) {
			return cloud.Conflict("The metadata definition %s %s exists already in namespace %s.", e.Kind, e.Name, e.Namespace).Because(err)
		}
		if err != nil {
			return err
		}
		if e.Kind != kindAssociation {
			continue
		}
		if _, err := tx.ExecContext(ctx, "INSERT IGNORE INTO metadef_resource_types (name, created_at, updated_at) VALUES (?, ?, ?)",
			e.Name, e.CreatedAt, e.UpdatedAt); err != nil {
			return err
		}
	}
	return nil
}

// putEntry answers PUT of one: all of it is replaced, the name too.
func (s *Service) putEntry(ctx context.Context, c *api.Call, n *Namespace, k entryKind) (any, error) {
	e, err := s.entry(ctx, c, n, k)
	if err != nil {
		return nil, err
	}
	fresh, err := s.newEntry(c, n.Namespace, k, c.Body())
	if err != nil {
		return nil, err
	}
	e.Name, e.Body, e.UpdatedAt = fresh.Name, fresh.Body, fresh.UpdatedAt
	if err := s.entries.Update(ctx, e); err != nil {
		return nil, err
	}
	return e.object()
}

// mayDrop keeps what is in a protected namespace.
func (n *Namespace) mayDrop() error {
	if n.Protected {
		return cloud.Forbidden("Metadata definition namespace %s is protected; nothing in it can be deleted.", n.Namespace)
	}
	return nil
}

func (s *Service) dropEntry(ctx context.Context, c *api.Call, n *Namespace, k entryKind) (any, error) {
	if err := n.mayDrop(); err != nil {
		return nil, err
	}
	e, err := s.entry(ctx, c, n, k)
	if err != nil {
		return nil, err
	}
	_, err = s.entries.Delete(ctx, store.Eq("id", e.ID))
	return nil, err
}

func (s *Service) dropEntries(ctx context.Context, _ *api.Call, n *Namespace, k entryKind) (any, error) {
	if err := n.mayDrop(); err != nil {
		return nil, err
	}
	_, err := s.entries.Delete(ctx, ofKind(n, k)...)
	return nil, err
}
