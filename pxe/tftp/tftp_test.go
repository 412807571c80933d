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
	"sync"
	"testing"
	"time"

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

// tallies counts, and remembers what was said of the newest refusal.
type tallies struct {
	mu     sync.Mutex
	counts map[string]int // guarded by mu; so is the next
	last   string
}

func (t *tallies) Pass(what string) { t.Refuse(what, "") }

func (t *tallies) Refuse(reason, detail string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[reason]++
	t.last = reason + ": " + detail
}

// await returns the newest refusal once there were n of a reason.
func (t *tallies) await(tb testing.TB, reason string, n int) string {
	tb.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		t.mu.Lock()
		have, last := t.counts[reason], t.last
		t.mu.Unlock()
		if have >= n {
			return last
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	tb.Fatalf("counted %v, want %d of %s", t.counts, n, reason)
	return ""
}

// a server under test, with a loader and a file beside it that is no loader.
type under struct {
	addr  string
	count *tallies
}

func start(t testing.TB, change func(*Server)) under {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string][]byte{"undionly.kpxe": loader(), "secret": []byte("x")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	count := &tallies{counts: map[string]int{}}
	s, err := Open(Config{Dir: dir, Names: []string{"undionly.kpxe"}, Count: count, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(s)
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
	return under{conn.LocalAddr().String(), count}
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
	addr := start(t, func(s *Server) {
		s.conf.Fetched = func(a netip.Addr, name string) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, fmt.Sprint(a, " ", name))
		}
	}).addr
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

func TestMissingLoaderIsSaid(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(Config{Dir: dir, Names: []string{"ipxe.efi"}})
	want := "boot loader ipxe.efi is not in " + dir + "; install the package ipxe or say where it is (loaders)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := os.WriteFile(filepath.Join(dir, "ipxe.efi"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: dir, Names: []string{"ipxe.efi"}}); err == nil {
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
