package pxe

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/pxe/fleet"
	"github.com/cairn-cloud/cairn/pxe/operate"
)

// TestOperatorFindsWhatSheNeeds goes by the directory that the deployer
// leaves, over the API, to a BMC that nobody answers for.
func TestOperatorFindsWhatSheNeeds(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	wire(t)
	secret := filepath.Join(t.TempDir(), "bmc-password")
	must(t, os.WriteFile(secret, []byte("x"), 0o600))
	rack := filepath.Join(t.TempDir(), "rack.yaml")
	must(t, os.WriteFile(rack, []byte(`
machines:
  - name: node7
    mac: 52:54:00:00:00:77
    bmc: {address: "127.0.0.1:1", user: op, password_file: `+secret+`, ca: "sha256:`+strings.Repeat("ab", 32)+`"}
  - name: node9
    mac: 52:54:00:00:00:79
    bmc: {address: "127.0.0.1:1", user: op, ca: "sha256:`+strings.Repeat("ab", 32)+`"}
`), 0o600))
	_, state := startDeployer(t, []byte("kernel"), func(c *Command) { c.Rack = rack })
	dir := filepath.Join(state, "operator")
	for name, mode := range map[string]os.FileMode{operate.KeyFile: 0o640, operate.TokenFile: 0o640, operate.CAFile: 0o640} {
		if s, err := os.Stat(filepath.Join(dir, name)); err != nil || s.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
	if s, err := os.Stat(dir); err != nil || s.Mode().Perm()&0o007 != 0 {
		t.Errorf("the operator's directory: %v, %v", s, err)
	}
	c, err := operate.Open(dir, "")
	must(t, err)
	if all, err := c.Machines(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("machines %v, %v", all, err)
	}
	if m, err := c.Matrix(t.Context()); err != nil || m != nil {
		t.Errorf("matrix %v, %v", m, err)
	}
	for id, want := range map[string]string{
		"node7":             "BMC: BMC 127.0.0.1:1: ",
		"52:54:00:00:00:77": "BMC: BMC 127.0.0.1:1: ",
		"node8":             `no such machine: "node8"; allowed: a machine that booted, or one under machines in rack.yaml`,
	} {
		_, err := c.Power(t.Context(), id, fleet.PowerRequest{Action: "on"})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("power of %s: %v; want %s", id, err, want)
		}
	}
	for id, want := range map[string]string{
		"node7": "wrong state: bmc.password_file is " + secret + " in rack.yaml; leave it out to have the deployer keep the password",
		"node9": "BMC: BMC 127.0.0.1:1: ", // it is kept, whether or not the BMC answers
	} {
		_, err := c.Power(t.Context(), id, fleet.PowerRequest{Action: fleet.PowerStatus, Password: "s3cret"})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("password of %s: %v; want %s", id, err, want)
		}
	}
	kept := filepath.Join(state, "bmc", "52:54:00:00:00:79")
	if b, err := os.ReadFile(kept); err != nil || string(b) != "s3cret" {
		t.Errorf("kept is %q, %v", b, err)
	}
	if s, err := os.Stat(kept); err != nil || s.Mode().Perm() != 0o600 {
		t.Errorf("what is kept: %v, %v", s, err)
	}
	if _, err := c.Tell(t.Context(), "node7", "approve"); err == nil || !strings.Contains(err.Error(), "no such machine") {
		t.Errorf("approve what never booted: %v", err)
	}
	stranger := &http.Client{}
	if res, err := stranger.Get("https://10.20.0.11:8443/v1/view"); err == nil {
		res.Body.Close()
		t.Error("a client that does not know the CA was served")
	}
}
