package fabric

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inNamespace runs the calling test again in a network namespace of its own
// and tells whether this is that copy.
func inNamespace(t *testing.T) bool {
	t.Helper()
	const inner = "CAIRN_TEST_INNER"
	if os.Getenv(inner) == t.Name() {
		return true
	}
	if os.Getuid() != 0 {
		t.Skip("a tap needs root, here in a network namespace of its own")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inner+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || bytes.Contains(out, []byte("--- SKIP")) {
		t.Skipf("this machine gives us no network namespace with a tap: %s", out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// TestTapJoinsTheKernelToTheSwitch sends from a socket of the kernel to a
// station, and back.
func TestTapJoinsTheKernelToTheSwitch(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := New("test")
	st, _ := plug(t, s, 1, PortConfig{Name: "station", Access: 5})
	conn, err := Tap("laptop0")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("--- SKIP: this machine has no /dev/net/tun")
	}
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.AddPort(PortConfig{Name: "laptop", Access: 5})
	if err != nil {
		t.Fatal(err)
	}
	attached := make(chan error, 1)
	go func() { attached <- p.Attach(conn) }()

	ifi, fd := raised(t, "laptop0")
	frame := append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x88, 0xb5}, bytes.Repeat([]byte("cairn"), 20)...)
	if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: ifi}); err != nil {
		t.Fatal(err)
	}
	for got := st.read(); !bytes.Equal(got, frame); got = st.read() {
		if bytes.Equal(got[:6], frame[:6]) {
			t.Fatalf("the station got % x", got)
		}
	}
	back := append([]byte{2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xb5}, bytes.Repeat([]byte("back "), 20)...)
	st.write(back)
	buf := make([]byte, 2000)
	for n := 0; !bytes.Equal(buf[:n], back); {
		if n, err = unix.Read(fd, buf); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if err := <-attached; err != nil {
		t.Error(err)
	}
	if _, err := net.InterfaceByName("laptop0"); err == nil {
		t.Error("the interface is still there")
	}
}

// raised switches an interface on and opens a socket for all of its frames.
func raised(t *testing.T, name string) (ifi, fd int) {
	t.Helper()
	link, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	const ours = 0xb588 // 0x88b5, in the order of the network
	if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, ours); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	req, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, req); err != nil {
		t.Fatal(err)
	}
	req.SetUint16(req.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: link.Index, Protocol: ours}); err != nil {
		t.Fatal(err)
	}
	return link.Index, fd
}
