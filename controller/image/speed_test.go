package image

import (
	"bytes"
	"crypto/md5"
	"crypto/sha512"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
)

// speedSize is the size of the images that are measured.
const speedSize = 1 << 30

// cpu is the processor time that this process has used, and what it has
// started: MariaDB.
func cpu(b *testing.B) (own, started time.Duration) {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	own = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) < 13 || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		for _, ticks := range fields[11:13] { // of 10 ms, as user and in the kernel
			n, err := strconv.Atoi(ticks)
			if err != nil {
				b.Fatal(err)
			}
			started += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return own, started
}

// measured does something again and again, and reports what it costs.
func measured(b *testing.B, do func()) {
	b.Helper()
	b.ResetTimer()
	own, started := cpu(b)
	for b.Loop() {
		do()
	}
	ownNow, startedNow := cpu(b)
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 / float64(b.N) }
	b.ReportMetric(each(ownNow-own+startedNow-started), "cpu-ms/op")
	b.ReportMetric(each(startedNow-started), "mariadb-cpu-ms/op")
}

// zeros are speedSize bytes, without a buffer of that size.
func zeros() io.Reader { return io.LimitReader(zeroReader{}, speedSize) }

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// send makes a request of alice's over a real connection.
func send(b *testing.B, server *httptest.Server, method, path string, body io.Reader) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, server.URL+path, body)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("X-Auth-Token", apitest.Token("alice", "member", "alice"))
	r.Header.Set("Content-Type", octets)
	resp, err := server.Client().Do(r)
	if err != nil {
		b.Fatal(err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if cerr := resp.Body.Close(); err != nil || cerr != nil || resp.StatusCode/100 != 2 {
		b.Fatal(resp.Status, err, cerr)
	}
}

// BenchmarkTransfer measures uploads and downloads over HTTP beside a plain
// file server that does the same to the bytes: MD5, SHA-512, a file, fsync.
func BenchmarkTransfer(b *testing.B) {
	s := start(b)
	s.maxSize = speedSize
	server := httptest.NewServer(apitest.Serve(b, s.API()))
	defer server.Close()
	dir := b.TempDir()
	plain := httptest.NewServer(plainServer(filepath.Join(dir, "file")))
	defer plain.Close()
	img := queued(b, s)
	send(b, server, http.MethodPut, "/image/v2/images/"+img.ID+"/file", zeros())
	for _, c := range []struct {
		name string
		do   func()
	}{
		{"upload", func() {
			fresh := queued(b, s)
			send(b, server, http.MethodPut, "/image/v2/images/"+fresh.ID+"/file", zeros())
			send(b, server, http.MethodDelete, "/image/v2/images/"+fresh.ID, nil)
		}},
		{"upload-plain", func() { send(b, plain, http.MethodPut, "/", zeros()) }},
		{"download", func() { send(b, server, http.MethodGet, "/image/v2/images/"+img.ID+"/file", nil) }},
		{"download-plain", func() { send(b, plain, http.MethodGet, "/", nil) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(speedSize)
			measured(b, c.do)
		})
	}
}

func plainServer(path string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			http.ServeFile(w, r, path)
			return
		}
		if err := keep(path, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

// keep writes a file as plainly as it can be done.
func keep(path string, data io.Reader) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	md, sha := md5.New(), sha512.New()
	if _, err := io.CopyBuffer(io.MultiWriter(f, md, sha), data, make([]byte, 1<<20)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	_ = fmt.Sprintf("%x%x", md.Sum(nil), sha.Sum(nil)) // a file server would say so
	return f.Close()
}
