package fleet

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/hardening/pki"
	"github.com/cairn-cloud/cairn/installer/plan"
)

const (
	volume1  = "0b0f6e46-3c6a-4c1e-9a38-0a4c3f6f0001"
	volume2  = "0b0f6e46-3c6a-4c1e-9a38-0a4c3f6f0002"
	recovery = "ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23-4567"
)

// secret is a key of a data partition.
func secret() string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), luksKeySize))
}

// encrypting is a rack whose machines have keys of the deployer, or of a TPM.
func encrypting(t *testing.T, with string) *rack {
	t.Helper()
	return newRack(t, func(c *Config) {
		c.Planner = func(inv plan.Inventory, r *plan.Rack, o plan.Options) (plan.Plan, error) {
			p, err := plan.Make(inv, r, o)
			p.Encrypt = with
			return p, err
		}
	})
}

// writing takes a machine to its disk.
func (k *rack) writing(mac, id string) (ticket string) {
	k.t.Helper()
	d := k.boot(mac, id)
	if a := k.inventory(d.Ticket, mac, id); a.Plan == nil {
		k.t.Fatalf("%s got no plan: %+v", id, a)
	}
	k.progress(d.Ticket, id, "configure")
	return d.Ticket
}

func TestADeployerKeepsAKeyAndGivesItToItsNode(t *testing.T) {
	k := encrypting(t, plan.CryptDeployer)
	ticket := k.writing(mac1, id1)
	req := plan.VaultRequest{LUKS: volume1, Key: secret(), Recovery: recovery, CSR: csr(t)}
	v, err := k.Vault(ticket, id1, req)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := k.Vault(ticket, id1, req); err != nil || cmp.Diff(v, again, plainAddrs()) != "" {
		t.Errorf("the same again: %+v, %v; want %+v", again, err, v)
	}
	cert, err := pki.ParseCertificate([]byte(v.Certificate))
	if err != nil || cert.Subject.CommonName != "unlock-"+v.Node || v.Management.Address.String() != "10.20.0.101/24" {
		t.Errorf("got a certificate for %v, address %s, %v", cert.Subject, v.Management.Address, err)
	}
	e := k.enrol(ticket, id1)
	if e.Node.ID != v.Node {
		t.Errorf("enrolled as %s, and its keys are of %s", e.Node.ID, v.Node)
	}
	k.open() // a restart
	if u, err := k.Unlock(v.Node, plan.UnlockRequest{LUKS: volume1}); err != nil || u.Key != secret() {
		t.Errorf("got %d characters, %v", len(u.Key), err)
	}
	if r, err := k.Recovery("compute1"); err != nil || r.Key != recovery || r.LUKS != volume1 {
		t.Errorf("recovery key of %s, %v", r.LUKS, err)
	}
	if _, err := k.SetLocked("compute1", true); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Unlock(v.Node, plan.UnlockRequest{LUKS: volume1}); !errors.Is(err, ErrLocked) {
		t.Errorf("locked: got %v", err)
	}
	if _, err := k.SetLocked("compute1", false); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Unlock(v.Node, plan.UnlockRequest{LUKS: volume1}); err != nil {
		t.Errorf("given again: got %v", err)
	}
	m, err := k.Machine(id1)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, h := range m.History[len(m.History)-3:] {
		told = append(told, h.What)
	}
	if d := cmp.Diff([]string{"recovery key shown", "key withdrawn", "key given again"}, told); d != "" {
		t.Error(d)
	}
	k.sealed(secret(), recovery)
}

// sealed looks that no file of the deployer has a secret as it is.
func (k *rack) sealed(secrets ...string) {
	k.t.Helper()
	if err := k.conf.DB.Sync(); err != nil {
		k.t.Fatal(err)
	}
	for _, name := range []string{"fleet.db", "vault.key"} {
		file := filepath.Join(k.conf.Dir, name)
		b, err := os.ReadFile(file)
		st, serr := os.Stat(file)
		if err := errors.Join(err, serr); err != nil {
			k.t.Fatal(err)
		}
		if st.Mode().Perm() != 0o600 {
			k.t.Errorf("%s has mode %v", name, st.Mode())
		}
		for _, s := range secrets {
			if bytes.Contains(b, []byte(s)) {
				k.t.Errorf("%s holds a secret in the clear", name)
			}
		}
	}
}

// TestAMachineThatIsInstalledAgainHasANewKey and stays the same node.
func TestAMachineThatIsInstalledAgainHasANewKey(t *testing.T) {
	k := encrypting(t, plan.CryptDeployer)
	var nodes []string
	for _, volume := range []string{volume1, volume2} {
		ticket := k.writing(mac1, id1)
		v, err := k.Vault(ticket, id1, plan.VaultRequest{LUKS: volume, Key: secret(), Recovery: recovery, CSR: csr(t)})
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, v.Node)
		k.enrol(ticket, id1)
		k.progress(ticket, id1, PhaseHandover)
		if _, err := k.Reinstall(id1); err != nil {
			t.Fatal(err)
		}
	}
	if nodes[0] != nodes[1] {
		t.Errorf("it was node %s and became %s", nodes[0], nodes[1])
	}
	if _, err := k.Unlock(nodes[0], plan.UnlockRequest{LUKS: volume2}); err != nil {
		t.Error(err)
	}
}

// TestKeyRefusals has a line for each thing that is refused.
func TestKeyRefusals(t *testing.T) {
	good := plan.VaultRequest{LUKS: volume1, Key: secret(), Recovery: recovery, CSR: csr(t)}
	with := func(change func(*plan.VaultRequest)) plan.VaultRequest {
		r := good
		change(&r)
		return r
	}
	vault := func(crypt string, req plan.VaultRequest) func() error {
		return func() error {
			k := encrypting(t, crypt)
			_, err := k.Vault(k.writing(mac1, id1), id1, req)
			return err
		}
	}
	kept := func(do func(k *rack, node string) error) func() error {
		return func() error {
			k := encrypting(t, plan.CryptDeployer)
			v, err := k.Vault(k.writing(mac1, id1), id1, good)
			if err != nil {
				return err
			}
			return do(k, v.Node)
		}
	}
	const bare = "refused: key is not base64 of 32 bytes"
	for _, c := range []struct {
		want string
		do   func() error
	}{
		{"wrong state: machine " + id1 + " is booting; it hands its keys over while it is installing", func() error {
			k := encrypting(t, plan.CryptDeployer)
			_, err := k.Vault(k.boot(mac1, id1).Ticket, id1, good)
			return err
		}},
		{"boot ticket refused: machine " + id1 + " has used it up by enrolling", func() error {
			k := encrypting(t, plan.CryptDeployer)
			_, err := k.Vault(k.install(mac1, id1), id1, good)
			return err
		}},
		{"wrong state: the plan of machine " + id1 + " encrypts nothing", vault("", good)},
		{"refused: luks is \"x\"; allowed: a UUID", vault(plan.CryptDeployer, with(func(r *plan.VaultRequest) { r.LUKS = "x" }))},
		{"refused: key is set; allowed: none, since machine " + id1 + " has a TPM for it", vault(plan.CryptTPM, good)},
		{bare, vault(plan.CryptDeployer, with(func(r *plan.VaultRequest) { r.Key = "" }))},
		{bare, vault(plan.CryptDeployer, with(func(r *plan.VaultRequest) { r.Key = "*" }))},
		{"refused: recovery has 5 characters; allowed: 32 to 256", vault(plan.CryptDeployer, with(func(r *plan.VaultRequest) { r.Recovery = "short" }))},
		{"refused: issue node certificate: the request is not a CSR in PEM", vault(plan.CryptDeployer, with(func(r *plan.VaultRequest) { r.CSR = "x" }))},
		{"no such machine: this deployer keeps no key of node n1", func() error {
			_, err := encrypting(t, "").Unlock("n1", plan.UnlockRequest{LUKS: volume1})
			return err
		}},
		{`refused: node NODE asks for the key of volume "` + volume2 + `", and its own is ` + volume1, kept(func(k *rack, node string) error {
			_, err := k.Unlock(node, plan.UnlockRequest{LUKS: volume2})
			return err
		})},
		{"locked: an operator has withdrawn the key of node NODE; `cairn fleet unlock` gives it again", kept(func(k *rack, node string) error {
			if _, err := k.SetLocked(id1, true); err != nil {
				return err
			}
			_, err := k.Unlock(node, plan.UnlockRequest{LUKS: volume1})
			return err
		})},
		{"open the keys of node NODE (is vault.key the one of this database?): cipher: message authentication failed", kept(func(k *rack, node string) error {
			if err := os.Remove(filepath.Join(k.conf.Dir, "vault.key")); err != nil {
				return err
			}
			k.open()
			_, err := k.Unlock(node, plan.UnlockRequest{LUKS: volume1})
			return err
		})},
		{`no such machine: "nobody"`, func() error { _, err := encrypting(t, "").Recovery("nobody"); return err }},
		{"wrong state: machine " + id1 + " is not encrypted, or its keys are not kept here", func() error {
			k := encrypting(t, "")
			k.install(mac1, id1)
			_, err := k.SetLocked(id1, true)
			return err
		}},
		{"wrong state: machine " + id1 + " has its key in its TPM, where nobody can withdraw it", func() error {
			k := encrypting(t, plan.CryptTPM)
			if _, err := k.Vault(k.writing(mac1, id1), id1, plan.VaultRequest{LUKS: volume1, Recovery: recovery}); err != nil {
				return err
			}
			_, err := k.SetLocked(id1, true)
			return err
		}},
	} {
		err := c.do()
		got := "nothing"
		if err != nil {
			got = err.Error()
		}
		if i := strings.Index(c.want, "NODE"); i >= 0 && len(got) > i+36 { // a UUID
			got = strings.ReplaceAll(got, got[i:i+36], "NODE")
		}
		if got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}
