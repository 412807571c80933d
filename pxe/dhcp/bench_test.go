package dhcp

import (
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
	"go.etcd.io/bbolt"
)

// BenchmarkAnswers is how many packets a second one core answers, from a
// pool that knows the machines.
func BenchmarkAnswers(b *testing.B) {
	p, _ := newPool(b, nil)
	r, _ := newResponder(b, p)
	discover := sent(b, 1, dhcpv4.MessageTypeDiscover, ipxe(), firmware("PXEClient", iana.INTEL_X86PC))
	b.ReportAllocs()
	for b.Loop() {
		out, why := r.Handle(discover)
		if out == nil {
			b.Fatal(why)
		}
		out.ToBytes()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
}

// BenchmarkServe is the same over a socket of the loopback, with 64 packets
// under way.
func BenchmarkServe(b *testing.B) {
	p, _ := newPool(b, nil)
	r, _ := newResponder(b, p)
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go r.serve(b.Context(), server, r.Handle) // ends with the benchmark
	client, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	discover := sent(b, 1, dhcpv4.MessageTypeDiscover, ipxe(), firmware("PXEClient", iana.INTEL_X86PC))
	under, buf := 0, make([]byte, 1500)
	for b.Loop() {
		for ; under < 64; under++ {
			if _, err := client.WriteTo(discover, server.LocalAddr()); err != nil {
				b.Fatal(err)
			}
		}
		if err := client.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			b.Fatal(err)
		}
		if _, _, err := client.ReadFrom(buf); err != nil {
			b.Fatal(err)
		}
		under--
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
}

// BenchmarkNewMachines is how many machines a second get an address that they
// never had: DISCOVER, REQUEST, and a lease that is on the disk before the
// ACK. 256 ask at once.
func BenchmarkNewMachines(b *testing.B) {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	p, err := OpenPool(PoolConfig{DB: db, From: addr("10.64.0.1"), To: addr("10.127.255.254")})
	if err != nil {
		b.Fatal(err)
	}
	r, _ := newResponder(b, p)
	r.conf.Observer = nil
	var next atomic.Uint32
	one := func() {
		n := next.Add(1)
		mac := net.HardwareAddr{0x52, 0x54, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
		offer, why := r.Handle(sent(b, 1, dhcpv4.MessageTypeDiscover, ipxe(), dhcpv4.WithHwAddr(mac)))
		if offer == nil {
			b.Error(why)
			return
		}
		ack, why := r.Handle(sent(b, 1, dhcpv4.MessageTypeRequest, ipxe(), dhcpv4.WithHwAddr(mac), requesting(offer.YourIPAddr.String())))
		if ack == nil || ack.MessageType() != dhcpv4.MessageTypeAck {
			b.Error(shown(ack, why))
		}
	}
	const atOnce = 256
	for b.Loop() {
		var wg sync.WaitGroup
		for range atOnce {
			wg.Go(one)
		}
		wg.Wait()
	}
	b.ReportMetric(atOnce*float64(b.N)/b.Elapsed().Seconds(), "machines/s")
}
