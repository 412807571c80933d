package tpm

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"
)

// started starts an emulated TPM with the state in dir, and gives its end.
func started(t *testing.T, dir string) (transport.TPM, func()) {
	t.Helper()
	tool, err := exec.LookPath("swtpm")
	if err != nil {
		t.Skip("swtpm is not installed")
	}
	socket := filepath.Join(t.TempDir(), "tpm")
	cmd := exec.Command(tool, "socket", "--tpm2", "--tpmstate", "dir="+dir, "--flags", "not-need-init,startup-clear",
		"--server", "type=unixio,path="+socket)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill() // it may have ended
			_ = cmd.Wait()
		}
	}
	t.Cleanup(stop)
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		device, err := linuxudstpm.Open(socket)
		if err == nil {
			return device, stop
		}
		if time.Now().After(end) {
			t.Fatalf("swtpm does not start: %v", err)
		}
	}
}

func TestAKeyComesBackAfterARestart(t *testing.T) {
	dir, secret := t.TempDir(), bytes.Repeat([]byte{7, 9}, 16)
	chip, stop := started(t, dir)
	blob, err := Seal(chip, secret)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(blob, secret) {
		t.Error("the secret is not sealed")
	}
	for range 3 { // nothing is left behind in the chip
		if got, err := Unseal(chip, blob); err != nil || !bytes.Equal(got, secret) {
			t.Fatalf("got %x, %v", got, err)
		}
	}
	if err := Lock(chip); err != nil {
		t.Fatal(err)
	}
	if got, err := Unseal(chip, blob); !errors.Is(err, ErrLocked) {
		t.Errorf("locked: got %x, %v", got, err)
	}
	stop()
	chip, _ = started(t, dir)
	if got, err := Unseal(chip, blob); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("after a restart: got %x, %v", got, err)
	}
}

// TestALockedChipSealsForTheNextStart seals when the key could not be had any
// more: the rule is about the state after a start, not that of now.
func TestALockedChipSealsForTheNextStart(t *testing.T) {
	dir := t.TempDir()
	chip, stop := started(t, dir)
	if err := Lock(chip); err != nil {
		t.Fatal(err)
	}
	blob, err := Seal(chip, []byte("later"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Unseal(chip, blob); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v", err)
	}
	stop()
	chip, _ = started(t, dir)
	if got, err := Unseal(chip, blob); err != nil || string(got) != "later" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAnotherChipHasNoKey(t *testing.T) {
	chip, _ := started(t, t.TempDir())
	blob, err := Seal(chip, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	other, _ := started(t, t.TempDir())
	if _, err := Unseal(other, blob); !errors.Is(err, ErrForeign) {
		t.Errorf("got %v", err)
	}
	var s sealed
	if err := json.Unmarshal(blob, &s); err != nil {
		t.Fatal(err)
	}
	s.PCRs = nil // somebody wants it without the rule
	free, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Unseal(chip, free); !errors.Is(err, ErrLocked) {
		t.Errorf("without the rule: got %v", err)
	}
	for _, bad := range []string{"", "{}", `{"public":"AAAA","private":"AAAA"}`} {
		if _, err := Unseal(chip, []byte(bad)); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
}
