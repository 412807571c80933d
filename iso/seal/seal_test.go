package seal

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/rackfile"
)

// image makes a small medium with files in its release directory, as the
// build does it.
func image(t *testing.T, volume string, files map[string][]byte) string {
	t.Helper()
	if _, err := exec.LookPath("xorriso"); err != nil {
		t.Skip("xorriso is not installed")
	}
	root, out := t.TempDir(), filepath.Join(t.TempDir(), "cairn.iso")
	for name, b := range files {
		path := filepath.Join(root, ReleaseDir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("xorriso", "-as", "mkisofs", "-quiet", "-o", out, "-V", volume, "-iso-level", "3", "-r", "-J", "-joliet-long", root)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("xorriso: %v: %s", err, text)
	}
	return out
}

func emptyArea(t *testing.T) []byte {
	t.Helper()
	area, err := rackfile.Seal(nil)
	if err != nil {
		t.Fatal(err)
	}
	return area
}

// medium is one with an area, among so many files that the directory has
// several sectors.
func medium(t *testing.T) string {
	t.Helper()
	files := map[string][]byte{rackfile.AreaName: emptyArea(t), "root.img": bytes.Repeat([]byte("r"), 100000)}
	for i := range 60 {
		files[fmt.Sprintf("a-file-of-the-release-%02d", i)] = []byte("x")
	}
	return image(t, Volume, files)
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "rack.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func inspect(t *testing.T, iso string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := (&InspectCommand{ISO: iso, Out: &out}).Run(t.Context(), nil)
	return out.String(), err
}

func TestSealInspectUnseal(t *testing.T) {
	iso, log := medium(t), slog.New(slog.DiscardHandler)
	before, err := os.ReadFile(iso)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inspect(t, iso); err == nil || err.Error() != iso+": no rack.yaml is sealed in: the installation asks a person" {
		t.Errorf("got %v", err)
	}
	for _, text := range []string{"name: first-and-longer\n", "name: r\nmachines:\n- {mac: \"${MAC}\", name: a}\n"} {
		if err := (&SealCommand{ISO: iso, Rack: write(t, text)}).Run(t.Context(), log); err != nil {
			t.Fatal(err)
		}
		if got, err := inspect(t, iso); err != nil || got != text {
			t.Errorf("inspected %q, %v; want %q", got, err, text)
		}
	}
	if got := extracted(t, iso); !strings.HasPrefix(got, "CAIRN-RACK-AREA 1\n") || len(got) != rackfile.AreaSize {
		t.Errorf("another reader of ISO 9660 sees %d bytes: %.40q", len(got), got)
	}
	if err := (&UnsealCommand{ISO: iso}).Run(t.Context(), log); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(iso)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before, after) {
		t.Error("the image is not what it was before")
	}
}

// extracted is the area as xorriso sees it.
func extracted(t *testing.T, iso string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "area")
	if text, err := exec.Command("xorriso", "-osirrox", "on", "-indev", iso, "-extract", "/"+ReleaseDir+"/"+rackfile.AreaName, out).CombinedOutput(); err != nil {
		t.Fatalf("xorriso: %v: %s", err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSealRefusesARack(t *testing.T) {
	iso, log := medium(t), slog.New(slog.DiscardHandler)
	for text, want := range map[string]string{
		"":                                     "sealed rack.yaml: the text is empty; allowed: a rack.yaml with at least a line, like ssh_keys: [...]; unseal takes one out",
		"approve: perhaps\n":                   `rack.yaml line 1: approve is "perhaps"; allowed: auto, manual`,
		"name: a\nnome: ${X}":                  "rack.yaml line 2: ${X} is unknown; allowed: ${MAC}, ${UUID}, ${SERIAL}; $${ for a plain ${",
		"#" + strings.Repeat(" comment", 8192): "sealed rack.yaml: size is 65537 bytes; allowed: at most 65024",
	} {
		err := (&SealCommand{ISO: iso, Rack: write(t, text)}).Run(t.Context(), log)
		if err == nil {
			t.Errorf("%.30q was sealed", text)
			continue
		}
		if d := cmp.Diff(want, err.Error()); d != "" {
			t.Errorf("%.30q: %s", text, d)
		}
	}
	if _, err := inspect(t, iso); err == nil {
		t.Error("something was sealed all the same")
	}
}

func TestOpenRefusesWhatIsNoMedium(t *testing.T) {
	area := emptyArea(t)
	for want, name := range map[string]string{
		`: the volume is labelled "OTHER"; allowed: "CAIRN-ISO"`:                                                                         image(t, "OTHER", map[string][]byte{rackfile.AreaName: area}),
		": no place to seal a rack.yaml into (/cairn/rack.sealed: not on the medium); allowed: an ISO with it, of this version or later": image(t, Volume, map[string][]byte{"x": area}),
		": the place for rack.yaml has 10 bytes; allowed: 65536":                                                                         image(t, Volume, map[string][]byte{rackfile.AreaName: area[:10]}),
		": not an ISO 9660 image; allowed: a Cairn ISO, or the disk that it was written to":                                              write(t, strings.Repeat("x", 40000)),
		": volume descriptor: EOF": write(t, "short"),
	} {
		_, err := Open(name, false)
		if err == nil {
			t.Errorf("opened; want %s", want)
			continue
		}
		if d := cmp.Diff(name+want, err.Error()); d != "" {
			t.Error(d)
		}
	}
}

func TestAnAreaThatWasCutIsRefused(t *testing.T) {
	iso := medium(t)
	m, err := Open(iso, true)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Seal([]byte("name: a\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := m.file.WriteAt([]byte("name: b"), m.area.at+512); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Text(); err == nil || !strings.Contains(err.Error(), "seal it again") {
		t.Errorf("got %v", err)
	}
}

// FuzzFind feeds images that want to break the reader.
func FuzzFind(f *testing.F) {
	head := make([]byte, 20*sector)
	copy(head[16*sector:], "\x01CD001")
	copy(head[16*sector+40:], Volume+strings.Repeat(" ", 32-len(Volume)))
	copy(head[16*sector+156:], []byte{34, 0, 18, 0, 0, 0, 0, 0, 0, 18, 0, 8})
	head[16*sector+156+32] = 1
	f.Add(head)
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = find(bytes.NewReader(b), Volume, ReleaseDir, rackfile.AreaName) })
}
