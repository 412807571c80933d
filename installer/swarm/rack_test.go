package swarm

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/deployer"
	"github.com/cairn-cloud/cairn/installer/disk"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/source"
	"github.com/cairn-cloud/cairn/pxe/fleet"
	"github.com/cairn-cloud/cairn/pxe/httpboot"
	"github.com/cairn-cloud/cairn/pxe/tally"
)

// slotAt is where root.img begins on the disks of the tests.
const slotAt = 1 << 20

// A site is a deployer as it is, on the loopback, with a release.
type site struct {
	t       testing.TB
	log     *slog.Logger
	said    *journal
	release string
	root    []byte
	key     ed25519.PublicKey
	dir     string
	ca      *pki.CA
	book    *tally.Book
	lan     *lan

	fleet *fleet.Fleet // what runs now
	db    *bbolt.DB
	files string // host:port
	api   string
	stop  func()
}

// newSite makes a deployer of a release with that many chunks, the last of
// which is short.
func newSite(t testing.TB, chunks int) *site {
	t.Helper()
	said := &journal{}
	s := &site{t: t, said: said, log: slog.New(slog.NewTextHandler(said, &slog.HandlerOptions{Level: slog.LevelWarn})), release: t.TempDir(), dir: t.TempDir(),
		root: make([]byte, (chunks-1)*manifest.ChunkSize+7777), book: tally.New(slog.New(slog.DiscardHandler), nil), lan: &lan{of: map[string]netip.Addr{}}}
	if _, err := rand.Read(s.root); err != nil {
		t.Fatal(err)
	}
	var private ed25519.PrivateKey
	var err error
	if s.key, private, err = ed25519.GenerateKey(nil); err != nil {
		t.Fatal(err)
	}
	if s.ca, err = pki.FoundCA(filepath.Join(s.dir, "pki"), "swarm"); err != nil {
		t.Fatal(err)
	}
	m := manifest.Manifest{Format: 1, Version: "7", Verity: manifest.Verity{BlockSize: 4096, DataBlocks: 1, HashOffset: 4096}}
	for name, data := range map[string][]byte{manifest.Kernel: []byte("kernel"), manifest.Initramfs: []byte("initramfs"), manifest.Root: s.root} {
		f, err := manifest.Describe(name, bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		m.Files = append(m.Files, f)
		s.write(name, data)
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	s.write(manifest.Name, raw)
	s.write(manifest.SignatureName, manifest.Sign(raw, private))
	s.start()
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("said:\n%s", s.said)
		}
	})
	return s
}

func (s *site) write(name string, data []byte) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.release, name), data, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start runs the deployer; after a stop it comes back where it was.
func (s *site) start() {
	s.t.Helper()
	must := func(err error) {
		if err != nil {
			s.t.Helper()
			s.t.Fatal(err)
		}
	}
	var err error
	s.db, err = bbolt.Open(filepath.Join(s.dir, "fleet.db"), 0o600, nil)
	must(err)
	rack, err := plan.ParseRack([]byte("fabric: {check: off}\n"))
	must(err)
	release, err := httpboot.OpenRelease(s.release, "")
	must(err)
	s.fleet, err = fleet.Open(fleet.Config{Dir: s.dir, DB: s.db, Rack: rack, Version: "7", Chunks: len(s.root)/manifest.ChunkSize + 1,
		Addresses: s.lan, Issuer: s.ca, Log: s.log})
	must(err)
	own := netip.MustParseAddr("127.0.0.1")
	pair, err := s.ca.IssuePeer([]string{"deployer"}, []netip.Addr{own})
	must(err)
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	must(err)
	cert.Certificate = append(cert.Certificate[:1], s.ca.Certificate().Raw)
	files, api := s.listen(s.files), s.listen(s.api)
	s.files, s.api = files.Addr().String(), api.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serve := func(l net.Listener, h http.Handler, conf *tls.Config) {
		serving.Go(func() {
			if err := httpboot.Serve(ctx, l, h, conf, tally.Counter{}); err != nil {
				s.t.Error(err)
			}
		})
	}
	serve(files, httpboot.Boot(httpboot.BootConfig{Fleet: s.fleet, Release: release, Loaders: noLoaders{}, Deployer: own, Meter: s.book.For("http"), Log: s.log}), nil)
	serve(api, httpboot.API(s.fleet, s.fleet, s.log), httpboot.TLSConfig(cert, s.ca.Certificate()))
	s.stop = func() {
		cancel()
		serving.Wait()
		if err := s.db.Close(); err != nil {
			s.t.Error(err)
		}
	}
}

// listen opens a port, the same one after a restart.
func (s *site) listen(at string) net.Listener {
	s.t.Helper()
	if at == "" {
		at = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp4", at)
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

// copies is how much of root.img the deployer has sent, in copies of it.
func (s *site) copies() float64 {
	for _, c := range s.book.Counts() {
		if c.What == manifest.Root {
			return float64(c.Bytes) / float64(len(s.root))
		}
	}
	return 0
}

type noLoaders struct{}

func (noLoaders) File(string) ([]byte, bool) { return nil, false }

// A lan gives every MAC an address.
type lan struct {
	mu sync.Mutex
	of map[string]netip.Addr // guarded by mu
}

func (l *lan) Pin(mac string) (netip.Addr, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.of[mac]; !ok {
		l.of[mac] = netip.AddrFrom4([4]byte{10, 20, 0, byte(101 + len(l.of))})
	}
	return l.of[mac], nil
}

func (l *lan) Address(mac string) (netip.Addr, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, ok := l.of[mac]
	return a, ok
}

func (l *lan) Owner(a netip.Addr) (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for mac, b := range l.of {
		if a == b {
			return mac, true
		}
	}
	return "", false
}

// A journal keeps what is logged.
type journal struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// A box is a machine that installs: the real fetching, writing and checking,
// on a file.
type box struct {
	site    *site
	n       int
	client  *deployer.Client
	release *source.Release
	swarm   *Swarm
	disk    string
	end     func()
}

// box takes a machine to the beginning of its installation.
func (s *site) box(ctx context.Context, n int) (*box, error) {
	mac, id := fmt.Sprintf("52:54:00:00:00:%02x", n), fmt.Sprintf("5ca1e000-0000-4000-8000-%012d", n)
	a, err := s.lan.Pin(mac)
	if err != nil {
		return nil, err
	}
	d, err := s.fleet.Boot(fleet.Boot{MAC: mac, UUID: id, Firmware: "bios", From: a})
	if err != nil {
		return nil, err
	}
	say := func(format string, args ...any) { s.log.Warn(fmt.Sprintf(format, args...), "machine", n) }
	b := &box{site: s, n: n, disk: filepath.Join(s.t.TempDir(), "disk")}
	b.client, err = deployer.New(deployer.Options{Host: s.api, CA: s.ca.Fingerprint(), Ticket: d.Ticket, Machine: id, Say: say, Log: s.log})
	if err != nil {
		return nil, err
	}
	inv := plan.Inventory{Machine: id, Firmware: "bios", CPUs: 2, MemoryMiB: 2048, BootMAC: mac, Disks: []plan.Disk{{Path: "/dev/vda", Size: 20 << 30}},
		NICs: []plan.NIC{{Name: "eth0", MAC: mac, Link: true}, {Name: "eth1", MAC: fmt.Sprintf("52:54:00:00:01:%02x", n), Link: true}}}
	if _, err := b.client.Plan(ctx, inv, func() plan.Inventory { return inv }); err != nil {
		return nil, err
	}
	place := source.NewHTTP("http://"+s.files+"/image", say, s.log)
	if b.release, err = source.Open(ctx, place, []ed25519.PublicKey{s.key}, say, s.log); err != nil {
		return nil, err
	}
	b.client.Progress(ctx, plan.Progress{Phase: "write"})
	return b, b.join(ctx, say)
}

// blank makes the disk a new one.
func (b *box) blank() error {
	if err := os.WriteFile(b.disk, nil, 0o600); err != nil {
		return err
	}
	return os.Truncate(b.disk, int64(slotAt+len(b.site.root)+1<<20))
}

// join makes the disk, and the machine one of the swarm.
func (b *box) join(ctx context.Context, say func(string, ...any)) error {
	if err := b.blank(); err != nil {
		return err
	}
	root, err := b.release.Manifest.File(manifest.Root)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	b.swarm = Start(ctx, Options{File: root, Release: b.release, Report: b.client.Have, Port: l.Addr().(*net.TCPAddr).Port,
		Every: 200 * time.Millisecond, Say: say, Log: b.site.log})
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := b.swarm.Serve(ctx, l, b.disk, slotAt); err != nil {
			b.site.t.Error(err)
		}
	})
	b.end = func() {
		cancel()
		b.swarm.Stop()
		serving.Wait()
	}
	return nil
}

// copy is root.img on its way to the disk.
func (b *box) copy() disk.Copy {
	return disk.Copy{File: b.swarm.o.File, At: slotAt, Room: int64(len(b.site.root)) + 1<<20, Next: b.swarm.Next, Has: b.swarm.Has}
}

// plainly writes as a machine does that knows no others.
func (b *box) plainly(ctx context.Context) error {
	c := b.copy()
	c.Next, c.Has = nil, nil
	return b.on(func(t *disk.Target) error { return t.Write(ctx, b.release, c) })
}

// on holds the disk.
func (b *box) on(do func(*disk.Target) error) error {
	target, err := disk.Open(b.disk)
	if err != nil {
		return err
	}
	if err := do(target); err != nil {
		return err
	}
	return target.Close()
}

func (b *box) write(ctx context.Context) error {
	return b.on(func(t *disk.Target) error { return t.Write(ctx, b.swarm, b.copy()) })
}

// verify checks the disk as installers do, and then whether it has the image.
func (b *box) verify(ctx context.Context) error {
	if err := b.on(func(t *disk.Target) error { return t.Verify(ctx, b.swarm, b.copy()) }); err != nil {
		return err
	}
	raw, err := os.ReadFile(b.disk)
	if err != nil {
		return err
	}
	if !bytes.Equal(raw[slotAt:slotAt+len(b.site.root)], b.site.root) {
		return fmt.Errorf("the disk of machine %d does not have the image", b.n)
	}
	return nil
}
