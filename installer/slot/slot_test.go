package slot

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// written makes a slot with a footer of that version.
func written(t *testing.T, name, version string, key ed25519.PrivateKey) string {
	t.Helper()
	raw, err := json.Marshal(manifest.Manifest{Format: 1, Version: version,
		Verity: manifest.Verity{BlockSize: 4096, DataBlocks: 1, HashOffset: 4096}})
	if err != nil {
		t.Fatal(err)
	}
	footer, err := manifest.Footer(raw, manifest.Sign(raw, key))
	if err != nil {
		t.Fatal(err)
	}
	return file(t, name, append(make([]byte, 8192), footer...))
}

func file(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestChoose(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	empty := file(t, "empty", make([]byte, 2<<20))
	v := func(version string) string { return written(t, "slot", version, key) }
	for _, c := range []struct{ name, a, b, want, slot, err string }{
		{"only A", v("1.0"), empty, "", "cairn-a", ""},
		{"B is newer", v("1.9"), v("1.10"), "", "cairn-b cairn-a", ""},
		{"alike", v("1.0"), v("1.0"), "", "cairn-a cairn-b", ""},
		{"older on demand", v("1.0"), v("2.0"), "a", "cairn-a", ""},
		{"A is of others", written(t, "slot", "9", other), v("1.0"), "", "cairn-b", ""},
		{"none", empty, empty, "", "", "slot cairn-a: slot has no manifest: it was never completely written\nslot cairn-b: slot has no manifest"},
		{"both of others", written(t, "slot", "9", other), empty, "", "", "slot cairn-a: manifest is not signed by a trusted release key"},
		{"no such", v("1"), empty, "c", "", `cairn.slot is "c"; allowed: a, b`},
	} {
		in := Installation{Disk: "/dev/vda", Parts: map[string]string{plan.LabelSlotA: c.a, plan.LabelSlotB: c.b}}
		slots, err := in.Choose(c.want, []ed25519.PublicKey{pub})
		got := ""
		for _, s := range slots {
			got += s.Label + " "
		}
		switch {
		case c.err == "" && (err != nil || strings.TrimSpace(got) != c.slot):
			t.Errorf("%s: got %s, %v; want %s", c.name, got, err, c.slot)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: got %v; want %s", c.name, err, c.err)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	ordered := []string{"", "0.9", "0.10", "1", "1.0", "1.0+a", "1.0+b", "1.2", "2026.11.1", "2026.11.22"}
	for i := 1; i < len(ordered); i++ {
		if CompareVersions(ordered[i-1], ordered[i]) >= 0 || CompareVersions(ordered[i], ordered[i-1]) <= 0 {
			t.Errorf("%q is not below %q", ordered[i-1], ordered[i])
		}
	}
}

// fakeSystem makes /sys with disks of ours.
func fakeSystem(t *testing.T, disks ...string) System {
	t.Helper()
	dir := t.TempDir()
	s := System{Sys: filepath.Join(dir, "sys"), Dev: filepath.Join(dir, "dev")}
	class := filepath.Join(s.Sys, "class/block")
	for _, d := range []string{class, s.Dev} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, disk := range disks {
		device := filepath.Join(s.Sys, "devices", disk)
		for i, label := range []string{"cairn-bios", "cairn-esp", "cairn-a", "cairn-b", "cairn-data"} {
			part := disk + string(rune('1'+i))
			if err := os.MkdirAll(filepath.Join(device, part), 0o755); err != nil {
				t.Fatal(err)
			}
			err := errors.Join(
				os.WriteFile(filepath.Join(device, part, "uevent"), []byte("DEVTYPE=partition\nPARTNAME="+label+"\n"), 0o600),
				os.Symlink(filepath.Join(device, part), filepath.Join(class, part)))
			if err != nil {
				t.Fatal(err)
			}
		}
		head := make([]byte, 8192)
		copy(head[512:], "EFI PART")
		copy(head[512+56:], []byte{4, 3, 2, 1, 6, 5, 8, 7, 9, 10, 11, 12, 13, 14, 15, disk[2]})
		if err := os.WriteFile(filepath.Join(s.Dev, disk), head, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestFindAndPick(t *testing.T) {
	s := fakeSystem(t, "vdb", "vda")
	found, err := s.Find()
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, in := range found {
		ids = append(ids, in.ID)
	}
	if d := cmp.Diff([]string{"01020304-0506-0708-090a-0b0c0d0e0f61", "01020304-0506-0708-090a-0b0c0d0e0f62"}, ids); d != "" {
		t.Fatal(d)
	}
	if got := found[0].Parts[plan.LabelData]; got != filepath.Join(s.Dev, "vda5") {
		t.Errorf("data is on %s", got)
	}
	var many *ManyError
	if _, err := Pick(found, ""); !errors.As(err, &many) || !strings.Contains(err.Error(), "vda (01020304") {
		t.Errorf("two installations: got %v", err)
	}
	if in, err := Pick(found, "01020304-0506-0708-090A-0B0C0D0E0F62"); err != nil || in.Disk != filepath.Join(s.Dev, "vdb") {
		t.Errorf("by id: got %s, %v", in.Disk, err)
	}
	if _, err := Pick(nil, ""); !errors.Is(err, ErrNone) {
		t.Errorf("none: got %v", err)
	}
	if _, err := Pick(found, "/dev/sdz"); !errors.Is(err, ErrNone) {
		t.Errorf("another: got %v", err)
	}
}

func TestReadKeys(t *testing.T) {
	pub, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	line := base64.StdEncoding.EncodeToString(pub)
	keys, err := ReadKeys(file(t, "keys", []byte("# the key\n"+line+"\n\n"+line+"\n")))
	if err != nil || len(keys) != 2 || !keys[1].Equal(pub) {
		t.Errorf("got %d keys, %v", len(keys), err)
	}
	for _, bad := range []string{"", "# none\n", "AAAA\n", "*\n"} {
		if _, err := ReadKeys(file(t, "keys", []byte(bad))); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
}

func TestVerityTableTakesDigitsOnly(t *testing.T) {
	good := manifest.Verity{RootHash: strings.Repeat("ab", 32), Salt: "00ff"}
	if err := checkHex(good); err != nil {
		t.Error(err)
	}
	for _, bad := range []manifest.Verity{
		{RootHash: "ab 1 ignore_corruption", Salt: "00"}, {RootHash: good.RootHash, Salt: "00 1 x"}, {RootHash: good.RootHash},
	} {
		if checkHex(bad) == nil {
			t.Errorf("%+v passed", bad)
		}
	}
}
