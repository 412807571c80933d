package bmc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// state is what a BMC remembers.
type state struct {
	mu       sync.Mutex // guards all below
	sessions map[string]bool
	next     Boot
	media    string // URL of the ISO in the drive
}

// maxSessions is small, as on real ones: who does not log out locks others
// out.
const maxSessions = 8

const root = "/redfish/v1/"

type object = map[string]any

func link(path string) object { return object{"@odata.id": root + path} }

func (b *BMC) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /redfish/v1/{$}", b.answer(func() object {
		return object{"Id": "RootService", "Name": "Virtual BMC", "RedfishVersion": "1.15.0", "UUID": b.conf.UUID,
			"Systems": link("Systems"), "Managers": link("Managers"), "SessionService": link("SessionService"),
			"Links": object{"Sessions": link("SessionService/Sessions")}}
	}))
	mux.HandleFunc("POST /redfish/v1/SessionService/Sessions", b.login)
	for path, page := range b.pages() {
		mux.HandleFunc("GET "+root+path, b.inside(b.answer(page)))
		mux.HandleFunc("GET "+root+path+"/{$}", b.inside(b.answer(page)))
	}
	mux.HandleFunc("DELETE /redfish/v1/SessionService/Sessions/{id}", b.inside(b.logout))
	mux.HandleFunc("PATCH /redfish/v1/Systems/1", b.inside(b.bootNext))
	mux.HandleFunc("POST /redfish/v1/Systems/1/Actions/ComputerSystem.Reset", b.inside(b.reset))
	mux.HandleFunc("POST /redfish/v1/Managers/1/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia", b.inside(b.insert))
	mux.HandleFunc("POST /redfish/v1/Managers/1/VirtualMedia/Cd/Actions/VirtualMedia.EjectMedia", b.inside(b.eject))
	return mux
}

func (b *BMC) pages() map[string]func() object {
	return map[string]func() object{
		"SessionService": func() object { return object{"Id": "SessionService", "Sessions": link("SessionService/Sessions")} },
		"Systems":        func() object { return collection("Systems/1") },
		"Systems/1":      b.system,
		"Managers":       func() object { return collection("Managers/1") },
		"Managers/1": func() object {
			return object{"Id": "1", "Name": "BMC", "VirtualMedia": link("Managers/1/VirtualMedia")}
		},
		"Managers/1/VirtualMedia":    func() object { return collection("Managers/1/VirtualMedia/Cd") },
		"Managers/1/VirtualMedia/Cd": b.drive,
	}
}

func collection(members ...string) object {
	var list []object
	for _, m := range members {
		list = append(list, link(m))
	}
	return object{"Members": list, "Members@odata.count": len(list)}
}

func (b *BMC) system() object {
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	power, enabled, mode := "Off", "Once", "Legacy"
	if b.conf.Machine.On() {
		power = "On"
	}
	if b.state.next == BootNone {
		enabled = "Disabled"
	}
	if b.conf.UEFI {
		mode = "UEFI"
	}
	return object{"Id": "1", "Name": b.conf.Name, "UUID": b.conf.UUID, "PowerState": power,
		"Boot": object{"BootSourceOverrideEnabled": enabled, "BootSourceOverrideTarget": string(b.state.next), "BootSourceOverrideMode": mode,
			"BootSourceOverrideTarget@Redfish.AllowableValues": []Boot{BootNone, BootPXE, BootDisk, BootCD}},
		"Links": object{"ManagedBy": []object{link("Managers/1")}},
		"Actions": object{"#ComputerSystem.Reset": object{"target": root + "Systems/1/Actions/ComputerSystem.Reset",
			"ResetType@Redfish.AllowableValues": []string{"On", "ForceOff", "GracefulShutdown", "ForceRestart", "PowerCycle"}}}}
}

func (b *BMC) drive() object {
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	actions := root + "Managers/1/VirtualMedia/Cd/Actions/VirtualMedia."
	return object{"Id": "Cd", "Name": "Virtual CD", "MediaTypes": []string{"CD", "DVD"}, "Image": b.state.media, "Inserted": b.state.media != "",
		"WriteProtected": true, "Actions": object{"#VirtualMedia.InsertMedia": object{"target": actions + "InsertMedia"},
			"#VirtualMedia.EjectMedia": object{"target": actions + "EjectMedia"}}}
}

func (b *BMC) answer(page func() object) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		o := page()
		o["@odata.id"] = strings.TrimSuffix(r.URL.Path, "/")
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(o); err != nil {
			b.conf.Log.Debug("BMC answer not sent", "err", err)
		}
	}
}

// inside lets in who has a session, or shows user and password.
func (b *BMC) inside(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		b.state.mu.Lock()
		ok := b.state.sessions[r.Header.Get("X-Auth-Token")]
		b.state.mu.Unlock()
		user, password, basic := r.BasicAuth()
		if !ok {
			ok = basic && b.knows(user, password)
		}
		if !ok {
			fail(w, http.StatusUnauthorized, "log in first")
			return
		}
		h(w, r)
	}
}

func (b *BMC) knows(user, password string) bool {
	return subtle.ConstantTimeCompare([]byte(user+"\x00"+password), []byte(b.conf.User+"\x00"+b.conf.Password)) == 1
}

func fail(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(object{"error": object{"code": "Base.1.0.GeneralError", "message": text}}) // the client may be gone
}

func body(w http.ResponseWriter, r *http.Request, v any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(v); err != nil {
		fail(w, http.StatusBadRequest, "no JSON: "+err.Error())
		return false
	}
	return true
}

func (b *BMC) login(w http.ResponseWriter, r *http.Request) {
	var in struct{ UserName, Password string }
	if !body(w, r, &in) {
		return
	}
	if !b.knows(in.UserName, in.Password) {
		fail(w, http.StatusUnauthorized, "user or password is wrong")
		return
	}
	raw := make([]byte, 16)
	if _, err := rand.Read(raw); err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	token := hex.EncodeToString(raw)
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	if len(b.state.sessions) >= maxSessions {
		fail(w, http.StatusServiceUnavailable, fmt.Sprintf("%d sessions are open; log one of them out", maxSessions))
		return
	}
	b.state.sessions[token] = true
	w.Header().Set("X-Auth-Token", token)
	w.Header().Set("Location", root+"SessionService/Sessions/"+token[:8])
	w.WriteHeader(http.StatusCreated)
}

func (b *BMC) logout(w http.ResponseWriter, r *http.Request) {
	b.state.mu.Lock()
	defer b.state.mu.Unlock()
	for token := range b.state.sessions {
		if token[:8] == r.PathValue("id") {
			delete(b.state.sessions, token)
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func (b *BMC) bootNext(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Boot struct {
			BootSourceOverrideEnabled string
			BootSourceOverrideTarget  Boot
			BootSourceOverrideMode    string
		}
	}
	if !body(w, r, &in) {
		return
	}
	next := in.Boot.BootSourceOverrideTarget
	switch {
	case in.Boot.BootSourceOverrideEnabled == "Disabled":
		next = BootNone
	case in.Boot.BootSourceOverrideEnabled != "Once":
		fail(w, http.StatusBadRequest, "BootSourceOverrideEnabled is "+in.Boot.BootSourceOverrideEnabled+"; allowed: Once, Disabled")
		return
	case in.Boot.BootSourceOverrideMode == "UEFI" != b.conf.UEFI && in.Boot.BootSourceOverrideMode != "":
		fail(w, http.StatusBadRequest, "BootSourceOverrideMode is not that of the machine's firmware")
		return
	}
	if err := b.conf.Machine.BootNext(next); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	b.state.mu.Lock()
	b.state.next = next
	b.state.mu.Unlock()
	b.conf.Log.Info("BMC: boots next", "machine", b.conf.Name, "what", next)
	w.WriteHeader(http.StatusNoContent)
}

func (b *BMC) reset(w http.ResponseWriter, r *http.Request) {
	var in struct{ ResetType string }
	if !body(w, r, &in) {
		return
	}
	m := b.conf.Machine
	// What was begun goes on when the client goes away.
	ctx := context.WithoutCancel(r.Context())
	var err error
	switch in.ResetType {
	case "On":
		if m.On() {
			fail(w, http.StatusConflict, "the machine is on")
			return
		}
		err = m.PowerOn(ctx)
	case "ForceOff":
		err = m.PowerOff(ctx)
	case "GracefulShutdown":
		err = m.Press(ctx)
	case "ForceRestart":
		err = m.Reset(ctx)
	case "PowerCycle":
		if err = m.PowerOff(ctx); err == nil {
			err = m.PowerOn(ctx)
		}
	default:
		fail(w, http.StatusBadRequest, "ResetType is "+in.ResetType+"; allowed: On, ForceOff, GracefulShutdown, ForceRestart, PowerCycle")
		return
	}
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	b.state.mu.Lock()
	if in.ResetType != "ForceOff" && in.ResetType != "GracefulShutdown" {
		b.state.next = BootNone // it held for this boot
	}
	b.state.mu.Unlock()
	b.conf.Log.Info("BMC: power", "machine", b.conf.Name, "action", in.ResetType)
	w.WriteHeader(http.StatusNoContent)
}

func (b *BMC) insert(w http.ResponseWriter, r *http.Request) {
	var in struct{ Image string }
	if !body(w, r, &in) {
		return
	}
	b.put(w, r, in.Image)
}

func (b *BMC) eject(w http.ResponseWriter, r *http.Request) { b.put(w, r, "") }

func (b *BMC) put(w http.ResponseWriter, r *http.Request, url string) {
	if err := b.conf.Machine.Insert(r.Context(), url); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	b.state.mu.Lock()
	b.state.media = url
	b.state.mu.Unlock()
	b.conf.Log.Info("BMC: medium", "machine", b.conf.Name, "url", url)
	w.WriteHeader(http.StatusNoContent)
}
