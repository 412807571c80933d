package identity

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// Keystone's bounds of the tags of a project: characters of one, and how many.
const (
	maxTag  = 255
	maxTags = 80
)

// checkTags holds tags against the bounds.
func checkTags(tags []string) error {
	if len(tags) > maxTags {
		return cloud.BadRequest("tags has %d entries; allowed: at most %d", len(tags), maxTags)
	}
	for i, t := range tags {
		if n := utf8.RuneCountInString(t); n == 0 || n > maxTag || strings.ContainsAny(t, ",/") {
			return cloud.BadRequest("tags.%d is %q; allowed: 1 to %d characters other than comma and slash", i, t, maxTag)
		}
		if slices.Contains(tags[:i], t) {
			return cloud.BadRequest("tags.%d is %q; allowed: each tag once", i, t)
		}
	}
	return nil
}

// tagFilters are tags (all of them), tags-any (one of them) and their
// opposites.
func tagFilters() []api.Filter {
	filter := func(name, join, not string) api.Filter {
		return api.Filter{Name: name, Cond: func(_ context.Context, _ *api.Call, values []string) ([]store.Cond, error) {
			var terms []string
			var args []any
			for tag := range strings.SplitSeq(strings.Join(values, ","), ",") {
				terms = append(terms, "JSON_CONTAINS(tags, JSON_QUOTE(?))")
				args = append(args, tag)
			}
			return []store.Cond{store.Sub("id", "SELECT id FROM projects WHERE "+not+"("+strings.Join(terms, join)+")", args...)}, nil
		}}
	}
	return []api.Filter{
		filter("tags", " AND ", ""), filter("tags-any", " OR ", ""), filter("not-tags", " AND ", "NOT "), filter("not-tags-any", " OR ", "NOT "),
	}
}

func (s *Service) listTags(_ context.Context, c *api.Call, p *Project) (any, error) {
	tags := p.Tags
	if tags == nil {
		tags = []string{}
	}
	return map[string]any{"tags": tags, "links": listLinks(c)}, nil
}

func (s *Service) replaceTags(ctx context.Context, c *api.Call, p *Project) (any, error) {
	body, err := api.Decode[struct {
		Tags []string `json:"tags" api:"required"`
	}](c)
	if err != nil {
		return nil, err
	}
	if err := s.setTags(ctx, p, func([]string) ([]string, error) { return body.Tags, nil }); err != nil {
		return nil, err
	}
	return s.listTags(ctx, c, p)
}

func (s *Service) dropTags(ctx context.Context, _ *api.Call, p *Project) (any, error) {
	return nil, s.setTags(ctx, p, func([]string) ([]string, error) { return []string{}, nil })
}

func (s *Service) hasTag(_ context.Context, c *api.Call, p *Project) (any, error) {
	if !contains(p.Tags, c.Param("tag")) {
		return nil, cloud.NotFound("Could not find project tag: %s.", c.Param("tag"))
	}
	return nil, nil
}

func (s *Service) addTag(ctx context.Context, c *api.Call, p *Project) (any, error) {
	c.Header().Set("Location", c.URL("/projects/"+p.ID+"/tags/"+c.Param("tag")))
	return nil, s.setTags(ctx, p, func(old []string) ([]string, error) {
		if contains(old, c.Param("tag")) {
			return old, nil
		}
		return append(old, c.Param("tag")), nil
	})
}

func (s *Service) dropTag(ctx context.Context, c *api.Call, p *Project) (any, error) {
	return nil, s.setTags(ctx, p, func(old []string) ([]string, error) {
		i := slices.Index(old, c.Param("tag"))
		if i < 0 {
			return nil, cloud.NotFound("Could not find project tag: %s.", c.Param("tag"))
		}
		return slices.Delete(old, i, i+1), nil
	})
}

// setTags changes the tags of a project whose row it holds meanwhile.
func (s *Service) setTags(ctx context.Context, p *Project, f func(old []string) ([]string, error)) error {
	return s.change(ctx, func(tx *store.Tx) error {
		row, err := s.tables.projects.In(tx).Lock(ctx, p.ID)
		if err != nil {
			return err
		}
		if row.Options.immutable() {
			return cloud.Forbidden("Unable to update immutable project resource: `%s`. Set resource option \"immutable\" to false first.", p.ID)
		}
		if row.Tags, err = f(row.Tags); err != nil {
			return err
		}
		if err := checkTags(row.Tags); err != nil {
			return err
		}
		p.Tags = row.Tags
		return s.tables.projects.In(tx).Update(ctx, row, "tags")
	}, wrote(kindProject, p.ID))
}
