package api_test

import (
	"context"
	"embed"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/quota"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

//go:embed testdata/migrations/*.sql
var testdata embed.FS

// A Stone is the example resource of the kit's tests: a thing of a project.
type Stone struct {
	ID        string            `json:"id"         db:"id,key"      api:"brief"`
	Name      string            `json:"name"       db:"name"        api:"create,update,required,name,brief,filter,sort"`
	ProjectID string            `json:"project_id" db:"project_id"  api:"filter,also=tenant_id"`
	Weight    int               `json:"weight"     db:"weight"      api:"create,default=1,min=1,max=1000,filter,sort"`
	Shape     string            `json:"shape"      db:"shape"       api:"create,update,default=round,oneof=round|flat"`
	Under     *string           `json:"under"      db:"under"       api:"create,update,uuid"`
	Marks     map[string]string `json:"marks"      db:"marks,json"  api:"create,update"`
	Status    string            `json:"status"     db:"status"      api:"filter"`
	Depth     int               `json:"depth"      db:"depth"       api:"create,since=2.5"`
	Shelf     string            `json:"shelf"      db:"shelf"       api:"admin,setadmin,create"`
	CreatedAt time.Time         `json:"created_at" db:"created_at"  api:"sort"`
}

// service is a whole service with one resource.
func service(t testing.TB) api.Service {
	db := apitest.Database(t, "compute", store.Source{Name: "stones", FS: sub(t)})
	stones := store.NewTable[Stone](db, "stones")
	return api.Service{
		Name: "compute", Path: "/compute", Version: "v2.1", Min: "2.1", Max: "2.9",
		Dialect: api.ComputeDialect(), DB: db, Quotas: quota.New(map[string]int64{"stones": 5}),
		Versions:  []api.VersionDocument{{ID: "v2.1", Status: "CURRENT", Min: "2.1", Max: "2.9"}},
		Resources: []api.Description{stone(stones)},
	}
}

func stone(rows *store.Table[Stone]) api.Resource[Stone] {
	return api.Resource[Stone]{
		Name: "stone", Path: "/stones", Noun: "Stone", Policy: "os_compute_api:stones",
		Quota: "stones", Detail: true, Links: true, Rows: rows,
		Creating: func(ctx context.Context, tx *store.Tx, c *api.Call, in *Stone) error {
			in.Status = "LYING"
			return tx.Publish(ctx, "stone", in.ID, in.Name)
		},
		Actions: []api.Action[Stone]{{
			Name: "lift",
			Do: func(ctx context.Context, c *api.Call, row *Stone) (any, error) {
				in, err := api.Decode[struct {
					Height int `json:"height" api:"required,min=1"`
				}](c)
				if err != nil {
					return nil, err
				}
				n, err := rows.Change(ctx, store.Set{"status": "LIFTED", "weight": in.Height},
					store.Eq("id", row.ID), store.Eq("status", "LYING"))
				if err == nil && n == 0 {
					err = cloud.Conflict("Stone %s is not lying.", row.ID)
				}
				return nil, err
			},
		}},
	}
}

func TestTranscripts(t *testing.T) {
	apitest.Play(t, "/compute/v2.1", "testdata/*.txt", func(t *testing.T) http.Handler {
		return apitest.Serve(t, service(t))
	})
}

func TestConform(t *testing.T) {
	s := service(t)
	h := apitest.Serve(t, s)
	for range 5 {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/compute/v2.1/stones", strings.NewReader(`{"stone": {"name": "x"}}`))
		r.Header.Set("X-Auth-Token", apitest.Token("root", "admin", "admin"))
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	apitest.Conform(t, h, s)
}

// Bodies that are too large, too deep, or two things at once are refused.
func TestHostileBodies(t *testing.T) {
	h := apitest.Serve(t, service(t))
	for what, c := range map[string]struct {
		body string
		want int
	}{
		"114,689 bytes":    {`{"stone": {"name": "` + strings.Repeat("x", 114_689) + `"}}`, 413},
		"deep":             {`{"stone": {"name": ` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}}`, 400},
		"two values":       {`{"stone": {"name": "x"}} {"stone": {"name": "y"}}`, 400},
		"the same twice":   {`{"stone": {"name": "x"}, "stone": {"name": "y"}}`, 400},
		"in another case":  {`{"stone": {"NAME": "x"}}`, 400},
		"not JSON":         {`{"stone"`, 400},
		"nothing":          {``, 400},
		"no object":        {`[]`, 400},
		"a zero character": {`{"stone": {"name": "a\u0000b"}}`, 400},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/compute/v2.1/stones", strings.NewReader(c.body))
		r.Header.Set("X-Auth-Token", apitest.Token("alice", "member", "alice"))
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != c.want {
			t.Errorf("%s: status %d, want %d: %s", what, w.Code, c.want, w.Body)
		}
	}
}
