package api

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"
)

// mountVersions serves the version documents. They need no token and name the
// host that the client used.
func (b *bound) mountVersions(r chi.Router) {
	s := b.service
	if len(s.Versions) == 0 {
		return
	}
	list := func(status int) http.HandlerFunc {
		return b.handler(handling{public: true}, func(ctx context.Context, c *Call) error {
			docs := make([]map[string]any, len(s.Versions))
			for i := range s.Versions {
				docs[i] = c.versionDocument(&s.Versions[i])
			}
			return c.JSON(status, s.Dialect.RootBody(docs))
		})
	}
	one := b.handler(handling{public: true}, func(ctx context.Context, c *Call) error {
		doc := c.versionDocument(&s.Versions[0])
		if s.Dialect.VersionDoc != nil {
			return c.JSON(http.StatusOK, s.Dialect.VersionDoc(c, doc))
		}
		return c.JSON(http.StatusOK, map[string]any{"version": doc})
	})
	r.Get("/", list(s.Dialect.RootStatus))
	r.Get("/versions", list(http.StatusOK))
	r.Get("/"+s.Version, one)
	r.Get("/"+s.Version+"/", one)
}

// versionDocument is one version as the list has it.
func (c *Call) versionDocument(d *VersionDocument) map[string]any {
	m := map[string]any{
		"id": d.ID, "status": d.Status,
		"links": []map[string]string{{"rel": "self", "href": c.Base() + "/" + orElse(d.Path, d.ID+"/")}},
	}
	if d.Updated != "" {
		m["updated"] = d.Updated
	}
	if d.Max != "" {
		m["version"], m["min_version"] = d.Max, d.Min
	}
	if d.MediaType != "" {
		m["media-types"] = []map[string]string{{"base": "application/json", "type": d.MediaType}}
	}
	return m
}
