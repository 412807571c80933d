// Package tally counts what a deployer answers, refuses and drops, and says
// the latter in one line of the log per minute at most.
//
// A [Book] has a counter for each protocol and reason. Reasons are words of a
// closed list that the servers have; what only one packet had (a MAC, a path)
// is kept for the newest packet alone. The package imports nothing of ours.
package tally

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// pause is the time between two lines of the log.
const pause = time.Minute

// longest is how many bytes of a detail are kept.
const longest = 200

// A Count is how often one thing happened.
type Count struct {
	Protocol string    `json:"protocol"` // dhcp, tftp, http, ...
	What     string    `json:"what"`     // an answer, or the reason for none
	Refused  bool      `json:"refused"`  // refused or dropped
	Total    uint64    `json:"total"`
	Bytes    uint64    `json:"bytes,omitempty"` // that were sent, of what is counted in bytes too
	Last     time.Time `json:"last"`
	Detail   string    `json:"detail,omitempty"` // of the newest one
	said     uint64    // of Total, how many the log knows of
}

type key struct{ protocol, what string }

// A Book has all counts. Its methods may be called at once.
type Book struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex
	counts map[key]*Count // guarded by mu; so is the next
	spoke  time.Time      // when the log was last told
}

// New makes an empty book. now may be nil.
func New(log *slog.Logger, now func() time.Time) *Book {
	if now == nil {
		now = time.Now
	}
	return &Book{log: log, now: now, counts: map[key]*Count{}}
}

// For is the counter of one protocol.
func (b *Book) For(protocol string) Counter { return Counter{b, protocol} }

// A Counter counts for one protocol. The zero Counter counts nothing.
type Counter struct {
	book     *Book
	protocol string
}

// Pass counts an answer.
func (c Counter) Pass(what string) { c.add(what, "", false) }

// Refuse counts something that got no answer, or no good one. The first one
// after a quiet minute is said at once, those that follow at the end of it.
func (c Counter) Refuse(reason, detail string) { c.add(reason, detail, true) }

// Sent counts bytes that left.
func (c Counter) Sent(what string, bytes int64) {
	if c.book == nil || bytes < 0 {
		return
	}
	b := c.book
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.count(c.protocol, what, false)
	n.Total++
	n.Bytes += uint64(bytes)
	n.Last = b.now()
}

// Set takes over a total that somebody else counts of something dropped.
func (c Counter) Set(reason string, total uint64) {
	if c.book == nil || total == 0 {
		return
	}
	b := c.book
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.count(c.protocol, reason, true)
	if total > n.Total {
		n.Total, n.Last = total, b.now()
	}
}

func (b *Book) count(protocol, what string, refused bool) *Count {
	k := key{protocol, what}
	if b.counts[k] == nil {
		b.counts[k] = &Count{Protocol: protocol, What: what, Refused: refused}
	}
	return b.counts[k]
}

func (c Counter) add(what, detail string, refused bool) {
	if c.book == nil {
		return
	}
	b := c.book
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.count(c.protocol, what, refused)
	n.Total++
	n.Last, n.Detail = b.now(), clip(detail)
	if refused && n.Last.Sub(b.spoke) >= pause {
		b.say()
	}
}

// clip makes a detail, which strangers choose, one short line.
func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), longest)]
}

// say writes what the log does not know yet. The caller holds mu.
func (b *Book) say() {
	var attrs []any
	for _, n := range b.sorted() {
		if n.Refused && n.Total > n.said {
			attrs = append(attrs, n.Protocol+"."+n.What, fmt.Sprintf("%d (%s)", n.Total-n.said, cmp.Or(n.Detail, "no detail")))
			n.said = n.Total
		}
	}
	if len(attrs) == 0 {
		return
	}
	b.spoke = b.now()
	b.log.Info("refused or dropped", attrs...)
}

func (b *Book) sorted() []*Count {
	list := make([]*Count, 0, len(b.counts))
	for _, n := range b.counts {
		list = append(list, n)
	}
	slices.SortFunc(list, func(x, y *Count) int {
		return cmp.Or(cmp.Compare(x.Protocol, y.Protocol), cmp.Compare(x.What, y.What))
	})
	return list
}

// Run says what is left, a minute or two later, until the context ends, and
// then once more.
func (b *Book) Run(ctx context.Context) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			b.flush(true)
			return
		case <-tick.C:
			b.flush(false)
		}
	}
}

func (b *Book) flush(last bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if last || b.now().Sub(b.spoke) >= pause {
		b.say()
	}
}

// Counts lists all counts, by protocol, then by what they count.
func (b *Book) Counts() []Count {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]Count, 0, len(b.counts))
	for _, n := range b.sorted() {
		list = append(list, *n)
	}
	return list
}

// WriteMetrics writes the counts in the text format of Prometheus.
func (b *Book) WriteMetrics(w io.Writer) error {
	for _, refused := range []bool{false, true} {
		name, help := "cairn_deployer_answers_total", "Answers of the deployer, by protocol."
		if refused {
			name, help = "cairn_deployer_refused_total", "Packets and requests that were refused or dropped, by protocol and reason."
		}
		if _, err := fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s counter\n", name, help, name); err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
		for _, n := range b.Counts() {
			if n.Refused != refused {
				continue
			}
			if _, err := fmt.Fprintf(w, "%s{protocol=%q,what=%q} %d\n", name, n.Protocol, n.What, n.Total); err != nil {
				return fmt.Errorf("metrics: %w", err)
			}
		}
	}
	return b.writeBytes(w)
}

// writeBytes writes what is counted in bytes.
func (b *Book) writeBytes(w io.Writer) error {
	const name = "cairn_deployer_sent_bytes_total"
	text := ""
	for _, n := range b.Counts() {
		if n.Bytes > 0 && text == "" {
			text = fmt.Sprintf("# HELP %s Bytes that the deployer sent, by file.\n# TYPE %s counter\n", name, name)
		}
		if n.Bytes > 0 {
			text += fmt.Sprintf("%s{protocol=%q,what=%q} %d\n", name, n.Protocol, n.What, n.Bytes)
		}
	}
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}
