package fleet

import (
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// benchFleet is a fleet of real parts on a disk.
func benchFleet(b *testing.B) *Fleet {
	b.Helper()
	dir := b.TempDir()
	db, err := bbolt.Open(filepath.Join(dir, "fleet.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	r, err := plan.ParseRack([]byte("fleet: {parallel: 1000}\nfabric: {check: off}\n"))
	if err != nil {
		b.Fatal(err)
	}
	f, err := Open(Config{Dir: dir, DB: db, Rack: r, Version: "7", Addresses: &safeAddresses{a: addresses{}}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// safeAddresses are addresses that many ask for.
type safeAddresses struct {
	mu sync.Mutex
	a  addresses // guarded by mu
}

func (s *safeAddresses) Pin(mac string) (netip.Addr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.a[mac]; !ok {
		n := len(s.a)
		s.a[mac] = netip.AddrFrom4([4]byte{10, 20, byte(1 + n/256), byte(n)})
	}
	return s.a[mac], nil
}

func (s *safeAddresses) Address(mac string) (netip.Addr, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.a.Address(mac)
}

func (s *safeAddresses) Owner(x netip.Addr) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.a.Owner(x)
}

// bootTo takes a machine to its plan, as firmware, iPXE and installer do.
func bootTo(f *Fleet, n int) error {
	mac, id := fmt.Sprintf("52:54:00:01:%02x:%02x", n/256, n%256), fmt.Sprintf("5ca1e000-0000-4000-8000-%012x", n)
	a, err := f.conf.Addresses.Pin(mac)
	if err != nil {
		return err
	}
	for range 2 {
		if err := f.Discovered(mac, a, "bios"); err != nil {
			return err
		}
	}
	d, err := f.Boot(Boot{MAC: mac, UUID: id, Firmware: "bios", From: a})
	if err != nil {
		return err
	}
	inv := inventory(mac, id)
	inv.NICs[1].MAC = fmt.Sprintf("52:54:00:02:%02x:%02x", n/256, n%256)
	answer, err := f.Inventory(d.Ticket, id, inv)
	if err == nil && answer.Plan == nil {
		err = fmt.Errorf("machine %d has no plan: %+v", n, answer)
	}
	return err
}
