package luks

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// spare is the key for people.
const spare = "ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23-4567"

// volume is a file with a volume, and its key.
func volume(t *testing.T) (f *os.File, key []byte, id string) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "volume"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(64 << 20); err != nil {
		t.Fatal(err)
	}
	key = make([]byte, KeySize)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	if id, err = NewUUID(); err != nil {
		t.Fatal(err)
	}
	n := New{UUID: id, Keys: [][]byte{key, []byte(spare)}, Token: Token{Type: "cairn-test", Data: []byte("where")}}
	if err := Format(f, n, rand.Reader); err != nil {
		t.Fatal(err)
	}
	return f, key, id
}

func TestWhatIsFormattedOpens(t *testing.T) {
	f, key, id := volume(t)
	token, found, err := TokenOf(f)
	if err != nil || found != id {
		t.Fatalf("found %s, %v; want %s", found, err, id)
	}
	if d := cmp.Diff(Token{Type: "cairn-test", Slots: []string{"0"}, Data: []byte("where")}, token); d != "" {
		t.Error(d)
	}
	first, err := Open(f, key)
	if err != nil || len(first.key) != volumeKeySize || first.offset != dataAt || first.UUID != id {
		t.Fatalf("got %+v, %v", first, err)
	}
	key[3] ^= 1
	if _, err := Open(f, key); !errors.Is(err, ErrKey) {
		t.Errorf("another key: got %v", err)
	}
	key[3] ^= 1
	if again, err := Open(f, []byte(spare)); err != nil || !bytes.Equal(again.key, first.key) {
		t.Errorf("with the key for people: %v", err)
	}
	if _, err := f.WriteAt(make([]byte, 100), 4000); err != nil {
		t.Fatal(err)
	}
	if again, err := Open(f, key); err != nil || !bytes.Equal(again.key, first.key) {
		t.Errorf("with a damaged first header: %v", err)
	}
	one := make([]byte, 1) // of a text with keys in it: any letter may be there
	if _, err := f.ReadAt(one, headerSize+5000); err != nil {
		t.Fatal(err)
	}
	one[0] ^= 1
	if _, err := f.WriteAt(one, headerSize+5000); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(f, key); err == nil || !strings.Contains(err.Error(), "it is damaged") {
		t.Errorf("with both damaged: got %v", err)
	}
}

func TestWhatIsNone(t *testing.T) {
	if _, _, err := TokenOf(bytes.NewReader(make([]byte, 1<<20))); !errors.Is(err, ErrNone) {
		t.Errorf("a blank device: got %v", err)
	}
	if _, _, err := TokenOf(bytes.NewReader(nil)); !errors.Is(err, ErrNone) {
		t.Errorf("an empty device: got %v", err)
	}
	const id = "0b0f6e46-3c6a-4c1e-9a38-0a4c3f6f0001"
	for _, c := range []struct {
		new  New
		want string
	}{
		{New{UUID: id, Keys: [][]byte{make([]byte, 31)}}, "a key of 31 bytes; allowed: 32"},
		{New{UUID: id, Keys: [][]byte{make([]byte, 33)}}, "a key of 33 bytes; allowed: 32"},
		{New{UUID: id, Keys: [][]byte{make([]byte, 32), []byte("short")}}, "a key of 5 bytes; allowed: 32"},
		{New{UUID: id}, "0 keys; allowed: 1 to 2"},
		{New{UUID: "x"}, `a volume "x"; allowed: a UUID`},
	} {
		if err := Format(nil, c.new, rand.Reader); err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
}

// TestCryptsetupAgrees lets the real tool open what Format made, and compares
// the key that it finds.
func TestCryptsetupAgrees(t *testing.T) {
	tool, err := exec.LookPath("cryptsetup")
	if err != nil {
		t.Skip("cryptsetup is not installed")
	}
	f, key, id := volume(t)
	keyFile := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(keyFile, key, 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(argv ...string) string {
		out, err := exec.Command(tool, argv...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v: %s", argv, err, out)
		}
		return string(out)
	}
	if got := strings.TrimSpace(run("luksUUID", f.Name())); got != id {
		t.Errorf("UUID %s, want %s", got, id)
	}
	if dump := run("luksDump", f.Name()); !strings.Contains(dump, "cairn-test") || !strings.Contains(dump, "aes-xts-plain64") {
		t.Error(dump)
	}
	run("open", "--test-passphrase", "--key-file", keyFile, f.Name())
	typed := exec.Command(tool, "open", "--test-passphrase", "--key-slot", "1", f.Name())
	typed.Stdin = strings.NewReader(spare + "\n")
	if out, err := typed.CombinedOutput(); err != nil {
		t.Errorf("the key for people, typed: %v: %s", err, out)
	}
	v, err := Open(f, key)
	if err != nil {
		t.Fatal(err)
	}
	dump := run("luksDump", "--dump-volume-key", "-q", "--key-file", keyFile, f.Name())
	_, rest, _ := strings.Cut(dump, "MK dump:")
	if got := strings.Join(strings.Fields(rest), ""); got != hex.EncodeToString(v.key) {
		t.Errorf("it finds another key: %d digits in %q", len(got), strings.SplitN(dump, "MK dump", 2)[0])
	}
	if _, err := f.WriteAt(make([]byte, 100), 0); err != nil {
		t.Fatal(err)
	}
	run("open", "--test-passphrase", "--key-file", keyFile, f.Name())
}

// FuzzOpen feeds headers that want to break the reader.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(magicFirst + "\x00\x02\x00\x00\x00\x00\x00\x00\x40\x00"))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = Open(bytes.NewReader(b), make([]byte, KeySize)) })
}
