package httpboot

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/fleet"
	"github.com/cairn-cloud/cairn/pxe/menu"
)

// Booter decides what machines boot. *fleet.Fleet is one.
type Booter interface {
	Boot(fleet.Boot) (fleet.Decision, error)
	Fetched(client netip.Addr, file string)
	Sent(client netip.Addr, file string, bytes int64)
}

// Loaders are boot loaders by name. *tftp.Server is one.
type Loaders interface {
	File(name string) ([]byte, bool)
}

// BootConfig is what the plain HTTP server needs.
type BootConfig struct {
	Fleet    Booter
	Release  *Release
	Loaders  Loaders
	Deployer netip.Addr
	CA       string   // fingerprint: sha256:<hex>
	VLAN     int      // tag of the management network; 0: untagged
	Args     []string // further kernel arguments of the installer
	Meter    Meter    // of the release's files; may be nil
	Log      *slog.Logger
}

// Boot makes the plain HTTP server's handler.
func Boot(conf BootConfig) http.Handler {
	b := booter{conf}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+menu.ScriptPath, b.script)
	mux.HandleFunc("GET /boot/{loader}", b.loader)
	mux.HandleFunc("GET /image/{file}", b.image)
	return mux
}

// Untagged makes the handler for machines that booted without a tag where the
// management network has one: the loaders, and a script that goes on with the
// tag.
func Untagged(conf BootConfig) http.Handler {
	b := booter{conf}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+menu.ScriptPath, b.tagged)
	mux.HandleFunc("GET /boot/{loader}", b.loader)
	return mux
}

type booter struct{ BootConfig }

func (b booter) tagged(w http.ResponseWriter, r *http.Request) {
	mac, err := fleet.CheckMAC(r.URL.Query().Get("mac"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.send(w, mac, menu.Tagged(b.target(mac, ""), b.VLAN))
}

func (b booter) target(mac, platform string) menu.Target {
	return menu.Target{Base: fmt.Sprintf("http://%s:%d", b.Deployer, plan.HTTPPort), Deployer: b.Deployer, MAC: mac, Platform: platform}
}

// send writes a script.
func (b booter) send(w http.ResponseWriter, mac, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=us-ascii")
	w.Header().Set("Cache-Control", "no-store")
	if _, err := io.WriteString(w, text); err != nil {
		b.Log.Debug("boot script not sent", "mac", mac, "err", err)
	}
}

func (b booter) script(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	mac, err := fleet.CheckMAC(q.Get("mac"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	t := b.target(mac, q.Get("platform"))
	text, err := b.decide(t, q.Get("uuid"), client(r))
	if err != nil {
		b.Log.Debug("boot script refused", "mac", mac, "client", r.RemoteAddr, "why", err)
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	b.send(w, mac, text)
}

func (b booter) decide(t menu.Target, uuid string, from netip.Addr) (string, error) {
	firmware := map[string]string{menu.BIOS: "bios", menu.UEFI: "uefi"}[t.Platform]
	if firmware == "" {
		return menu.First(t), nil
	}
	d, err := b.Fleet.Boot(fleet.Boot{MAC: t.MAC, UUID: uuid, Firmware: firmware, From: from})
	if err != nil {
		return "", err
	}
	t.Name = d.Name
	switch d.Do {
	case fleet.DoInstall:
		return menu.Install(t, menu.Installation{CA: b.CA, Ticket: d.Ticket, VLAN: b.VLAN, Args: b.Args}), nil
	case fleet.DoDisk:
		return menu.Disk(t), nil
	}
	return menu.Hold(t, d.Reason), nil
}

func (b booter) loader(w http.ResponseWriter, r *http.Request) {
	data, ok := b.Loaders.File(r.PathValue("loader"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	b.Fleet.Fetched(client(r), fleet.EventLoader)
	w.Header().Set("Content-Type", "application/efi")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

func (b booter) image(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	b.Fleet.Fetched(client(r), name)
	started, sent := time.Now(), &metered{ResponseWriter: w}
	err := b.Release.serve(sent, r, name)
	b.sent(client(r), name, sent.bytes)
	if err == nil {
		level := slog.LevelInfo
		if r.Header.Get("Range") != "" {
			level = slog.LevelDebug // one of very many
		}
		b.Log.Log(r.Context(), level, "release file served", "file", name, "client", client(r),
			"range", r.Header.Get("Range"), "took", time.Since(started).Round(time.Millisecond))
		return
	}
	if errors.Is(err, os.ErrNotExist) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		b.Log.Error("release file not served", "file", name, "err", err)
		http.Error(w, "the file cannot be read", http.StatusInternalServerError)
	}
}

// sent counts what left for a machine, whether all of it arrived or not.
func (b booter) sent(to netip.Addr, name string, bytes int64) {
	if bytes == 0 {
		return
	}
	b.Fleet.Sent(to, name, bytes)
	if b.Meter != nil {
		b.Meter.Sent(name, bytes)
	}
}

// client is who asks.
func client(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}
