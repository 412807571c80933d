package fleet

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	berrors "go.etcd.io/bbolt/errors"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// writes is how many pages the database has written.
func (k *rack) writes() int64 {
	stats := k.conf.DB.Stats()
	return stats.TxStats.GetWrite()
}

// TestWhatCannotBeKeptIsTakenBack: nobody is told of what is not on disk, and
// the next one decides on what is.
func TestWhatCannotBeKeptIsTakenBack(t *testing.T) {
	k := newRack(t, nil)
	d := k.boot(mac1, id1)
	k.inventory(d.Ticket, mac1, id1)
	k.progress(d.Ticket, id1, "partition")
	before := k.state(id1, Installing)
	if err := k.conf.DB.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Enrol(d.Ticket, id1, plan.EnrolRequest{CSR: csr(t)}); !errors.Is(err, berrors.ErrDatabaseNotOpen) {
		t.Errorf("enrolment without a database: %v", err)
	}
	if err := k.Discovered(mac2, netip.Addr{}, "bios"); !errors.Is(err, berrors.ErrDatabaseNotOpen) {
		t.Errorf("a new machine without a database: %v", err)
	}
	if all := k.Machines(); len(all) != 1 || all[0].State != before.State || all[0].Node != nil {
		t.Errorf("shown: %+v", all)
	}
	k.conf.DB = nil
	k.open()
	k.enrol(d.Ticket, id1)
	k.state(id1, Enrolled)
}

// TestManyAtOnce: what was said to anybody is there after a restart, and many
// who come at once share their writes.
func TestManyAtOnce(t *testing.T) {
	const machines = 200
	k := newRack(t, nil)
	writes := k.writes()
	var wg sync.WaitGroup
	for n := range machines {
		wg.Go(func() {
			if err := k.Discovered(fmt.Sprintf("52:54:00:00:01:%02x", n), netip.AddrFrom4([4]byte{10, 20, 1, byte(n)}), "bios"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	writes = k.writes() - writes
	t.Logf("%d machines in %d writes of pages", machines, writes)
	k.open()
	if n := len(k.Machines()); n != machines {
		t.Errorf("%d of %d machines are known after a restart", n, machines)
	}
}

// TestAskingAgainWritesNothing: machines that wait ask every few seconds.
func TestAskingAgainWritesNothing(t *testing.T) {
	k := newRack(t, func(c *Config) { c.Rack.Approve = plan.ApproveManual })
	d := k.boot(mac1, id1)
	k.inventory(d.Ticket, mac1, id1)
	writes := k.writes()
	for range 10 {
		if a, err := k.Plan(d.Ticket, id1); err != nil || a.Wait == "" {
			t.Fatalf("got %+v, %v", a, err)
		}
	}
	if n := k.writes() - writes; n != 0 {
		t.Errorf("%d writes of pages", n)
	}
}

func TestChangesOutsideAreRefused(t *testing.T) {
	k := newRack(t, nil)
	k.boot(mac1, id1)
	if err := k.change(k.find(id1), func(*record) error { return nil }); !errors.Is(err, errOutside) {
		t.Errorf("got %v", err)
	}
}

// TestASecondDeployChangesNothing: machines are told the same, and installed
// ones are left alone.
func TestASecondDeployChangesNothing(t *testing.T) {
	k := newRack(t, nil)
	k.install(mac1, id1)
	d := k.boot(mac2, id2)
	answer := k.inventory(d.Ticket, mac2, id2)
	for range 2 {
		k.open()
		if again := k.boot(mac1, id1); again.Do != DoDisk {
			t.Errorf("the installed machine is told to %s", again.Do)
		}
		a, err := k.Plan(d.Ticket, id2)
		if err != nil || a.Plan == nil || a.Plan.HostName != answer.Plan.HostName {
			t.Errorf("the other one's plan is %+v, %v; want that of before", a, err)
		}
	}
	k.progress(d.Ticket, id2, "partition")
	k.enrol(d.Ticket, id2)
}

// BenchmarkBoots is how many machines a second go from their first packet to a
// plan, when 500 do at once and the disk is a real one.
func BenchmarkBoots(b *testing.B) {
	const machines = 500
	for b.Loop() {
		b.StopTimer()
		f := benchFleet(b)
		b.StartTimer()
		var wg sync.WaitGroup
		for n := range machines {
			wg.Go(func() {
				if err := bootTo(f, n); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
	}
	b.ReportMetric(float64(machines*b.N)/b.Elapsed().Seconds(), "plans/s")
}
