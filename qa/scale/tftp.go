package scale

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Operations of TFTP (RFC 1350, RFC 2347).
const (
	tftpRead  = 1
	tftpData  = 3
	tftpAck   = 4
	tftpError = 5
	tftpOAck  = 6
)

const blockSize = 1428 // that fits into one Ethernet frame

// fetch reads a file over TFTP from the machine's own address, as a ROM does,
// and returns how many bytes it has.
func fetch(ctx context.Context, from, server netip.Addr, name string) (int, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: from.AsSlice()})
	if err != nil {
		return 0, fmt.Errorf("TFTP: %w", err)
	}
	defer func() { _ = conn.Close() }() // a socket of ours
	first := fmt.Appendf([]byte{0, tftpRead}, "%s\x00octet\x00blksize\x00%d\x00tsize\x000\x00", name, blockSize)
	to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(server, 69))
	out, total, block := first, 0, uint16(0)
	buf := make([]byte, 4+blockSize)
	for tries := 0; ; {
		if _, err := conn.WriteToUDP(out, to); err != nil {
			return total, fmt.Errorf("TFTP: %w", err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
			return total, fmt.Errorf("TFTP: %w", err)
		}
		n, peer, err := conn.ReadFromUDP(buf)
		if err != nil {
			if tries++; tries > 30 || ctx.Err() != nil {
				return total, fmt.Errorf("TFTP: %s: nothing came for a minute: %w", name, err)
			}
			continue
		}
		if n < 4 {
			continue
		}
		tries, to = 0, peer
		switch got := binary.BigEndian.Uint16(buf[2:]); buf[1] {
		case tftpOAck:
			out = []byte{0, tftpAck, 0, 0}
		case tftpError:
			return total, fmt.Errorf("TFTP: %s: %s", name, buf[4:n])
		case tftpData:
			if got == block+1 {
				block, total = got, total+n-4
			}
			out = binary.BigEndian.AppendUint16([]byte{0, tftpAck}, block)
			if n-4 < blockSize {
				_, err := conn.WriteToUDP(out, to)
				return total, err
			}
		}
	}
}
