package agent

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cairn-cloud/cairn/node/spec"
)

// A round that a deployer gives to a node and what the node makes of it.
func TestReferenceTakesPart(t *testing.T) {
	asked, reported := make(chan string, 10), make(chan spec.FabricReport, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			var report spec.FabricReport
			if err := json.NewDecoder(r.Body).Decode(&report); err != nil {
				t.Error(err)
			}
			reported <- report
			w.WriteHeader(http.StatusNoContent)
			return
		}
		asked <- r.URL.String()
		if r.FormValue("after") == "0" {
			_, _ = w.Write([]byte(`{"round":3,"trunk":"52:54:00:00:00:99","management":"52:54:00:00:00:98","address":"10.0.0.1","vlans":[100],"mtu":1500,"seconds":1}`))
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer s.Close()
	var order spec.FabricOrder
	r := &reference{base: referenceURL(s.URL, "n 1"), trunk: "52:54:00:00:00:01", http: s.Client(), retry: time.Hour, log: slog.New(slog.DiscardHandler),
		probe: func(_ context.Context, o spec.FabricOrder) (spec.FabricReport, error) {
			order = o
			return spec.FabricReport{Round: o.Round, SpeedMbps: 10}, nil
		}}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.run(ctx) }()
	if got := <-asked; got != "/v1/nodes/n%201/fabric?after=0" {
		t.Errorf("asked for %s", got)
	}
	if got := <-reported; got.Round != 3 || got.SpeedMbps != 10 {
		t.Errorf("reported %+v", got)
	}
	if got := <-asked; got != "/v1/nodes/n%201/fabric?after=3" {
		t.Errorf("asked for %s", got)
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	want := spec.FabricOrder{Round: 3, Trunk: "52:54:00:00:00:01", VLANs: []int{100}, MTU: 1500, Seconds: 1}
	if diff := cmp.Diff(want, order, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("probed for another round than the order: %s", diff)
	}
}

// What a deployer cannot ask for, and answers that are none.
func TestReferenceRefuses(t *testing.T) {
	for answer, want := range map[string]string{
		`{"round":3,"seconds":3600,"mtu":1500}`:                 "fabric order: seconds is 3600; allowed: 1 to 60",
		`{"round":3,"seconds":8,"mtu":70000}`:                   "fabric order: mtu is 70000; allowed: 576 to 9216 bytes",
		`{"round":3,"seconds":8,"mtu":1500,"vlans":[100,4095]}`: "fabric order: VLAN 4095; allowed: 1 to 4094",
		`no`: "invalid character 'o' in literal null (expecting 'u')",
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
		r := &reference{base: s.URL, http: s.Client(), log: slog.New(slog.DiscardHandler)}
		if _, err := r.once(t.Context(), 0); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", answer, err, want)
		}
		s.Close()
	}
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	r := &reference{base: s.URL, http: s.Client(), log: slog.New(slog.DiscardHandler)}
	if _, err := r.once(t.Context(), 0); err == nil || err.Error() != "the deployer answers 404 Not Found: 404 page not found" {
		t.Errorf("got %v", err)
	}
}
