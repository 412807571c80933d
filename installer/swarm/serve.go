package swarm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
)

// Limits of what peers may take from a machine that has work of its own.
const (
	maxConns   = 64
	maxAtOnce  = 12 // requests that are answered
	maxPerPeer = 4  // of one address
)

// Serve gives peers what lies on the disk, whose root.img begins at that
// offset, until the context ends. It reads, and answers GET and HEAD of this
// one file with ranges that are whole on the disk.
func (s *Swarm) Serve(ctx context.Context, l net.Listener, disk string, at int64) error {
	h := &server{swarm: s, disk: disk, at: at, busy: map[string]int{}}
	mux := http.NewServeMux()
	mux.Handle("GET /image/"+manifest.Root, h)
	var open connections
	srv := &http.Server{Handler: mux, MaxHeaderBytes: 4 << 10, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 30 * time.Second, ConnState: open.state,
		ErrorLog: slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug)}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() }) // peers ask elsewhere
	defer stop()
	if err := srv.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("chunks for peers on %s: %w", l.Addr(), err)
	}
	return nil
}

// connections closes those that are too many.
type connections struct {
	mu   sync.Mutex
	open map[net.Conn]bool // guarded by mu
}

func (c *connections) state(conn net.Conn, s http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s {
	case http.StateNew:
		if len(c.open) >= maxConns {
			_ = conn.Close() // its peer asks elsewhere
			return
		}
		if c.open == nil {
			c.open = map[net.Conn]bool{}
		}
		c.open[conn] = true
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
	}
}

// A server answers peers.
type server struct {
	swarm *Swarm
	disk  string
	at    int64 // bytes from the start of the disk

	mu   sync.Mutex
	all  int            // requests that are answered; guarded by mu
	busy map[string]int // the same by client; guarded by mu
}

func (h *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	client, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !h.enter(client) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "busy with others", http.StatusServiceUnavailable)
		return
	}
	defer h.leave(client)
	file := h.swarm.o.File
	if r.Method != http.MethodHead && !h.has(r.Header.Get("Range"), file.Size) {
		http.Error(w, "this machine does not have that range yet", http.StatusNotFound)
		return
	}
	f, err := os.Open(h.disk)
	if err != nil {
		h.swarm.o.Log.Warn("chunks for peers", "error", err)
		http.Error(w, "the disk cannot be read", http.StatusInternalServerError)
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	out := &counted{ResponseWriter: w}
	http.ServeContent(out, r, "", time.Time{}, part{f, h.at, file.Size})
	h.swarm.mu.Lock()
	h.swarm.sent += out.bytes
	h.swarm.mu.Unlock()
}

// enter lets a request in while there is room.
func (h *server) enter(client string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all >= maxAtOnce || h.busy[client] >= maxPerPeer {
		return false
	}
	h.all++
	h.busy[client]++
	return true
}

func (h *server) leave(client string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all--
	if h.busy[client]--; h.busy[client] == 0 {
		delete(h.busy, client)
	}
}

// has tells whether all chunks of a range are on the disk. Ranges are those
// that machines ask for: one, with both ends.
func (h *server) has(header string, size int64) bool {
	ends, ok := strings.CutPrefix(header, "bytes=")
	from, to, both := strings.Cut(ends, "-")
	a, errA := strconv.ParseInt(from, 10, 64)
	b, errB := strconv.ParseInt(to, 10, 64)
	if !ok || !both || errA != nil || errB != nil || a < 0 || b < a || b >= size {
		return false
	}
	h.swarm.mu.Lock()
	defer h.swarm.mu.Unlock()
	for i := a / manifest.ChunkSize; i <= b/manifest.ChunkSize; i++ {
		if !h.swarm.has.Has(int(i)) {
			return false
		}
	}
	return true
}

// part is a part of a file. It keeps the file's descriptor visible, so that
// the kernel copies (sendfile).
type part struct {
	*os.File
	at, size int64
}

// Seek counts from the start or the end of the part.
func (p part) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		offset += p.size
	}
	n, err := p.File.Seek(p.at+offset, io.SeekStart)
	return n - p.at, err
}

// counted counts the bytes of an answer.
type counted struct {
	http.ResponseWriter
	bytes int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.bytes += int64(n)
	return n, err
}

// ReadFrom lets the kernel copy.
func (c *counted) ReadFrom(from io.Reader) (n int64, err error) {
	if to, ok := c.ResponseWriter.(io.ReaderFrom); ok {
		n, err = to.ReadFrom(from)
	} else {
		n, err = io.Copy(struct{ io.Writer }{c.ResponseWriter}, from)
	}
	c.bytes += n
	return n, err
}
