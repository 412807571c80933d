package httpboot

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// running is a fleet with a round for whoever has not been in it.
type running struct{ machines }

func (m *running) NodeOrder(ctx context.Context, node string, after int) (*plan.FabricOrder, error) {
	if after == 4 {
		<-ctx.Done()
		return nil, nil
	}
	return &plan.FabricOrder{Round: 4}, m.say("order", node, after)
}

func (m *running) NodeFabric(node string, r plan.FabricReport) error {
	return m.say("report", node, r.Round)
}

func TestNodeAPI(t *testing.T) {
	for _, c := range []struct {
		method, path, body, cn, unit string
		code                         int
		asked, answer                string
	}{
		{"GET", "/v1/nodes/n1/fabric?after=3", "", "node-n1", "node", 200, "order n1 3", `{"round":4`},
		{"POST", "/v1/nodes/n1/fabric", `{"round":4}`, "node-n1", "node", 204, "report n1 4", ""},
		{"GET", "/v1/nodes/n1/fabric", "", "node-n1", "node", 400, "", `after is \"\"; allowed: the number of a round, or 0`},
		{"POST", "/v1/nodes/n1/fabric", `{`, "node-n1", "node", 400, "", `{"error":"request body`},
		{"GET", "/v1/nodes/n1/fabric?after=3", "", "node-n2", "node", 403, "", `the client certificate is for \"node-n2\"; allowed: that of node n1`},
		{"GET", "/v1/nodes/n1/fabric?after=3", "", "node-n1", "service", 403, "", "allowed: that of node n1"},
		{"POST", "/v1/nodes/n1/fabric", `{"round":4}`, "operator", "service", 403, "", "allowed: that of node n1"},
		{"GET", "/v1/nodes/n1/fabric?after=3", "", "", "", 403, "", "no client certificate of the cluster's CA; needed: that of node n1"},
	} {
		m := &running{}
		w := httptest.NewRecorder()
		NodeAPI(m, slog.New(slog.DiscardHandler)).ServeHTTP(w, request(c.method, c.path, c.body, c.cn, c.unit))
		if w.Code != c.code || m.asked != c.asked || !strings.Contains(w.Body.String(), c.answer) {
			t.Errorf("%s %s: got %d, asked %q, answer %s; want %d, %q, %s", c.method, c.path, w.Code, m.asked, w.Body, c.code, c.asked, c.answer)
		}
	}
}

// TestNodeOrderEndsInTime: a node that waits for nothing is told so.
func TestNodeOrderEndsInTime(t *testing.T) {
	r := request("GET", "/v1/nodes/n1/fabric?after=4", "", "node-n1", "node")
	r.SetPathValue("id", "n1")
	if o, err := nodeOrder(r, &running{}, time.Millisecond); o != nil || err != nil {
		t.Errorf("got %v, %v", o, err)
	}
}
