package power

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A fakeBMC is the smallest Redfish service that manages one system.
type fakeBMC struct {
	mu    sync.Mutex
	power string
	calls []string
}

const (
	user     = "operator"
	password = "correct horse"
)

func (f *fakeBMC) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	path := strings.TrimSuffix(r.URL.Path, "/")
	if path == "/redfish/v1/SessionService/Sessions" && r.Method == http.MethodPost {
		f.login(w, body)
		return
	}
	if path != "/redfish/v1" && r.Header.Get("X-Auth-Token") != "session-1" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodGet {
		f.calls = append(f.calls, strings.TrimSpace(r.Method+" "+strings.TrimPrefix(path, "/redfish/v1/")+" "+string(body)))
		w.WriteHeader(http.StatusNoContent)
		return
	}
	page, ok := f.tree()[path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	page["@odata.id"] = path
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(page); err != nil {
		panic(err)
	}
}

func (f *fakeBMC) login(w http.ResponseWriter, body []byte) {
	var in struct{ UserName, Password string }
	if json.Unmarshal(body, &in) != nil || in.UserName != user || in.Password != password {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("X-Auth-Token", "session-1")
	w.Header().Set("Location", "/redfish/v1/SessionService/Sessions/1")
	w.WriteHeader(http.StatusCreated)
}

type page = map[string]any

func link(path string) page { return page{"@odata.id": "/redfish/v1/" + path} }

func (f *fakeBMC) tree() map[string]page {
	return map[string]page{
		"/redfish/v1": {"Id": "RootService", "Systems": link("Systems"), "Managers": link("Managers"),
			"Links": page{"Sessions": link("SessionService/Sessions")}},
		"/redfish/v1/Systems": {"Members": []page{link("Systems/1")}},
		"/redfish/v1/Systems/1": {"Id": "1", "PowerState": f.power,
			"Boot":  page{"BootSourceOverrideMode": "Legacy"},
			"Links": page{"ManagedBy": []page{link("Managers/1")}},
			"Actions": page{"#ComputerSystem.Reset": page{"target": "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset",
				"ResetType@Redfish.AllowableValues": []string{"On", "ForceOff", "GracefulShutdown", "ForceRestart"}}}},
		"/redfish/v1/Managers":                {"Members": []page{link("Managers/1")}},
		"/redfish/v1/Managers/1":              {"Id": "1", "VirtualMedia": link("Managers/1/VirtualMedia")},
		"/redfish/v1/Managers/1/VirtualMedia": {"Members": []page{link("Managers/1/VirtualMedia/Cd")}},
		"/redfish/v1/Managers/1/VirtualMedia/Cd": {"Id": "Cd", "MediaTypes": []string{"CD", "DVD"}, "Actions": page{
			"#VirtualMedia.InsertMedia": page{"target": "/redfish/v1/Managers/1/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia"},
			"#VirtualMedia.EjectMedia":  page{"target": "/redfish/v1/Managers/1/VirtualMedia/Cd/Actions/VirtualMedia.EjectMedia"}}},
	}
}

func serve(t *testing.T, f *fakeBMC) Target {
	t.Helper()
	srv := httptest.NewUnstartedServer(f)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return Target{Address: srv.Listener.Addr().String(), User: user, PasswordFile: file,
		CA: fmt.Sprintf("sha256:%x", sha256.Sum256(srv.Certificate().Raw))}
}

func TestRedfish(t *testing.T) {
	f := &fakeBMC{power: "Off"}
	b, err := Open(t.Context(), serve(t, f))
	if err != nil {
		t.Fatal(err)
	}
	do := func(a Action) {
		t.Helper()
		if err := b.Do(t.Context(), a); err != nil {
			t.Error(err)
		}
	}
	if s, err := b.State(t.Context()); s != "off" || err != nil {
		t.Errorf("state %q, %v", s, err)
	}
	do(Off) // is off already
	if err := errors.Join(b.BootNext(t.Context(), BootCD), b.Insert(t.Context(), "http://10.20.0.11:8080/cairn.iso")); err != nil {
		t.Error(err)
	}
	do(Cycle) // of a machine that is off
	f.power = "On"
	do(Reset)
	do(Stop)
	if err := errors.Join(b.BootNext(t.Context(), BootDefault), b.Eject(t.Context()), b.Close(t.Context())); err != nil {
		t.Error(err)
	}
	reset := "POST Systems/1/Actions/ComputerSystem.Reset "
	want := []string{
		`PATCH Systems/1 {"Boot":{"BootSourceOverrideEnabled":"Once","BootSourceOverrideMode":"Legacy","BootSourceOverrideTarget":"Cd"}}`,
		`POST Managers/1/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia {"Image":"http://10.20.0.11:8080/cairn.iso","Inserted":true,"WriteProtected":true}`,
		reset + `{"ResetType":"On"}`, reset + `{"ResetType":"ForceRestart"}`, reset + `{"ResetType":"GracefulShutdown"}`,
		`PATCH Systems/1 {"Boot":{"BootSourceOverrideEnabled":"Disabled","BootSourceOverrideMode":"Legacy","BootSourceOverrideTarget":"None"}}`,
		`POST Managers/1/VirtualMedia/Cd/Actions/VirtualMedia.EjectMedia {}`, `DELETE SessionService/Sessions/1`,
	}
	if d := cmp.Diff(want, f.calls); d != "" {
		t.Error(d)
	}
}

// TestOpenRefuses: each refusal names what is wrong, and no password.
// TestBootNextOfAMachineThatNeverBooted leaves the firmware's kind to the BMC.
func TestBootNextOfAMachineThatNeverBooted(t *testing.T) {
	f := &fakeBMC{power: "Off"}
	target := serve(t, f)
	target.Unknown = true
	b, err := Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(b.BootNext(t.Context(), BootNetwork), b.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	const want = `PATCH Systems/1 {"Boot":{"BootSourceOverrideEnabled":"Once","BootSourceOverrideTarget":"Pxe"}}`
	if f.calls[0] != want {
		t.Errorf("asked for %s, want %s", f.calls[0], want)
	}
}

func TestOpenRefuses(t *testing.T) {
	good := serve(t, &fakeBMC{power: "On"})
	open := filepath.Join(t.TempDir(), "open")
	wrong := filepath.Join(t.TempDir(), "wrong")
	for file, mode := range map[string]os.FileMode{open: 0o644, wrong: 0o600} {
		if err := os.WriteFile(file, []byte("secret-word"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		change func(*Target)
		want   string
	}{
		{func(t *Target) { t.Address = "" }, "bmc.address is empty; allowed: a host name or address, with a port or without"},
		{func(t *Target) { t.Protocol = "telnet" }, `bmc.protocol is "telnet"; allowed: redfish, ipmi`},
		{func(t *Target) { t.PasswordFile = "" }, "bmc.password_file is empty; allowed: a file on the deployer with mode 0600"},
		{func(t *Target) { t.PasswordFile = open }, "allowed: a file that its owner alone can read (0600)"},
		{func(t *Target) { t.PasswordFile = wrong }, "it refuses the user or the password; check bmc.user and bmc.password_file"},
		{func(t *Target) { t.CA = "" }, `bmc.ca is ""; allowed: sha256: and the 64 hex digits`},
		{func(t *Target) { t.CA = "sha256:" + strings.Repeat("00", 32) }, "the BMC's certificate has the fingerprint " + good.CA + ", and bmc.ca is sha256:0000"},
	} {
		target := good
		c.change(&target)
		_, err := Open(t.Context(), target)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret-word") {
			t.Errorf("got %v; want %s", err, c.want)
		}
	}
}

func TestParseAction(t *testing.T) {
	if a, err := ParseAction("cycle"); a != Cycle || err != nil {
		t.Errorf("%q, %v", a, err)
	}
	if _, err := ParseAction("explode"); err == nil || err.Error() != `power action is "explode"; allowed: [on off stop reset cycle]` {
		t.Error(err)
	}
}

// TestIPMIIsNotSilent: a BMC that does not answer is an error, in time.
func TestIPMIIsNotSilent(t *testing.T) {
	target := serve(t, &fakeBMC{})
	target.Protocol = ProtocolIPMI
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if b, err := Open(ctx, target); err == nil {
		t.Errorf("nobody speaks IPMI there, and yet %v", b)
	}
}
