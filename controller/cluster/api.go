package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/controller/internal/api"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/policy"
	"github.com/cairn-cloud/cairn/node/spec"
)

// ruleNodes lets somebody see the nodes.
const ruleNodes = "cluster:nodes:list"

// API is what users of the public port see: administrators may read.
func (s *Service) API() api.Service {
	return api.Service{
		Name: "cluster", Path: "/cluster", Version: "v1", Dialect: api.ClusterDialect(),
		Versions: []api.VersionDocument{{ID: "v1", Status: "CURRENT"}},
		DB:       s.DB,
		Routes: []api.Route{
			{Method: http.MethodGet, Path: "/nodes", Rule: ruleNodes, Handle: func(ctx context.Context, c *api.Call) error {
				list, err := s.List(ctx)
				if err != nil {
					return err
				}
				return c.JSON(http.StatusOK, map[string]any{"nodes": list})
			}},
			{Method: http.MethodGet, Path: "/nodes/{id}", Rule: ruleNodes, Handle: func(ctx context.Context, c *api.Call) error {
				n, err := s.Node(ctx, c.Param("id"))
				if err != nil {
					return err
				}
				return c.JSON(http.StatusOK, map[string]any{"node": n})
			}},
		},
		Rules: []policy.Rule{{Name: ruleNodes, Check: policy.AdminOrSystemReader, Doc: "See the nodes of the cluster."}},
	}
}

// writers are the common names of certificates that may read and change nodes
// on the node-facing port. The unit of a service's certificate is "service",
// that of a node's is "node".
var writers = []string{"deployer", "controller"}

// NodeHandler is /v1/nodes on the node-facing port, where TLS has checked the
// client's certificate already. Bodies are one node without an envelope.
func (s *Service) NodeHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /v1/nodes", s.guarded(func(w http.ResponseWriter, r *http.Request) error {
		list, err := s.List(r.Context())
		if err != nil {
			return err
		}
		return answer(w, map[string]any{"nodes": list})
	}))
	mux.Handle("GET /v1/nodes/{id}", s.guarded(func(w http.ResponseWriter, r *http.Request) error {
		n, err := s.Node(r.Context(), r.PathValue("id"))
		if err != nil {
			return err
		}
		return answer(w, n)
	}))
	mux.Handle("PUT /v1/nodes/{id}", s.guarded(func(w http.ResponseWriter, r *http.Request) error {
		var n spec.Node
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&n); err != nil {
			return cloud.BadRequest("The body is not a node manifest in JSON: %v", err)
		}
		if n.ID != r.PathValue("id") {
			return cloud.BadRequest("The manifest's id %q is not the path's %q.", n.ID, r.PathValue("id"))
		}
		if err := s.Register(r.Context(), n); err != nil {
			return err
		}
		view, err := s.Node(r.Context(), n.ID)
		if err != nil {
			return err
		}
		return answer(w, view)
	}))
	return mux
}

// guarded lets writers in and writes errors.
func (s *Service) guarded(h func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := error(cloud.Forbidden("This certificate may not see nodes; allowed: %s.", strings.Join(writers, ", ")))
		if mayWrite(r) {
			err = h(w, r)
		}
		if err == nil {
			return
		}
		code, message := http.StatusInternalServerError, "internal error"
		if e, ok := errors.AsType[*cloud.Error](err); ok {
			message = e.Message
			switch e.Kind {
			case cloud.KindBadRequest:
				code = http.StatusBadRequest
			case cloud.KindForbidden:
				code = http.StatusForbidden
			case cloud.KindNotFound:
				code = http.StatusNotFound
			case cloud.KindConflict:
				code = http.StatusConflict
			}
		}
		s.Log.Info("node request refused", "method", r.Method, "path", r.URL.Path, "status", code, "error", err)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": code, "message": message}}) // the client has gone
	})
}

// mayWrite tells whether the request's certificate is a writer's.
func mayWrite(r *http.Request) bool {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return false
	}
	subject := r.TLS.VerifiedChains[0][0].Subject
	return slices.Equal(subject.OrganizationalUnit, []string{"service"}) && slices.Contains(writers, subject.CommonName)
}

func answer(w http.ResponseWriter, body any) error {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the client has gone: nobody to tell
	return nil
}
