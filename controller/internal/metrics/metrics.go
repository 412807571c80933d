// Package metrics counts and times requests for Prometheus. Labels are words
// of the descriptions: the pattern of a route, never a path, so that there are
// as many series as there are operations, whatever clients ask for.
//
// It imports api; the root of the controller joins it to the API.
package metrics

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/cairn-cloud/cairn/controller/internal/api"
)

// A Registry holds the figures of one controller.
type Registry struct {
	registry *prometheus.Registry
	took     *prometheus.HistogramVec
	answers  *prometheus.CounterVec
	bytes    *prometheus.CounterVec
	refused  *prometheus.CounterVec
}

// buckets are seconds: from an answer out of memory to the end of patience.
var buckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60}

// New makes the figures, with those of the process and of Go's runtime.
func New() *Registry {
	route := []string{"service", "method", "route"}
	r := &Registry{
		registry: prometheus.NewRegistry(),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cairn_http_request_seconds", Help: "Time from the head of a request to the end of its answer.", Buckets: buckets,
		}, route),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cairn_http_answers_total", Help: "Answers by status.",
		}, append(route, "status")),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cairn_http_answer_bytes_total", Help: "Bytes of the bodies of answers.",
		}, []string{"service"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cairn_policy_refusals_total", Help: "Requests that a rule did not allow.",
		}, []string{"service", "rule"}),
	}
	r.registry.MustRegister(r.took, r.answers, r.bytes, r.refused,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// UnderWay adds the figure of requests that are not answered yet.
func (r *Registry) UnderWay(n func() int64) {
	r.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "cairn_http_requests_under_way", Help: "Requests that are not answered yet.",
	}, func() float64 { return float64(n()) }))
}

// none stands for a path that no route has.
const none = "none"

// Tell counts a request that was answered.
func (r *Registry) Tell(d *api.Done) {
	service, method, route := d.Service, d.Method, d.Route
	if service == "" {
		service = none
	}
	if route == "" {
		route = none
	}
	r.took.WithLabelValues(service, method, route).Observe(d.Took.Seconds())
	r.answers.WithLabelValues(service, method, route, strconv.Itoa(d.Status)).Inc()
	r.bytes.WithLabelValues(service).Add(float64(d.Bytes))
	if d.Refused != "" {
		r.refused.WithLabelValues(service, d.Refused).Inc()
	}
}

// Handler serves the figures as text.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}
