package metrics

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/api"
)

func page(t *testing.T, r *Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestFigures(t *testing.T) {
	r := New()
	r.UnderWay(func() int64 { return 3 })
	r.Tell(&api.Done{Service: "compute", Method: "GET", Route: "/compute/v2.1/servers/{id}", Path: "/compute/v2.1/servers/1", Status: 200, Took: 3 * time.Millisecond, Bytes: 7})
	r.Tell(&api.Done{Service: "compute", Method: "GET", Route: "/compute/v2.1/servers/{id}", Status: 403, Refused: "os_compute_api:servers:show"})
	text := page(t, r)
	for _, want := range []string{
		`cairn_http_answers_total{method="GET",route="/compute/v2.1/servers/{id}",service="compute",status="200"} 1`,
		`cairn_http_request_seconds_bucket{method="GET",route="/compute/v2.1/servers/{id}",service="compute",le="0.005"} 2`,
		`cairn_http_answer_bytes_total{service="compute"} 7`,
		`cairn_policy_refusals_total{rule="os_compute_api:servers:show",service="compute"} 1`,
		"cairn_http_requests_under_way 3", "go_goroutines",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// What clients write makes no series.
func TestSeriesAreBounded(t *testing.T) {
	r := New()
	for i := range 1000 {
		r.Tell(&api.Done{Method: "GET", Path: fmt.Sprint("/", i), Status: 404})
	}
	if n := strings.Count(page(t, r), "cairn_http_answers_total{"); n != 1 {
		t.Errorf("%d series for 1000 paths that nobody has", n)
	}
}

func BenchmarkTell(b *testing.B) {
	r := New()
	d := &api.Done{Service: "compute", Method: "GET", Route: "/compute/v2.1/servers/{id}", Status: 200, Took: time.Millisecond}
	for b.Loop() {
		r.Tell(d)
	}
}
