package interop

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// mirror serves an image to a cloud that downloads from nowhere else: at an
// address of this machine that is not loopback, which no setting opens. It
// gives the image's URL and the settings.
func mirror(t *testing.T) (image string, settings map[string]any) {
	t.Helper()
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range own {
		p, err := netip.ParsePrefix(a.String())
		if err != nil || !p.Addr().Is4() || p.Addr().IsLoopback() || p.Addr().IsLinkLocalUnicast() {
			continue
		}
		l, err := net.Listen("tcp", netip.AddrPortFrom(p.Addr(), 0).String())
		if err != nil {
			t.Fatal(err)
		}
		s := &httptest.Server{Listener: l, Config: &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(bytes.Repeat([]byte("an image "), 10_000)))
		})}}
		s.Start()
		t.Cleanup(s.Close)
		port := netip.MustParseAddrPort(l.Addr().String()).Port()
		return s.URL + "/image", map[string]any{"image": map[string]any{"web_download": map[string]any{
			"ports": []int{80, int(port)}, "networks": []string{p.Addr().String() + "/32"},
		}}}
	}
	t.Skip("this machine has no IPv4 address but loopback, where the cloud does not download from")
	return "", nil
}

// TestTempestStores runs what wants more than one store, or a cache, against a
// cloud whose images are in S3 and in files. It is a cloud of its own: with
// two stores the suite takes imports into the default one for unfinished.
func TestTempestStores(t *testing.T) {
	if os.Getenv("CAIRN_LONG") == "" {
		t.Skip("runs Tempest against a whole cloud, which takes minutes; CAIRN_LONG=1 runs it")
	}
	if err := exec.CommandContext(t.Context(), python, "-c", "import tempest").Run(); err != nil {
		t.Skip("tempest is not installed; on Debian: apt-get install tempest")
	}
	far := gateway(t)
	c := start(t, map[string]any{"image": map[string]any{
		"stores": []any{map[string]any{"id": "file", "type": "file", "description": "files of the controller"}, far},
		"cache":  map[string]any{"max_mib": 64}, "default_store": far["id"],
	}}, map[string]string{"image_caching_enabled": "true"})
	c.judge(t, "image-stores", []string{
		"tempest.api.image.v2.test_images.MultiStoresImportImagesTest", "tempest.api.image.v2.admin.test_image_caching",
		"tempest.api.image.v2.test_images.BasicOperationsImagesTest", "tempest.api.image.v2.admin.test_images",
	})
}

// gateway starts an S3 server with a bucket, and gives the settings of its
// store.
func gateway(t *testing.T) map[string]any {
	t.Helper()
	program, err := exec.LookPath("versitygw")
	if err != nil {
		if program, err = filepath.Abs("../../out/tools/versitygw-v1.8.0"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip("no S3 server: versitygw is neither in the path nor in out/tools; make deps builds it")
	}
	dir := t.TempDir()
	issuer := httptest.NewUnstartedServer(nil) // for its certificate
	issuer.StartTLS()
	issuer.Close()
	pair := issuer.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"cert":   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}),
		"key":    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		"secret": []byte("a secret of tests\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "data", "images"), 0o700); err != nil { // directories are buckets
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--port", address, "--cert", filepath.Join(dir, "cert"), "--key", filepath.Join(dir, "key"), "--quiet", "posix", filepath.Join(dir, "data"))
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY=images", "ROOT_SECRET_KEY=a secret of tests")
	cmd.Stdout, cmd.Stderr = io.Discard, t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = c.Close()
			break
		}
		if ctx.Err() != nil {
			t.Fatal("the S3 server does not start")
		}
		time.Sleep(20 * time.Millisecond) // asks again
	}
	return map[string]any{
		"id": "s3", "type": "s3", "description": "an S3 server", "endpoint": address, "bucket": "images", "prefix": "cairn/",
		"access_key": "images", "secret_key_file": filepath.Join(dir, "secret"), "ca": filepath.Join(dir, "cert"),
	}
}
