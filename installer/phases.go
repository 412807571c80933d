package installer

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// Phases of an installation, as the deployer knows them.
const (
	phasePartition = "partition"
	phaseWrite     = "write"
	phaseVerify    = "verify"
	phaseConfigure = "configure"
	phaseEnrol     = "enrol"
	phaseHandover  = "handover"
	phaseFailed    = "failed"
)

// phases keeps the time of each phase, and shows progress at most once a
// second: a serial line is slow.
type phases struct {
	print  func(format string, args ...any)
	report func(plan.Progress) // to the deployer; may be nil
	now    func() time.Time

	mu      sync.Mutex // guards what follows
	rows    []row
	shown   time.Time
	current plan.Progress
}

// A row is one phase in the table at the end.
type row struct {
	name  string
	began time.Time
	took  time.Duration
	bytes int64
}

func newPhases(print func(string, ...any), report func(plan.Progress)) *phases {
	return &phases{print: print, report: report, now: time.Now}
}

// begin ends the phase before and starts one.
func (p *phases) begin(name, detail string) {
	p.mu.Lock()
	now := p.now()
	p.end(now)
	p.rows = append(p.rows, row{name: name, began: now})
	p.current, p.shown = plan.Progress{Phase: name, Detail: detail}, now
	current := p.current
	p.mu.Unlock()
	p.print("%-10s %s", name, detail)
	p.tell(current)
}

func (p *phases) end(now time.Time) {
	if n := len(p.rows); n > 0 {
		p.rows[n-1].took = now.Sub(p.rows[n-1].began)
	}
}

// move says how many bytes of the phase are done.
func (p *phases) move(done, total int64) {
	p.mu.Lock()
	now := p.now()
	last := &p.rows[len(p.rows)-1]
	last.bytes = max(last.bytes, done)
	p.current.Done, p.current.Total = last.bytes, total
	if now.Sub(p.shown) < time.Second {
		p.mu.Unlock()
		return
	}
	p.shown = now
	line, current := p.line(*last, now.Sub(last.began), total), p.current
	p.mu.Unlock()
	p.print("%s", line)
	p.tell(current)
}

func (p *phases) tell(c plan.Progress) {
	if p.report != nil {
		p.report(c)
	}
}

const megabyte = 1e6

// line draws one line of progress.
func (p *phases) line(r row, took time.Duration, total int64) string {
	const width = 24
	full := int(min(r.bytes, total) * width / max(total, 1))
	rate := float64(r.bytes) / megabyte / max(took.Seconds(), 0.001)
	eta := "?"
	if rate > 0 {
		eta = (time.Duration(float64(total-r.bytes)/megabyte/rate*1000) * time.Millisecond).Round(time.Second).String()
	}
	return fmt.Sprintf("%-10s [%s%s] %3d%%  %5.0f of %.0f MB  %6.1f MB/s  ETA %s", r.name,
		strings.Repeat("#", full), strings.Repeat(".", width-full), min(r.bytes, total)*100/max(total, 1),
		float64(r.bytes)/megabyte, float64(total)/megabyte, rate, eta)
}

// table is what took how long.
func (p *phases) table() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.end(p.now())
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-12s %9s %9s %10s\n", "phase", "seconds", "MB", "MB/s")
	var total time.Duration
	for _, r := range p.rows {
		total += r.took
		fmt.Fprintf(&b, "%-12s %9.1f", r.name, r.took.Seconds())
		if r.bytes > 0 {
			fmt.Fprintf(&b, " %9.0f %10.1f", float64(r.bytes)/megabyte, float64(r.bytes)/megabyte/max(r.took.Seconds(), 0.001))
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "%-12s %9.1f\n", "total", total.Seconds())
	return b.String()
}
