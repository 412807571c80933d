package vault

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/installer/luks"
	"github.com/cairn-cloud/cairn/installer/plan"
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
	if err := format(path, make([]byte, luks.KeySize), *token); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAPlainPartitionIsItself(t *testing.T) {
	path := device(t, nil)
	if m, err := Open(path); err != nil || m.Path != path || m.Close() != nil {
		t.Errorf("opened %+v, %v", m, err)
	}
	if m, err := Make(plan.Plan{}, path); err != nil || m.Path != path || m.Close() != nil {
		t.Errorf("made %+v, %v", m, err)
	}
	if err := Check(plan.Plan{}); err != nil {
		t.Error(err)
	}
}

func TestAKeyOfSomebodyElse(t *testing.T) {
	path := device(t, &luks.Token{Type: "systemd-tpm2"})
	_, err := Open(path)
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
	_, err := Open(device(t, &luks.Token{Type: "cairn-tpm2"}))
	if refusal := (*plan.Refusal)(nil); !errors.As(err, &refusal) || !strings.Contains(refusal.Remedy, "switched on in the firmware's setup") {
		t.Errorf("to open: got %v", err)
	}
	err = Check(plan.Plan{Rule: "r", Encrypt: plan.CryptTPM})
	if refusal := (*plan.Refusal)(nil); !errors.As(err, &refusal) || !strings.HasPrefix(refusal.Reason, `the plan of rule "r" encrypts with the TPM, which seals nothing: `) {
		t.Errorf("to make: got %v", err)
	}
}
