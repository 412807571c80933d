package tftp

import (
	"bytes"
	"context"
	"debug/pe"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pin/tftp/v3"
)

// loader is the content of the loader in these tests.
func loader() []byte {
	b := make([]byte, 100_000)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func start(t testing.TB, fetched func(netip.Addr, string)) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string][]byte{"undionly.kpxe": loader(), "secret": []byte("x")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(dir, []string{"undionly.kpxe"}, slog.New(slog.DiscardHandler), fetched)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, conn) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return conn.LocalAddr().String()
}

func receive(addr, name string, block int) ([]byte, int64, error) {
	c, err := tftp.NewClient(addr)
	if err != nil {
		return nil, 0, err
	}
	if block > 0 {
		c.SetBlockSize(block)
	}
	c.RequestTSize(true)
	r, err := c.Receive(name, "octet")
	if err != nil {
		return nil, 0, err
	}
	var size int64
	if in, ok := r.(tftp.IncomingTransfer); ok {
		size, _ = in.Size()
	}
	var b bytes.Buffer
	_, err = r.WriteTo(&b)
	return b.Bytes(), size, err
}

func TestLoaderIsServed(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	addr := start(t, func(a netip.Addr, name string) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, fmt.Sprint(a, " ", name))
	})
	want := loader()
	for _, block := range []int{0, 512, 1428, 8192} {
		for _, name := range []string{"undionly.kpxe", "/undionly.kpxe", "undionly.kpxe\xff"} {
			got, size, err := receive(addr, name, block)
			if err != nil || !bytes.Equal(got, want) || size != int64(len(want)) {
				t.Errorf("%q in blocks of %d: %d bytes, announced %d, %v; want %d", name, block, len(got), size, err, len(want))
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) == 0 || asked[0] != "127.0.0.1 undionly.kpxe" {
		t.Errorf("told of %v, want who and what", asked)
	}
}

func TestNothingElseIsServed(t *testing.T) {
	addr := start(t, nil)
	for _, name := range []string{"secret", "../undionly.kpxe", "/etc/passwd", "..\\secret", "", ".", "undionly.kpxe/../secret", strings.Repeat("a", 400)} {
		if b, _, err := receive(addr, name, 0); err == nil {
			t.Errorf("%q was served: %d bytes", name, len(b))
		}
	}
	c, err := tftp.NewClient(addr)
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.Send("undionly.kpxe", "octet")
	if err == nil {
		_, err = w.ReadFrom(strings.NewReader("changed"))
	}
	if err == nil {
		t.Error("a file was written")
	}
}

func TestMissingLoaderIsSaid(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(dir, []string{"ipxe.efi"}, slog.New(slog.DiscardHandler), nil)
	want := "boot loader ipxe.efi is not in " + dir + "; install the package ipxe or say where it is (loaders)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := os.WriteFile(filepath.Join(dir, "ipxe.efi"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, []string{"ipxe.efi"}, slog.New(slog.DiscardHandler), nil); err == nil {
		t.Error("an empty loader was accepted")
	}
}

func TestNextIsAnEFIProgram(t *testing.T) {
	f, err := pe.NewFile(bytes.NewReader(next()))
	if err != nil {
		t.Fatal(err)
	}
	h, ok := f.OptionalHeader.(*pe.OptionalHeader64)
	if !ok || h.Subsystem != pe.IMAGE_SUBSYSTEM_EFI_APPLICATION || f.Machine != pe.IMAGE_FILE_MACHINE_AMD64 {
		t.Fatalf("got machine %#x, header %+v", f.Machine, f.OptionalHeader)
	}
	text := f.Section(".text")
	if text == nil || text.VirtualAddress != h.AddressOfEntryPoint {
		t.Fatalf("the entry point %#x is not the start of %+v", h.AddressOfEntryPoint, text)
	}
	code, err := text.Data()
	if err != nil || !bytes.HasPrefix(code, []byte("\x48\xb8\x15\x00\x00\x00\x00\x00\x00\x80\xc3")) {
		t.Errorf("wrong code: % x, %v", code[:12], err)
	}
}

// FuzzServer throws first packets at a server, which must go on serving.
func FuzzServer(f *testing.F) {
	addr := start(f, nil)
	conn, err := net.Dial("udp4", addr)
	if err != nil {
		f.Fatal(err)
	}
	defer conn.Close()
	f.Add([]byte("\x00\x01undionly.kpxe\x00octet\x00blksize\x001428\x00tsize\x000\x00"))
	f.Add([]byte("\x00\x02x\x00octet\x00"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1400 {
			b = b[:1400]
		}
		if _, err := conn.Write(b); err != nil {
			t.Skip("the packet cannot be sent: ", err)
		}
	})
}

// BenchmarkTransfer is the speed of one client on the loopback.
func BenchmarkTransfer(b *testing.B) {
	addr := start(b, nil)
	b.SetBytes(int64(len(loader())))
	for b.Loop() {
		if _, _, err := receive(addr, "undionly.kpxe", 1428); err != nil {
			b.Fatal(err)
		}
	}
}
