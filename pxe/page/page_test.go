package page

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/node/spec"
	"github.com/cairn-cloud/cairn/pxe/fabric"
	"github.com/cairn-cloud/cairn/pxe/fleet"
)

const token = "abcdefghijklmnopqrstuvwxyz012345"

// rack is a rack in the middle of its installation.
type rack struct{}

func now() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func machine(n byte, name, state string) fleet.Machine {
	mac := netip.AddrFrom4([4]byte{10, 20, 0, 100 + n})
	return fleet.Machine{ID: "4c4c4544-0044-4810-8031-c4c04f4e323" + string('0'+n), MACs: []string{"52:54:00:ca:00:0" + string('0'+n)},
		Address: mac, State: fleet.State(state), Since: now().Add(-75 * time.Second), Name: name,
		History: []fleet.Event{{At: now().Add(-80 * time.Second), What: "seen"}, {At: now().Add(-75 * time.Second), What: state, Why: "as it goes"}},
		Inventory: &plan.Inventory{Vendor: "ACME", Product: "R640", Serial: "X" + name, Firmware: "uefi", CPUs: 32, MemoryMiB: 131072, Virt: "vmx",
			BootMAC: "m", Disks: []plan.Disk{{Path: "/dev/nvme0n1", Size: 960 << 30, Model: "ACME SSD", Health: &plan.Health{OK: true}}},
			NICs: []plan.NIC{{Name: "eno1", MAC: "m", Link: true, SpeedMbps: 25000, LLDP: &plan.LLDP{Switch: "tor-1", Port: "Ethernet" + string('0'+n)}}}}}
}

func (rack) Machines() []fleet.Machine {
	a, b, c := machine(1, "compute1", "ready"), machine(2, "compute2", "installing"), machine(3, "compute3", "matched")
	d, e, f := machine(4, "", "failed"), machine(5, "", "seen"), machine(6, "compute4", "enrolled")
	a.Node = &spec.Node{Roles: []spec.Role{spec.RoleCompute}}
	b.Progress = &fleet.Progress{Progress: plan.Progress{Phase: "write", Done: 120 << 20, Total: 305 << 20, Detail: "version 7 from 3 peers"}, Rate: 43.2, ETA: 5}
	b.Traffic = &fleet.Traffic{Deployer: 40 << 20, Peers: 80 << 20, Given: 12 << 20}
	c.Wait = "fabric: VLAN 137 does not pass to or from compute3 (tor-1 Ethernet3)"
	d.Reason = `the disk is too small: rule "compute" needs 12 GiB, and the machine has /dev/sda (8.0 GiB). Put in a disk of 12 GiB or more <b>`
	e.Hint = "seen DISCOVER, but no TFTP or HTTP request for 25s: is a firewall in between?"
	e.Inventory = nil
	return []fleet.Machine{a, b, c, d, e, f}
}

func (rack) Matrix() *fabric.Matrix {
	r := fabric.Round{Number: 2, VLANs: []int{100, 137}, MTU: 1500, MaxSkew: time.Second}
	for _, name := range []string{"compute1", "compute2", "compute3"} {
		r.Members = append(r.Members, fabric.Member{FabricPeer: plan.FabricPeer{Machine: name, Name: name, MAC: name, Place: "tor-1 " + name}, Report: &plan.FabricReport{}})
	}
	for i := range r.Members {
		for j := range r.Members {
			for _, v := range r.VLANs {
				if i != j && (v != 137 || i+j == 1) {
					r.Members[i].Report.Heard = append(r.Members[i].Report.Heard, plan.FabricHeard{MAC: r.Members[j].MAC, VLAN: v, As: v, Size: 1500})
				}
			}
		}
	}
	m := fabric.Evaluate(r)
	return &m
}

func handler() http.Handler {
	return Handler(Config{Rack: rack{}, Name: "lab", Version: "2026.11", CA: "sha256:00", Token: token, Now: now, Log: slog.New(slog.DiscardHandler)})
}

func TestOnlyTheTokenOpensTheView(t *testing.T) {
	for given, want := range map[string]int{"Bearer " + token: 200, "Bearer " + token + "x": 401, "Bearer ": 401, "": 401, token: 401} {
		r := httptest.NewRequest("GET", "https://deployer/v1/view", nil)
		r.Header.Set("Authorization", given)
		w := httptest.NewRecorder()
		handler().ServeHTTP(w, r)
		if w.Code != want || (want == 401) != strings.Contains(w.Body.String(), "the token is wrong") {
			t.Errorf("authorization %q: %d %s", given, w.Code, w.Body)
		}
		var v View
		if err := json.Unmarshal(w.Body.Bytes(), &v); want == 200 && (err != nil || len(v.Machines) != 6 || v.Fabric == nil) {
			t.Errorf("view %s: %v", w.Body, err)
		}
	}
	w := httptest.NewRecorder()
	Handler(Config{Rack: rack{}, Log: slog.New(slog.DiscardHandler)}).ServeHTTP(w, httptest.NewRequest("GET", "https://deployer/v1/view", nil))
	if w.Code != 401 {
		t.Errorf("a deployer without a token shows its rack: %d", w.Code)
	}
}

func TestFiles(t *testing.T) {
	for path, want := range map[string]string{
		"/": "text/html; charset=utf-8", "/page/page.js": "text/javascript; charset=utf-8", "/page/style.css": "text/css; charset=utf-8",
		"/page/cairn.svg": "image/svg+xml", "/page/nothing": "", "/page/..%2fpage.go": "",
	} {
		w := httptest.NewRecorder()
		handler().ServeHTTP(w, httptest.NewRequest("GET", "https://deployer"+path, nil))
		if want == "" {
			if w.Code != 404 {
				t.Errorf("%s: %d", path, w.Code)
			}
			continue
		}
		if w.Code != 200 || w.Header().Get("Content-Type") != want || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
}

func TestTokenIsMadeOnceAndPrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page-token")
	one, err := Token(file)
	if err != nil || len(one) < 40 {
		t.Fatalf("%q: %v", one, err)
	}
	two, err := Token(file)
	if err != nil || two != one {
		t.Errorf("the token changed from %q to %q: %v", one, two, err)
	}
	if s, err := os.Stat(file); err != nil || s.Mode().Perm() != 0o640 {
		t.Errorf("mode %v: %v", s.Mode(), err)
	}
}

// browse opens the page in a browser without a screen and returns what is on
// it in the end. CAIRN_SHOTS names a directory for pictures.
func browse(t *testing.T, fragment string) string {
	t.Helper()
	browser, err := exec.LookPath("chromium")
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("chromium is not installed; make deps brings it")
	}
	srv := httptest.NewTLSServer(handler())
	t.Cleanup(srv.Close)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	args := []string{"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors",
		"--user-data-dir=" + t.TempDir(), "--window-size=1500,900", "--virtual-time-budget=6000", "--hide-scrollbars"}
	if dir := os.Getenv("CAIRN_SHOTS"); dir != "" {
		args = append(args, "--screenshot="+filepath.Join(dir, t.Name()+".png"))
	}
	out, err := exec.CommandContext(ctx, browser, append(args, "--dump-dom", srv.URL+"/"+fragment)...).Output()
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return string(out)
}

// TestPageInABrowser looks for what people need to see, and that text from
// machines stays text.
func TestPageInABrowser(t *testing.T) {
	dom := browse(t, "#"+token)
	for _, want := range []string{
		"release 2026.11", "1 failed", "43 MB/s", "write 39 % of 305 MiB", "5 s left",
		"40 MiB from the deployer, 80 MiB from other machines, 12 MiB given to them",
		"is a firewall in between?", "Put in a disk of 12 GiB or more &lt;b&gt;", "tor-1 Ethernet2", "1 min 15 s in matched",
		"VLAN 137 does not pass to or from compute3", `<td class="partial"`, ">live<",
	} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if t.Failed() {
		t.Log(dom)
	}
}

func TestPageAsksForTheToken(t *testing.T) {
	dom := browse(t, "")
	if !strings.Contains(dom, ">locked<") || strings.Contains(dom, "compute1") {
		t.Error(dom)
	}
}
