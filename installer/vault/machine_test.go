package vault

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/qa/inside"
)

func TestMain(m *testing.M) { inside.Main(m, "dm-mod", "dm-crypt", "xts", "raid1") }

// partition is the disk of the machine; secret is what is written to it.
const (
	partition = "/dev/vda"
	secret    = "what nobody else may read. "
)

func TestInsideMake(t *testing.T) {
	inside.Only(t)
	if err := Check(plan.Plan{Encrypt: plan.CryptTPM}, false); err != nil {
		t.Fatal(err)
	}
	m, err := Make(t.Context(), New{Parts: []string{partition}, Encrypt: plan.CryptTPM})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(m.Path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte(secret), 10_000), 1<<20); err != nil {
		t.Error(err)
	}
	if err := f.Sync(); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func TestInsideOpen(t *testing.T) {
	inside.Only(t)
	m, err := Open(t.Context(), []string{partition}, nobody)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10*len(secret))
	f, err := os.Open(m.Path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadAt(b, 1<<20); err != nil || string(b) != strings.Repeat(secret, 10) {
		t.Errorf("it holds %q, %v", b, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	_, err = Open(t.Context(), []string{partition}, nobody)
	if err == nil || !strings.Contains(err.Error(), "stays closed: TPM: the TPM gives no keys any more") {
		t.Errorf("the system could have the key too: got %v", err)
	}
}

func TestInsideForeign(t *testing.T) {
	inside.Only(t)
	if _, err := Open(t.Context(), []string{partition}, nobody); err == nil || !strings.Contains(err.Error(), "the disk is of another machine") {
		t.Errorf("with another TPM: got %v", err)
	}
}

// TestInMachine makes an encrypted disk in a machine with the kernel of the
// release and a TPM, opens it there after a restart, and in another one.
func TestInMachine(t *testing.T) {
	mine := inside.Machine{Disks: blank(t, 2), TPM: t.TempDir()}
	other := inside.Machine{Disks: mine.Disks, TPM: t.TempDir()}
	mine.Run(t, "^TestInsideMake$")
	raw, err := os.ReadFile(mine.Disks[0])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(raw, []byte("LUKS\xba\xbe")) || bytes.Contains(raw, []byte(secret)) {
		t.Error("the disk can be read without its key")
	}
	mine.Run(t, "^TestInsideOpen$")
	mine.Run(t, "^TestInsideOpen$")
	other.Run(t, "^TestInsideForeign$")
	other.Run(t, "^TestInsideRelease$")
}

// TestMirrorInMachine makes an encrypted mirror and a further disk, and takes
// a disk out of it.
func TestMirrorInMachine(t *testing.T) {
	disks, chip := blank(t, 3), t.TempDir()
	one, two, third := disks[0], disks[1], disks[2]
	with := func(disks ...string) inside.Machine { return inside.Machine{Disks: disks, TPM: chip} }
	with(one, two, third).Run(t, "^TestInsideMirrorMake$")
	with(one, two, third).Run(t, "^TestInsideMirrorWhole$")
	with(two, third).Run(t, "^TestInsideMirrorAlone$")
	with(one, two).Run(t, "^TestInsideMirrorStale$")
	with(one).Run(t, "^TestInsideMirrorAgain$")
	with(two).Run(t, "^TestInsideMirrorAgain$")
	with(one, two).Run(t, "^TestInsideMirrorApart$")
}

// blank makes disks of 64 MiB.
func blank(t *testing.T, n int) []string {
	t.Helper()
	disks := make([]string, n)
	for i := range disks {
		disks[i] = filepath.Join(t.TempDir(), "disk")
		if err := os.WriteFile(disks[i], make([]byte, 64<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return disks
}
