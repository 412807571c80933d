package image

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A Namespace holds definitions of metadata: what properties mean, which
// values they take, and what they can be put on. Nothing in the cloud depends
// on them; they are for people and dashboards.
type Namespace struct {
	Namespace    string                     `json:"namespace"                  db:"namespace,key" api:"create,required,name,max=80,sort"`
	DisplayName  *string                    `json:"display_name,omitempty"     db:"display_name"  api:"create,max=80"`
	Description  *string                    `json:"description,omitempty"      db:"description"   api:"create,max=500"`
	Visibility   string                     `json:"visibility"                 db:"visibility"    api:"create,default=private,oneof=public|private,filter"`
	Protected    bool                       `json:"protected"                  db:"protected"     api:"create"`
	Owner        string                     `json:"owner"                      db:"project_id"    api:"create,min=1,max=64,filter"`
	Associations []Association              `json:"resource_type_associations,omitempty"          api:"create,max=64"`
	Objects      []Object                   `json:"objects,omitempty"                             api:"create,max=128"`
	Properties   map[string]json.RawMessage `json:"properties,omitempty"                          api:"create,max=128"`
	Tags         []Tag                      `json:"tags,omitempty"                                api:"create,max=128"`
	CreatedAt    time.Time                  `json:"created_at"                 db:"created_at"    api:"sort"`
	UpdatedAt    time.Time                  `json:"updated_at"                 db:"updated_at"    api:"sort"`
	Self         string                     `json:"self"`
	Schema       string                     `json:"schema"`
}

// namespaceResource describes /metadefs/namespaces and what is below one.
func (s *Service) namespaceResource() api.Resource[Namespace] {
	r := api.Resource[Namespace]{
		Name: "metadef_namespace", Plural: "namespaces", Path: "/metadefs/namespaces", Key: "namespace", Noun: "metadata definition namespace",
		Flat: true, Read: policy.Anyone, Write: policy.Admin, Rows: s.namespaces, Scope: namespaceScope, Fill: s.fillNamespaces,
		Create: s.createNamespace, Deleting: deletingNamespace,
		Sort:    []store.Sort{{Column: "created_at", Desc: true}, {Column: "namespace"}},
		Filters: []api.Filter{{Name: "resource_types", Cond: byResourceTypes}},
		Below:   []api.Below[Namespace]{{Method: http.MethodPut, Rule: "modify_metadef_namespace", Access: policy.Admin, Do: s.putNamespace}},
	}
	for _, k := range entryKinds() {
		r.Below = append(r.Below, s.entriesBelow(k)...)
	}
	return r
}

// namespaceScope is what a caller may see: what is public or its project's.
func namespaceScope(_ context.Context, c *api.Call) ([]store.Cond, error) {
	if c.Caller.IsAdmin {
		return nil, nil
	}
	return []store.Cond{store.Or(store.Eq("visibility", "public"), store.Eq("project_id", c.Caller.ProjectID))}, nil
}

// byResourceTypes wants an association with one of the types of a list.
func byResourceTypes(_ context.Context, _ *api.Call, values []string) ([]store.Cond, error) {
	var any []store.Cond
	for _, name := range commaList(values) {
		any = append(any, store.Sub("namespace", "SELECT namespace FROM metadef_entries WHERE kind = 'resource_type' AND name = ?", name))
	}
	return []store.Cond{store.Or(any...)}, nil
}

// createNamespace adds a namespace with what the body brings along.
func (s *Service) createNamespace(ctx context.Context, c *api.Call, in *Namespace) (*Namespace, error) {
	if err := allowOwner(c, in.Owner); err != nil {
		return nil, err
	}
	entries, err := s.entriesOf(c, in)
	if err != nil {
		return nil, err
	}
	c.Header().Set("Location", c.URL("/metadefs/namespaces/"+url.PathEscape(in.Namespace)))
	return in, s.db.Transact(ctx, func(tx *store.Tx) error {
		err := s.namespaces.In(tx).Insert(ctx, in)
		if cloud.IsConflict(err) {
			return cloud.Conflict("The metadata definition namespace %s exists already.", in.Namespace).Because(err)
		}
		if err != nil {
			return err
		}
		return s.addEntries(ctx, tx, entries)
	})
}

func deletingNamespace(_ context.Context, _ *store.Tx, _ *api.Call, row *Namespace) error {
	if row.Protected {
		return cloud.Forbidden("Metadata definition namespace %s is protected and cannot be deleted.", row.Namespace)
	}
	return nil
}

// putNamespace answers PUT: what the body leaves out is as in a new one.
func (s *Service) putNamespace(ctx context.Context, c *api.Call, row *Namespace) (any, error) {
	in, err := api.Decode[struct {
		Namespace   string  `json:"namespace"    api:"required,name,max=80"`
		DisplayName *string `json:"display_name" api:"max=80"`
		Description *string `json:"description"  api:"max=500"`
		Visibility  string  `json:"visibility"   api:"default=private,oneof=public|private"`
		Protected   bool    `json:"protected"`
		Owner       *string `json:"owner"        api:"min=1,max=64"`
	}](c)
	if err != nil {
		return nil, err
	}
	old := row.Namespace
	row.Namespace, row.DisplayName, row.Description = in.Namespace, in.DisplayName, in.Description
	row.Visibility, row.Protected, row.UpdatedAt = in.Visibility, in.Protected, s.clock()
	if over(&row.Owner, in.Owner); in.Owner != nil {
		if err := allowOwner(c, row.Owner); err != nil {
			return nil, err
		}
	}
	_, err = s.namespaces.Change(ctx, store.Set{
		"namespace": row.Namespace, "display_name": row.DisplayName, "description": row.Description, "visibility": row.Visibility,
		"protected": row.Protected, "project_id": row.Owner, "updated_at": row.UpdatedAt,
	}, store.Eq("namespace", old))
	if err != nil {
		return nil, err
	}
	return c.Present(row, s.fillNamespaces(ctx, c, []*Namespace{row}))
}

// fillNamespaces adds the associations, and to a single namespace all that is
// in it.
func (s *Service) fillNamespaces(ctx context.Context, c *api.Call, rows []*Namespace) error {
	byName := map[string]*Namespace{}
	var names []string
	for _, r := range rows {
		r.Self, r.Schema = r.href(), "/v2/schemas/metadefs/namespace"
		r.Associations, r.Objects, r.Properties, r.Tags = nil, nil, nil, nil
		byName[r.Namespace] = r
		names = append(names, r.Namespace)
	}
	where := []store.Cond{store.In("namespace", names...)}
	if c.Op == api.OpList {
		where = append(where, store.Eq("kind", kindAssociation))
	}
	entries, err := s.entries.List(ctx, store.Query{Where: where, Sort: []store.Sort{{Column: "name"}}})
	if err != nil {
		return err
	}
	for i := range entries {
		if err := byName[entries[i].Namespace].take(&entries[i]); err != nil {
			return err
		}
	}
	return nil
}

// take adds an entry to what is shown.
func (n *Namespace) take(e *Entry) error {
	switch e.Kind {
	case kindAssociation:
		return appendBody(&n.Associations, e)
	case kindObject:
		return appendBody(&n.Objects, e)
	case kindTag:
		return appendBody(&n.Tags, e)
	default:
		if n.Properties == nil {
			n.Properties = map[string]json.RawMessage{}
		}
		n.Properties[e.Name] = e.Body
		return nil
	}
}

func appendBody[T any](list *[]T, e *Entry) error {
	var item T
	if err := json.Unmarshal(e.Body, &item); err != nil {
		return fmt.Errorf("%s %s of namespace %s: %w", e.Kind, e.Name, e.Namespace, err)
	}
	*list = append(*list, item)
	return nil
}

// commaList takes apart values that are lists with commas.
func commaList(values []string) []string {
	var list []string
	for _, v := range values {
		list = append(list, strings.Split(v, ",")...)
	}
	return list
}
