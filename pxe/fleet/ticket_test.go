package fleet

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/plan"
)

func TestTicketsThatAreRefused(t *testing.T) {
	k := newRack(t, nil)
	d1, d2 := k.boot(mac1, id1), k.boot(mac2, id2)
	earlier := d1.Ticket
	d1 = k.boot(mac1, id1)
	other := newRack(t, nil).boot(mac1, id1).Ticket
	used := k.install("52:54:00:00:00:03", "11111111-2222-4333-8444-555555555503")

	for name, c := range map[string]struct{ ticket, id, why string }{
		"none":              {"", id1, "did not sign"},
		"not a ticket":      {"1.2.3", id1, "did not sign"},
		"another deployer":  {other, id1, "did not sign"},
		"another machine's": {d2.Ticket, id1, "it is for machine " + id2},
		"earlier boot's":    {earlier, id1, "has booted again since"},
		"used up":           {used, "11111111-2222-4333-8444-555555555503", "used it up"},
		"changed MAC":       {strings.Replace(d1.Ticket, "525400000001", "525400000002", 1), id2, "did not sign"},
		"cut short":         {d1.Ticket[:len(d1.Ticket)-1], id1, "did not sign"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := k.Inventory(c.ticket, c.id, inventory(mac1, c.id))
			check(t, "inventory", err, c.why)
			_, err = k.Plan(c.ticket, c.id)
			check(t, "plan", err, c.why)
			_, err = k.Enrol(c.ticket, c.id, plan.EnrolRequest{CSR: csr(t)})
			check(t, "enrol", err, c.why)
			if name != "used up" { // an enrolled machine still says when it hands over
				check(t, "progress", k.Progress(c.ticket, c.id, plan.Progress{Phase: "write"}), c.why)
			}
		})
	}
	k.now = k.now.Add(k.Fleet.conf.TicketFor + time.Second)
	_, err := k.Inventory(d1.Ticket, id1, inventory(mac1, id1))
	check(t, "expired", err, "boot the machine from the network again")
}

func check(t *testing.T, what string, err error, why string) {
	t.Helper()
	if !errors.Is(err, ErrTicket) || !strings.Contains(err.Error(), why) {
		t.Errorf("%s: got %v, want a refused ticket because %q", what, err, why)
	}
}

func TestEveryChangedByteOfATicketIsRefused(t *testing.T) {
	k := newRack(t, nil)
	ticket := k.boot(mac1, id1).Ticket
	for i := range ticket {
		b := []byte(ticket)
		b[i] ^= 1
		if _, err := k.tickets.open(string(b), k.now); !errors.Is(err, ErrTicket) {
			t.Errorf("byte %d changed: got %v, want %v", i, err, ErrTicket)
		}
	}
}

func TestEnrolmentIsOnce(t *testing.T) {
	k := newRack(t, nil)
	d := k.boot(mac1, id1)
	k.inventory(d.Ticket, mac1, id1)
	k.progress(d.Ticket, id1, "partition")

	requests := make([]string, 50)
	for i := range requests {
		requests[i] = csr(t)
	}
	var mu sync.Mutex
	var won []plan.Enrolment
	var wonBy string
	var wg sync.WaitGroup
	for _, req := range requests {
		wg.Go(func() {
			e, err := k.Enrol(d.Ticket, id1, plan.EnrolRequest{CSR: req})
			if err != nil {
				if !errors.Is(err, ErrTicket) {
					t.Errorf("got %v, want %v", err, ErrTicket)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			won, wonBy = append(won, e), req
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d of %d enrolments with one ticket succeeded, want 1", len(won), len(requests))
	}
	// The answer was lost, the deployer was restarted, and the same request
	// comes again.
	k.open()
	again, err := k.Enrol(d.Ticket, id1, plan.EnrolRequest{CSR: wonBy})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(won[0], again, plainAddrs()); diff != "" {
		t.Errorf("the same request got another answer: %s", diff)
	}
}

func TestBadRequestDoesNotUseTheTicketUp(t *testing.T) {
	k := newRack(t, nil)
	d := k.boot(mac1, id1)
	k.inventory(d.Ticket, mac1, id1)
	k.progress(d.Ticket, id1, "partition")
	if _, err := k.Enrol(d.Ticket, id1, plan.EnrolRequest{CSR: "nonsense"}); !errors.Is(err, ErrDenied) {
		t.Errorf("got %v, want %v", err, ErrDenied)
	}
	k.state(id1, Installing)
	k.enrol(d.Ticket, id1)
}

func TestTicketKeyIsPrivateAndKept(t *testing.T) {
	k := newRack(t, nil)
	ticket := k.boot(mac1, id1).Ticket
	k.open()
	if _, err := k.Plan(ticket, id1); !errors.Is(err, ErrState) {
		t.Errorf("a ticket of before the restart: got %v, want %v", err, ErrState)
	}
	st, err := os.Stat(filepath.Join(k.conf.Dir, "ticket.key"))
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, want 0600", st.Mode().Perm())
	}
	if err := os.WriteFile(filepath.Join(k.conf.Dir, "ticket.key"), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(k.conf); err == nil {
		t.Error("a short key was accepted")
	}
}
