package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// write makes a file of so many bytes that are never the same.
func write(t testing.TB, size int) (path string, data []byte) {
	t.Helper()
	data = make([]byte, size)
	for block, seed := 0, sha256.Sum256([]byte(t.Name())); block < size; block += len(seed) {
		copy(data[block:], seed[:])
		seed = sha256.Sum256(seed[:])
	}
	path = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, data
}

// conform is what every store must do.
func conform(t *testing.T, s Store) {
	ctx, id := t.Context(), cloud.NewID()
	if _, err := s.Open(ctx, id); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open nothing: %v, want that it does not exist", err)
	}
	if err := s.Remove(ctx, id); err != nil {
		t.Errorf("remove nothing: %v", err)
	}
	for _, bad := range []string{"", "../" + id[3:], "x", strings.Repeat("/", 36)} {
		_, oerr := s.Open(ctx, bad)
		if perr, rerr := s.Put(ctx, bad, os.DevNull, nil), s.Remove(ctx, bad); oerr == nil || perr == nil || rerr == nil {
			t.Errorf("the id %q: %v, %v, %v; want errors", bad, oerr, perr, rerr)
		}
	}
	if err := s.Put(ctx, id, filepath.Join(t.TempDir(), "none"), nil); err == nil {
		t.Error("a file that is not there was put")
	}
	for _, size := range []int{0, 1, 300_000, partSize + 5_000_001} {
		path, data := write(t, size)
		for range 2 { // it may come twice
			if err := s.Put(ctx, id, path, func(int64) {}); err != nil {
				t.Fatalf("put %d bytes: %v", size, err)
			}
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("the file did not stay: %v", err)
		}
		checkReads(t, s, id, data)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	path, _ := write(t, partSize+1)
	gone := cloud.NewID()
	if err := s.Put(cancelled, gone, path, nil); err == nil && !s.Local() {
		t.Error("a put went on after its end")
	}
	if err := s.Remove(ctx, gone); err != nil {
		t.Error(err)
	}
	if ids, err := s.List(ctx, time.Now().Add(time.Minute)); err != nil || !slices.Equal(ids, []string{id}) {
		t.Errorf("list: %v, %v; want %s", ids, err, id)
	}
	if ids, err := s.List(ctx, time.Now().Add(-time.Hour)); err != nil || len(ids) > 0 {
		t.Errorf("list of old ones: %v, %v; want none", ids, err)
	}
	if err := s.Remove(ctx, id); err != nil {
		t.Error(err)
	}
	if _, err := s.Open(ctx, id); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open what was removed: %v, want that it does not exist", err)
	}
}

// checkReads reads all of an object, and parts of it as HTTP ranges do.
func checkReads(t *testing.T, s Store, id string, data []byte) {
	t.Helper()
	o, err := s.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if got, err := io.ReadAll(o); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v; want the %d that were put", len(got), err, len(data))
	}
	for _, ranged := range []string{"bytes=0-0", "bytes=5-104", "bytes=-3", "bytes=1000-"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Range", ranged)
		want, got := httptest.NewRecorder(), httptest.NewRecorder()
		http.ServeContent(want, r, "", time.Time{}, bytes.NewReader(data))
		http.ServeContent(got, r, "", time.Time{}, o)
		if got.Code != want.Code || !bytes.Equal(got.Body.Bytes(), want.Body.Bytes()) {
			t.Errorf("%s of %d: %d with %d bytes, want %d with %d", ranged, len(data), got.Code, got.Body.Len(), want.Code, want.Body.Len())
		}
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	part := filepath.Join(dir, cloud.NewID()+".part1")
	if err := os.WriteFile(part, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(part); err == nil {
		t.Error("what an interrupted copy left is still there")
	}
	conform(t, f)
}

// What is on another file system is copied.
func TestFileElsewhere(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "cairn-blob-")
	if err != nil {
		t.Skipf("no second file system: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	f, err := OpenFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	conform(t, f)
}

// gateway starts versitygw, an S3 server over a directory, and gives what
// reaches it.
func gateway(t testing.TB) S3Options {
	t.Helper()
	program, err := exec.LookPath("versitygw")
	if err != nil {
		if program, err = filepath.Abs("../../../out/tools/versitygw-v1.8.0"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip("no S3 server: versitygw is neither in the path nor in out/tools; make deps builds it")
	}
	dir := t.TempDir()
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	cert.Close()
	pair := cert.TLS.Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for name, text := range map[string][]byte{
		"cert": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), "key": key, "secret": []byte("very secret\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	cmd := exec.Command(program, "--port", address, "--cert", filepath.Join(dir, "cert"), "--key", filepath.Join(dir, "key"), "--quiet", "posix", filepath.Join(dir, "data"))
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY=images", "ROOT_SECRET_KEY=very secret")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	for {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = c.Close()
			break
		}
		if t.Context().Err() != nil {
			t.Fatal("the S3 server does not start")
		}
		time.Sleep(20 * time.Millisecond) // asks again
	}
	return S3Options{
		Endpoint: address, Bucket: "images", Prefix: "cairn/", AccessKey: "images",
		SecretFile: filepath.Join(dir, "secret"), CA: filepath.Join(dir, "cert"),
	}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// bucket opens a store in a new bucket.
func bucket(t testing.TB, o S3Options) *S3 {
	t.Helper()
	s, err := OpenS3(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ask(t.Context(), http.MethodPut, "/"+o.Bucket, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestS3(t *testing.T) {
	o := gateway(t)
	s := bucket(t, o)
	conform(t, s)

	// Parts that a killed upload has left are listed, and go with the object.
	id := cloud.NewID()
	to, err := s.path(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ask(t.Context(), http.MethodPost, to, url.Values{"uploads": {""}}, nil, nil); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Minute)
	if ids, err := s.List(t.Context(), later); err != nil || !slices.Equal(ids, []string{id}) {
		t.Errorf("list: %v, %v; want the upload of %s", ids, err, id)
	}
	if err := s.Remove(t.Context(), id); err != nil {
		t.Error(err)
	}
	if ids, err := s.List(t.Context(), later); err != nil || len(ids) > 0 {
		t.Errorf("list: %v, %v; want nothing", ids, err)
	}

	// Another key is no key.
	if err := os.WriteFile(o.SecretFile, []byte("guessed"), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong, err := OpenS3(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wrong.List(t.Context(), later); err == nil {
		t.Error("the server took a wrong key")
	}
	o.CA = ""
	if stranger, err := OpenS3(o); err != nil {
		t.Error(err)
	} else if _, err := stranger.Open(t.Context(), id); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server that nobody has certified: %v, want that its certificate is refused", err)
	}
}

func TestS3Options(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("s"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(t.TempDir(), "open")
	if err := os.WriteFile(open, []byte("s"), 0o644); err != nil { //nolint:gosec // what is refused
		t.Fatal(err)
	}
	good := S3Options{Endpoint: "s3.example:9000", Bucket: "images", AccessKey: "a", SecretFile: secret}
	if _, err := OpenS3(good); err != nil {
		t.Error(err)
	}
	for what, change := range map[string]func(o *S3Options){
		"plain HTTP":  func(o *S3Options) { o.Endpoint = "http://s3.example" },
		"a path":      func(o *S3Options) { o.Endpoint = "s3.example/x" },
		"no endpoint": func(o *S3Options) { o.Endpoint = "" },
		"bucket":      func(o *S3Options) { o.Bucket = "../x" },
		"prefix":      func(o *S3Options) { o.Prefix = "a/../b" },
		"no key":      func(o *S3Options) { o.AccessKey = "" },
		"no secret":   func(o *S3Options) { o.SecretFile = secret + "x" },
		"open secret": func(o *S3Options) { o.SecretFile = open },
		"no CA":       func(o *S3Options) { o.CA = secret },
	} {
		o := good
		change(&o)
		if _, err := OpenS3(o); err == nil {
			t.Errorf("%s: a store was opened", what)
		}
	}
}

// A server that breaks connections and answers 500 now and then is asked
// again, from where it was.
func TestS3GoesOn(t *testing.T) {
	data := []byte(strings.Repeat("0123456789", 1000))
	n := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		switch {
		case n%3 == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.Method == http.MethodGet && n%3 == 2:
			w.Header().Set("Content-Length", "10000")
			w.Header().Set("Content-Range", "bytes 0-9999/10000")
			var at int
			if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &at); err != nil {
				t.Error(err)
			}
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(data[at:min(at+1000, len(data))])
			panic(http.ErrAbortHandler)
		default:
			w.Header().Set("ETag", `"x"`)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		}
	}))
	defer server.Close()
	secret, ca := filepath.Join(t.TempDir(), "secret"), filepath.Join(t.TempDir(), "ca")
	for path, text := range map[string][]byte{secret: []byte("s"), ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := OpenS3(S3Options{Endpoint: strings.TrimPrefix(server.URL, "https://"), Bucket: "images", AccessKey: "a", SecretFile: secret, CA: ca})
	if err != nil {
		t.Fatal(err)
	}
	o, err := s.Open(t.Context(), cloud.NewID())
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if got, err := io.ReadAll(o); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v; want %d", len(got), err, len(data))
	}
}
