package httpboot

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/fleet"
)

// Nodes is what nodes that run may do. *fleet.Fleet is one.
type Nodes interface {
	NodeOrder(ctx context.Context, node string, after int) (*plan.FabricOrder, error)
	NodeFabric(node string, report plan.FabricReport) error
}

// nodePatience is how long a node's question waits for an answer, well below
// the time that an answer may take.
const nodePatience = writeTime / 2

// NodeAPI makes the handler of what nodes ask with their own certificates. The
// server has to be set up as for [API].
func NodeAPI(nodes Nodes, log *slog.Logger) http.Handler {
	a := api{log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/nodes/{id}/fabric", a.returning(func(r *http.Request) (any, error) {
		return nodeOrder(r, nodes, nodePatience)
	}))
	mux.HandleFunc("POST /v1/nodes/{id}/fabric", a.returning(func(r *http.Request) (any, error) {
		id, err := nodeOf(r)
		if err != nil {
			return nil, err
		}
		report, err := body[plan.FabricReport](r)
		if err != nil {
			return nil, err
		}
		return nil, nodes.NodeFabric(id, report)
	}))
	return mux
}

// nodeOrder answers when there is a round for the node, or has nothing to say.
func nodeOrder(r *http.Request, nodes Nodes, patience time.Duration) (any, error) {
	id, err := nodeOf(r)
	if err != nil {
		return nil, err
	}
	after, err := strconv.Atoi(r.FormValue("after"))
	if err != nil {
		return nil, fmt.Errorf("%w: after is %q; allowed: the number of a round, or 0", errBody, r.FormValue("after"))
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	order, err := nodes.NodeOrder(ctx, id, after)
	if err != nil || order == nil {
		return nil, err
	}
	return order, nil
}

// nodeOf is the node that asks, by its certificate: nobody speaks for another
// one.
func nodeOf(r *http.Request) (string, error) {
	id := r.PathValue("id")
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return "", fmt.Errorf("%w: no client certificate of the cluster's CA; needed: that of node %s", fleet.ErrDenied, id)
	}
	subject := r.TLS.VerifiedChains[0][0].Subject
	if subject.CommonName != pki.NodePrefix+id || !slices.Contains(subject.OrganizationalUnit, pki.UnitNode) {
		return "", fmt.Errorf("%w: the client certificate is for %q; allowed: that of node %s", fleet.ErrDenied, subject.CommonName, id)
	}
	return id, nil
}
