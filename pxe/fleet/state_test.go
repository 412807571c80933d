package fleet

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// table is what may follow what, once more and readable: rows are from,
// columns to. The code must agree with it in every cell.
const table = `
             seen booting inventoried matched checked installing enrolled ready failed
(none)       x    x
seen         x    x                                                             x
booting           x       x                                                     x
inventoried       x       x           x                                         x
matched           x       x           x       x                                 x
checked           x       x                   x       x                         x
installing        x                                   x          x              x
enrolled     x                                                   x        x     x
ready        x                                                            x     x
failed       x    x       x                                               x     x
`

func TestWhatMayFollowWhat(t *testing.T) {
	lines := strings.Split(strings.Trim(table, "\n"), "\n")
	head := lines[0]
	if got := len(strings.Fields(head)); got != len(States()) {
		t.Fatalf("the table has %d columns, there are %d states", got, len(States()))
	}
	for _, line := range lines[1:] {
		from := State(strings.Fields(line)[0])
		if from == "(none)" {
			from = ""
		}
		for _, to := range States() {
			at := strings.Index(head, " "+string(to)) + 1
			want := at < len(line) && line[at] == 'x'
			m := Machine{ID: "m", State: from, Reason: "old"}
			err := m.move(to, "why", time.Now)
			if (err == nil) != want {
				t.Errorf("%q to %q: got %v, want allowed %v", from, to, err, want)
			}
			if err != nil && (!errors.Is(err, ErrState) || m.State != from || m.Reason != "old") {
				t.Errorf("%q to %q: refused with %v, and the machine is now %s", from, to, err, m.State)
			}
		}
	}
}

func TestNothingInstalledGoesBackByItself(t *testing.T) {
	// From enrolled and ready only Reinstall leads back, by way of seen.
	for _, from := range []State{Enrolled, Ready} {
		for _, to := range next(from) {
			if !slices.Contains([]State{Ready, Failed, Seen}, to) {
				t.Errorf("%s may become %s", from, to)
			}
		}
	}
}

func TestHistoryIsBounded(t *testing.T) {
	m := Machine{State: Failed}
	for range 3 * historyLength {
		m.note("x", "", time.Now)
	}
	if len(m.History) != historyLength {
		t.Errorf("%d events are kept, want %d", len(m.History), historyLength)
	}
}
