package tftp

import (
	"net"
	"testing"
)

// BenchmarkTransfer is the speed of one client on the loopback, with blocks as
// firmware asks for them, against packets of that size which are acknowledged
// one by one and nothing else: what the protocol can reach here.
func BenchmarkTransfer(b *testing.B) {
	const block = 1428
	b.Run("tftp", func(b *testing.B) {
		addr := start(b, nil).addr
		b.SetBytes(int64(len(loader())))
		for b.Loop() {
			if _, _, err := receive(addr, file, block); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ping-pong", func(b *testing.B) {
		near, far := socket(b), socket(b)
		go func() { // ends when the socket is closed
			buf := make([]byte, 65536)
			for {
				_, from, err := far.ReadFromUDP(buf)
				if err != nil {
					return
				}
				if _, err := far.WriteToUDP(buf[:4], from); err != nil {
					return
				}
			}
		}()
		size := len(loader())
		b.SetBytes(int64(size))
		to := far.LocalAddr().(*net.UDPAddr)
		buf := make([]byte, 4+block)
		for b.Loop() {
			for range (size + block) / block {
				if _, err := near.WriteToUDP(buf, to); err != nil {
					b.Fatal(err)
				}
				if _, _, err := near.ReadFromUDP(buf[:4]); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func socket(b *testing.B) *net.UDPConn {
	b.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}
