package swarm

import (
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// BenchmarkAlone is how fast a machine writes that installs alone, as one of a
// swarm and as one that knows of none, turn by turn, so that a busy host slows
// both.
func BenchmarkAlone(b *testing.B) {
	s := newSite(b, 40)
	var with, without time.Duration
	for n := 0; b.Loop(); n++ {
		m, err := s.box(b.Context(), n+1)
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if err := m.write(b.Context()); err != nil {
			b.Fatal(err)
		}
		with += time.Since(began)
		m.end()
		if err := m.blank(); err != nil {
			b.Fatal(err)
		}
		began = time.Now()
		if err := m.plainly(b.Context()); err != nil {
			b.Fatal(err)
		}
		without += time.Since(began)
		m.client.Progress(b.Context(), plan.Progress{Phase: "failed", Detail: "the next one is alone too"})
	}
	mb := float64(len(s.root)) * float64(b.N) / 1e6
	b.ReportMetric(mb/with.Seconds(), "MB/s")
	b.ReportMetric(mb/without.Seconds(), "plain-MB/s")
	b.ReportMetric(100*without.Seconds()/with.Seconds(), "%-of-plain")
}
