// Package page is the deployer's live page: the rack with every machine's
// phase, speed and remaining time, why it waits, its history, and the matrix
// of the fabric check.
//
// It only shows. Whoever has the token may look: the file with it is readable
// by operators alone, and the token travels over TLS in a header, never in a URL
// that a server sees. It may import pxe/fleet and pxe/fabric.
package page

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/pxe/fabric"
	"github.com/cairn-cloud/cairn/pxe/fleet"
)

//go:embed static
var static embed.FS

// Rack is what the page shows. *fleet.Fleet is one.
type Rack interface {
	Machines() []fleet.Machine
	Matrix() *fabric.Matrix
}

// Config of the page.
type Config struct {
	Rack    Rack
	Name    string // of the rack
	Version string // of the release that is installed
	CA      string // fingerprint, as installers show it
	Token   string
	Now     func() time.Time // default time.Now
	Log     *slog.Logger
}

// A View is everything at one moment, in JSON.
type View struct {
	Rack     string          `json:"rack"`
	Version  string          `json:"version"`
	CA       string          `json:"ca"`
	Now      time.Time       `json:"now"`
	Machines []fleet.Machine `json:"machines"`
	Fabric   *fabric.Matrix  `json:"fabric,omitempty"`
}

// Handler serves the page at /, and its data at /v1/view to those who have
// the token.
func Handler(c Config) http.Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.file)
	mux.HandleFunc("GET /page/{file}", c.file)
	mux.HandleFunc("GET /v1/view", c.view)
	return mux
}

func (c Config) file(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	if name == "" {
		name = "index.html"
	}
	b, err := fs.ReadFile(static, "static/"+name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", contentType(name))
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	if _, err := w.Write(b); err != nil {
		c.Log.Debug("page not sent", "file", name, "err", err)
	}
}

func contentType(name string) string {
	switch filepath.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return "text/html; charset=utf-8"
}

func (c Config) view(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || !same(given, c.Token) {
		c.Log.Warn("page refused", "client", r.RemoteAddr)
		w.WriteHeader(http.StatusUnauthorized)
		c.send(w, map[string]string{"error": "the token is wrong; the deployer's page-token file has it"})
		return
	}
	c.send(w, View{Rack: c.Name, Version: c.Version, CA: c.CA, Now: c.Now(), Machines: c.Rack.Machines(), Fabric: c.Rack.Matrix()})
}

func (c Config) send(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		c.Log.Debug("view not sent", "err", err)
	}
}

// same compares in a time that says nothing of either.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return b != "" && subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// Token reads the page's token, and makes one where there is none. The file
// is readable by owner and group: who that is is for its directory to say.
func Token(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err == nil && len(b) >= 32 {
		return strings.TrimSpace(string(b)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("page token: %w", err)
	}
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("page token: %w", err)
	}
	token := base64.RawURLEncoding.EncodeToString(raw)
	if err := os.WriteFile(file+".new", []byte(token+"\n"), 0o640); err != nil {
		return "", fmt.Errorf("page token: %w", err)
	}
	if err := os.Chmod(file+".new", 0o640); err != nil { // whatever the umask
		return "", fmt.Errorf("page token: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return "", fmt.Errorf("page token: %w", err)
	}
	return token, nil
}
