package fabric

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A socket sends and receives whole frames on one card.
type socket struct {
	fd   int
	card *net.Interface
}

// open makes a socket that gets every probe on the card, whatever its tag,
// but no frame of this machine's own.
func open(card *net.Interface) (*socket, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	s := &socket{fd, card}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("packet socket on %s: %w", card.Name, err), s.close())
	}
	return s, nil
}

func (s *socket) prepare() error {
	filter := []unix.SockFilter{ // load the type; if it is ours keep all of it, else nothing
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 12},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: etherType, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 16},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	return errors.Join(
		unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}),
		unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1), // the tag, which the kernel takes off
		unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		// A card that filters tags lets all of them in when it is promiscuous.
		unix.SetsockoptPacketMreq(s.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
			&unix.PacketMreq{Ifindex: int32(s.card.Index), Type: unix.PACKET_MR_PROMISC}),
		unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: wire(unix.ETH_P_ALL), Ifindex: s.card.Index}),
	)
}

// wire is a number in network order.
func wire(n uint16) uint16 { return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n)) }

func (s *socket) close() error { return unix.Close(s.fd) }

func (s *socket) send(p probe) error {
	to := &unix.SockaddrLinklayer{Ifindex: s.card.Index, Halen: 6}
	copy(to.Addr[:], group())
	return unix.Sendto(s.fd, p.frame(s.card.HardwareAddr), 0, to)
}

// tagged is a probe that came in, and the tag that it came with.
type tagged struct {
	probe
	from net.HardwareAddr
	tag  uint16
}

// receive takes the next probe, or says os.ErrDeadlineExceeded when there is
// none now.
func (s *socket) receive(buf []byte) (tagged, error) {
	oob := make([]byte, unix.CmsgSpace(int(unsafe.Sizeof(unix.TpacketAuxdata{}))))
	n, oobn, _, _, err := unix.Recvmsg(s.fd, buf, oob, 0)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return tagged{}, os.ErrDeadlineExceeded
	}
	if err != nil {
		return tagged{}, fmt.Errorf("packet socket on %s: %w", s.card.Name, err)
	}
	from, p, err := read(buf[:n])
	if err != nil {
		return tagged{}, err
	}
	tag, err := tagOf(oob[:oobn])
	return tagged{p, from, tag}, err
}

// tagOf is the tag that the kernel took off a frame; 0 where there was none.
func tagOf(oob []byte) (uint16, error) {
	all, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0, fmt.Errorf("packet socket: %w", err)
	}
	for _, m := range all {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA || len(m.Data) < 20 {
			continue
		}
		// struct tpacket_auxdata: status, len, snaplen (32 bits each), mac, net, vlan_tci, vlan_tpid.
		if binary.NativeEndian.Uint32(m.Data)&unix.TP_STATUS_VLAN_VALID != 0 {
			return binary.NativeEndian.Uint16(m.Data[16:]) & 0xfff, nil
		}
	}
	return 0, nil
}

// wait waits until a frame is there, or for that many milliseconds.
func (s *socket) wait(ms int) error {
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}, ms)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("packet socket on %s: %w", s.card.Name, err)
	}
	return nil
}
