package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/luks"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/raid"
)

// device is a file instead of a partition, with what is put at its start.
func device(t *testing.T, token *luks.Token) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, make([]byte, 20<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if token == nil {
		return path
	}
	id, err := luks.NewUUID()
	if err != nil {
		t.Fatal(err)
	}
	if err := format(path, luks.New{UUID: id, Keys: [][]byte{make([]byte, luks.KeySize)}, Token: *token}); err != nil {
		t.Fatal(err)
	}
	return path
}

// nobody is asked for a key.
func nobody(context.Context, []byte, string) ([]byte, error) {
	return nil, errors.New("the deployer was asked")
}

func TestAPlainPartitionIsItself(t *testing.T) {
	path := device(t, nil)
	v, err := Open(t.Context(), []string{path}, nobody)
	if err != nil || v.Path != path || v.Notes() != nil || v.Close() != nil {
		t.Errorf("opened %+v, %v", v, err)
	}
	if m, err := v.OpenFurther("x", "/dev/x"); err != nil || m.Path != "/dev/x" || m.Close() != nil {
		t.Errorf("a further disk: %+v, %v", m, err)
	}
	if v, err := Make(t.Context(), New{Parts: []string{path}}); err != nil || v.Path != path || v.Close() != nil {
		t.Errorf("made %+v, %v", v, err)
	}
	if err := Check(plan.Plan{}, false); err != nil {
		t.Error(err)
	}
}

func TestAKeyOfSomebodyElse(t *testing.T) {
	path := device(t, &luks.Token{Type: "systemd-tpm2"})
	_, err := Open(t.Context(), []string{path}, nobody)
	want := "the data partition " + path + ` is encrypted, and nothing here has its key (its header names "systemd-tpm2"). ` +
		"Boot the version of Cairn that encrypted it, or install this machine again."
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

// TestWithoutATPM is about a machine whose TPM was switched off.
func TestWithoutATPM(t *testing.T) {
	if _, err := os.Stat("/dev/tpmrm0"); err == nil {
		t.Skip("this machine has a TPM")
	}
	_, err := Open(t.Context(), []string{device(t, &luks.Token{Type: "cairn-tpm2"})}, nobody)
	if refusal := (*plan.Refusal)(nil); !errors.As(err, &refusal) || !strings.Contains(refusal.Remedy, "switched on in the firmware's setup") {
		t.Errorf("to open: got %v", err)
	}
	err = Check(plan.Plan{Rule: "r", Encrypt: plan.CryptTPM}, true)
	if refusal := (*plan.Refusal)(nil); !errors.As(err, &refusal) || !strings.HasPrefix(refusal.Reason, `the plan of rule "r" encrypts with the TPM, which seals nothing: `) {
		t.Errorf("to make: got %v", err)
	}
}

// TestKeysAreHandedOver looks at what the deployer and the header get.
func TestKeysAreHandedOver(t *testing.T) {
	path := device(t, nil)
	var kept Keys
	n := New{Parts: []string{path}, Encrypt: plan.CryptDeployer, Keep: func(_ context.Context, k Keys) ([]byte, error) {
		kept = k
		return []byte("whom to ask"), nil
	}}
	_, err := Make(t.Context(), n)
	if err == nil {
		t.Fatal("a file was mapped")
	}
	token, id, err := tokenOf(path)
	if err != nil || token.Type != KeptToken || string(token.Data) != "whom to ask" || id != kept.LUKS {
		t.Errorf("the header of %s says %+v, %v", id, token, err)
	}
	raw, err := os.ReadFile(path)
	if err != nil || bytes.Contains(raw, kept.Key) || bytes.Contains(raw, []byte(kept.Recovery)) {
		t.Errorf("the keys are on the disk (%v)", err)
	}
	for name, key := range map[string][]byte{"key": kept.Key, "recovery key": []byte(kept.Recovery)} {
		if _, err := luks.Open(bytes.NewReader(raw), key); err != nil {
			t.Errorf("the %s: %v", name, err)
		}
	}
	if len(kept.Recovery) != 13*5-1 || strings.ToUpper(kept.Recovery) != kept.Recovery {
		t.Errorf("a recovery key of %d characters", len(kept.Recovery))
	}
	n.Keep = func(context.Context, Keys) ([]byte, error) { return nil, errors.New("no") }
	if _, err := Make(t.Context(), n); err == nil || err.Error() != "hand the keys to the deployer: no" {
		t.Errorf("got %v", err)
	}
}

// TestTheDeployerIsAsked looks at what comes of its answers.
func TestTheDeployerIsAsked(t *testing.T) {
	path := device(t, &luks.Token{Type: KeptToken, Data: []byte("whom to ask")})
	asked := ""
	_, err := Open(t.Context(), []string{path}, func(_ context.Context, header []byte, id string) ([]byte, error) {
		asked = string(header) + " " + id
		return bytes.Repeat([]byte{1}, luks.KeySize), nil
	})
	_, id, terr := tokenOf(path)
	if terr != nil || asked != "whom to ask "+id {
		t.Errorf("asked %q, %v", asked, terr)
	}
	want := "the data partition " + path + " is encrypted and stays closed: the key that the deployer gave does not open it. " +
		"Open it with the recovery key (`cairn fleet recovery-key` on the deployer) and cryptsetup, or install this machine again."
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	no := &plan.Refusal{Reason: "no", Remedy: "none"}
	_, err = Open(t.Context(), []string{path}, func(context.Context, []byte, string) ([]byte, error) { return nil, no })
	if !errors.Is(err, no) {
		t.Errorf("got %v", err)
	}
}

// TestChecks are refusals before anything is wiped.
func TestChecks(t *testing.T) {
	for _, c := range []struct {
		encrypt string
		kept    bool
		want    string
	}{
		{plan.CryptDeployer, true, ""},
		{plan.CryptDeployer, false, `the plan of rule "r" encrypts with a key of the deployer, and this machine founds the cluster: nobody could give it the key. ` +
			"Set encrypt: tpm in a rule for this machine if it has a TPM 2.0, or encrypt: none."},
		{"tape", true, `the plan of rule "r" encrypts with "tape"; allowed: tpm, deployer. Boot the installer of the release that made the plan.`},
	} {
		err := Check(plan.Plan{Rule: "r", Encrypt: c.encrypt}, c.kept)
		if got := fmt.Sprint(err); err != nil && got != c.want || err == nil && c.want != "" {
			t.Errorf("got %s\nwant %s", got, c.want)
		}
	}
}

func TestKeysOfFurtherDisks(t *testing.T) {
	a, b := Volume{key: make([]byte, 32)}, Volume{key: bytes.Repeat([]byte{1}, 32)}
	seen := map[string]bool{}
	for _, v := range []*Volume{&a, &b} {
		for _, id := range []string{"x", "y"} {
			key, err := v.derive(id)
			if again, aerr := v.derive(id); err != nil || aerr != nil || len(key) != luks.KeySize || !bytes.Equal(key, again) {
				t.Errorf("got %x, %x, %v", key, again, err)
			}
			seen[string(key)] = true
		}
	}
	if len(seen) != 4 {
		t.Errorf("%d different keys, want 4", len(seen))
	}
	if _, err := a.OpenFurther("x", device(t, nil)); !errors.Is(err, errBare) {
		t.Errorf("a bare disk: got %v", err)
	}
}

func TestAMirrorIsExplained(t *testing.T) {
	one, two := device(t, nil), device(t, nil)
	if err := formatMirror([]string{one, two}); err != nil {
		t.Fatal(err)
	}
	h, err := raid.Look([]string{two})
	if err != nil {
		t.Fatal(err)
	}
	v := Volume{Halves: &h}
	want := []string{"the mirror lacks a disk: the data are on " + two + " alone. Put the disk back, or install this machine again on two"}
	if d := cmp.Diff(want, v.Notes()); d != "" {
		t.Error(d)
	}
	v.Halves = &raid.Halves{Current: []string{one}, Stale: []string{two}}
	want = []string{"the mirror's part on " + two + " was away and is brought up to date now; until it is, the data are on " + one + " alone (/proc/mdstat says how far it is)"}
	if d := cmp.Diff(want, v.Notes()); d != "" {
		t.Error(d)
	}
	v.Halves = &raid.Halves{Current: []string{one}, Apart: []string{two}}
	want = []string{"the mirror's part on " + two + " has data of its own, since the machine was started from each disk alone. What is on " + one +
		" counts; pull that disk and start again to see the other's, and clear the one that you do not want"}
	if d := cmp.Diff(want, v.Notes()); d != "" {
		t.Error(d)
	}
}
