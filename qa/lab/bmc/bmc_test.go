package bmc

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stmcginnis/gofish"
	"github.com/stmcginnis/gofish/schemas"
)

// A switchable is a machine that notes what is done to it.
type switchable struct {
	on   bool
	done []string
}

func (s *switchable) note(what string) error { s.done = append(s.done, what); return nil }

func (s *switchable) On() bool                       { return s.on }
func (s *switchable) PowerOn(context.Context) error  { s.on = true; return s.note("on") }
func (s *switchable) PowerOff(context.Context) error { s.on = false; return s.note("off") }
func (s *switchable) Press(context.Context) error    { return s.note("press") }
func (s *switchable) Reset(context.Context) error    { return s.note("reset") }
func (s *switchable) BootNext(b Boot) error          { return s.note("boot " + string(b)) }
func (s *switchable) Insert(_ context.Context, url string) error {
	if strings.HasPrefix(url, "ftp:") {
		return errors.New("the URL is " + url + "; allowed: http")
	}
	return s.note("insert " + url)
}

func start(t *testing.T, m Machine) (*BMC, string) {
	t.Helper()
	chain, key, err := NewCertificate("compute1")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(chain, key)
	if err != nil {
		t.Fatal(err)
	}
	b := New(Config{Name: "compute1", UUID: "5ca1e000-0000-4000-8000-000000000001", User: "op", Password: "secret", Cert: cert, Machine: m, Log: slog.New(slog.DiscardHandler)})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- b.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(b.Close(), <-done); err != nil {
			t.Error(err)
		}
	})
	return b, "https://" + l.Addr().String()
}

func client() *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}

// TestAClientOfOthers drives it with a library that knows real BMCs.
func TestAClientOfOthers(t *testing.T) {
	m := &switchable{}
	_, url := start(t, m)
	c, err := gofish.ConnectContext(t.Context(), gofish.ClientConfig{Endpoint: url, Username: "op", Password: "secret", HTTPClient: client(), NoModifyTransport: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Logout()
	all, err := c.Service.Systems()
	if err != nil || len(all) != 1 {
		t.Fatalf("systems %v, %v", all, err)
	}
	s := all[0]
	if s.PowerState != schemas.OffPowerState || s.UUID != "5ca1e000-0000-4000-8000-000000000001" {
		t.Errorf("system %s is %s", s.UUID, s.PowerState)
	}
	managers, err := s.ManagedBy()
	if err != nil || len(managers) != 1 {
		t.Fatalf("managers %v, %v", managers, err)
	}
	media, err := managers[0].VirtualMedia()
	if err != nil || len(media) != 1 {
		t.Fatalf("media %v, %v", media, err)
	}
	if _, err := media[0].InsertMedia(&schemas.VirtualMediaInsertMediaParameters{Image: "http://10.20.0.11/cairn.iso"}); err != nil {
		t.Error(err)
	}
	if err := s.SetBoot(&schemas.Boot{BootSourceOverrideEnabled: "Once", BootSourceOverrideTarget: "Cd"}); err != nil {
		t.Error(err)
	}
	for _, kind := range []schemas.ResetType{"On", "ForceRestart", "GracefulShutdown", "PowerCycle", "ForceOff"} {
		if _, err := s.Reset(kind); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	want := []string{"insert http://10.20.0.11/cairn.iso", "boot Cd", "on", "reset", "press", "off", "on", "off"}
	if d := cmp.Diff(want, m.done); d != "" {
		t.Error(d)
	}
}

func TestRefusals(t *testing.T) {
	_, url := start(t, &switchable{on: true})
	for _, c := range []struct {
		method, path, body, password string
		code                         int
		want                         string
	}{
		{"GET", "", "", "", 200, "RootService"},
		{"GET", "Systems/1", "", "", 401, "log in first"},
		{"GET", "Systems/1", "", "wrong", 401, "log in first"},
		{"POST", "SessionService/Sessions", `{"UserName":"op","Password":"wrong"}`, "", 401, "user or password is wrong"},
		{"POST", "Systems/1/Actions/ComputerSystem.Reset", `{"ResetType":"On"}`, "secret", 409, "the machine is on"},
		{"POST", "Systems/1/Actions/ComputerSystem.Reset", `{"ResetType":"Explode"}`, "secret", 400, "ResetType is Explode; allowed: On,"},
		{"POST", "Systems/1/Actions/ComputerSystem.Reset", `{`, "secret", 400, "no JSON"},
		{"PATCH", "Systems/1", `{"Boot":{"BootSourceOverrideEnabled":"Continuous"}}`, "secret", 400, "allowed: Once, Disabled"},
		{"PATCH", "Systems/1", `{"Boot":{"BootSourceOverrideEnabled":"Once","BootSourceOverrideMode":"UEFI"}}`, "secret", 400, "not that of the machine's firmware"},
		{"POST", "Managers/1/VirtualMedia/Cd/Actions/VirtualMedia.InsertMedia", `{"Image":"ftp://x"}`, "secret", 400, "allowed: http"},
	} {
		req, err := http.NewRequest(c.method, url+root+c.path, bytes.NewReader([]byte(c.body)))
		if err != nil {
			t.Fatal(err)
		}
		if c.password != "" {
			req.SetBasicAuth("op", c.password)
		}
		res, err := client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != c.code || !strings.Contains(string(text), c.want) || err != nil {
			t.Errorf("%s %s %s: %d %s, %v; want %d with %q", c.method, c.path, c.body, res.StatusCode, text, err, c.code, c.want)
		}
	}
}

// TestSessionsRunOut as those of real BMCs do.
func TestSessionsRunOut(t *testing.T) {
	_, url := start(t, &switchable{})
	login := func() int {
		res, err := client().Post(url+root+"SessionService/Sessions", "application/json", strings.NewReader(`{"UserName":"op","Password":"secret"}`))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	var got []int
	for range maxSessions + 1 {
		got = append(got, login())
	}
	want := fmt.Sprint([]int{201, 201, 201, 201, 201, 201, 201, 201, 503})
	if fmt.Sprint(got) != want {
		t.Errorf("got %v; want %s", got, want)
	}
}
