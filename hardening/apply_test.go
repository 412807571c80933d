package hardening

import (
	"flag"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write golden files anew")

// image makes the part of a system image that Apply reads.
func image(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	archive, err := txtar.ParseFile("testdata/image.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if err := txtar.Write(archive, root); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"var/lib/mysql", "var/lib/rabbitmq", "etc/systemd/system/multi-user.target.wants"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(root, "etc/systemd/system/multi-user.target.wants/remote-fs.target")
	if err := os.Symlink("/usr/lib/systemd/system/remote-fs.target", link); err != nil {
		t.Fatal(err)
	}
	return root
}

func controllerNode() Node {
	return Node{
		ID: "6F1C8C8E-6C5A-4E0B-9F43-0E5B7C1D2A3B", Name: "controller1", Cluster: "rack", Version: "1",
		Roles: []string{Controller}, Deployer: true,
		Management: Interface{MAC: "52:54:00:00:00:01", Address: netip.MustParsePrefix("10.20.0.11/24")},
		External:   Interface{MAC: "52:54:00:00:00:03", DHCP: true},
		TenantMAC:  "52:54:00:00:00:02",
		Controller: netip.MustParseAddr("10.20.0.11"),
		APINames:   []string{"cloud.example.org", "192.0.2.7"},
		SSHKeys:    []string{"ssh-ed25519 AAAA operator@desk\nssh-ed25519 BBBB stranger"},
	}
}

func computeNode() Node {
	return Node{
		ID: "0a1b2c3d-0000-4000-8000-000000000002", Name: "compute1", Cluster: "rack", Version: "1",
		Roles:      []string{Compute},
		Management: Interface{MAC: "52:54:00:00:01:01", Address: netip.MustParsePrefix("10.20.0.101/24")},
		TenantMAC:  "52:54:00:00:01:02",
		Controller: netip.MustParseAddr("10.20.0.11"),
		DNS:        []netip.Addr{netip.MustParseAddr("10.20.0.1")},
	}
}

// rendering is the tree as text: a line for each link, directory and mode, and
// every file that is the same on each run.
func rendering(t *testing.T, root string) []byte {
	t.Helper()
	var list strings.Builder
	archive := &txtar.Archive{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, root)
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			list.WriteString(name + " -> " + target + "\n")
			return nil
		}
		if !strings.HasPrefix(name, "/etc/passwd") && name != "" {
			list.WriteString(info.Mode().String() + " " + name + "\n")
		}
		if d.IsDir() || strings.Contains(name, "/lib/cairn/") || strings.HasSuffix(name, ".erlang.cookie") || strings.HasSuffix(name, "accounts.sql") {
			return nil
		}
		data, err := os.ReadFile(path)
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: data})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	archive.Comment = []byte(list.String() + "\n")
	return txtar.Format(archive)
}

// All of /etc of a controller and of a compute node, as it is rendered.
func TestApplyRendersEtc(t *testing.T) {
	for name, node := range map[string]Node{"controller": controllerNode(), "compute": computeNode()} {
		t.Run(name, func(t *testing.T) {
			root := image(t)
			target := &Target{Root: root, Node: node}
			if err := Apply(t.Context(), target); err != nil {
				t.Fatal(err)
			}
			got := rendering(t, root)
			golden := filepath.Join("testdata", name+".txtar")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("rendered files (-golden +now; go test -update writes them anew):\n%s", diff)
			}
		})
	}
}

// A second Apply changes no byte: not the certificates, keys or passwords of
// the first one either.
func TestApplyTwiceChangesNothing(t *testing.T) {
	target := &Target{Root: image(t), Node: controllerNode()}
	content := func() map[string]string {
		if err := Apply(t.Context(), target); err != nil {
			t.Fatal(err)
		}
		files := make(map[string]string)
		err := filepath.WalkDir(target.Root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			files[path] = string(data)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	first, second := content(), content()
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("second run (-first +second):\n%s", diff)
	}
}

// What Apply rendered, Check accepts, and a change by hand it names.
func TestCheckNamesWhatWasChanged(t *testing.T) {
	target := &Target{Root: image(t), Node: controllerNode()}
	if err := Apply(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	files := []string{"identity", "secrets", "accounts", "directories", "journal", "clock", "ssh", "controller", "deploy", "record", "coredumps"}
	for _, r := range Audit(t.Context(), target, files...) {
		for _, f := range r.Findings {
			if !f.OK {
				t.Errorf("%s: %s: found %s, wanted %s", r.ID, f.Item, f.Found, f.Wanted)
			}
		}
	}
	config := filepath.Join(target.Root, "etc/ssh/sshd_config")
	data, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(data), "PermitRootLogin no", "PermitRootLogin yes", 1)
	if err := os.WriteFile(config, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(target.Root, "var/lib/cairn/pki/ca.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	var bad []string
	for _, r := range Audit(t.Context(), target, files...) {
		for _, f := range r.Findings {
			if !f.OK {
				bad = append(bad, r.ID+" "+f.Item+": "+f.Found)
			}
		}
	}
	slices.Sort(bad)
	want := []string{
		"secrets /var/lib/cairn/pki/ca.key: mode -rw-r--r--, wanted -rw-------",
		`ssh /etc/ssh/sshd_config: line 7 is "PermitRootLogin yes", wanted "PermitRootLogin no"`,
	}
	if diff := cmp.Diff(want, bad); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// Every control says why it is there and has both halves.
func TestControlsAreWhole(t *testing.T) {
	node := Node{Roles: []string{Controller, Compute}}
	seen := make(map[string]bool)
	for _, c := range Controls(&node) {
		if c.ID == "" || c.Title == "" || c.Why == "" || c.Source == "" || c.Apply == nil || c.Check == nil {
			t.Errorf("control %q lacks a part: %+v", c.ID, c)
		}
		if seen[c.ID] {
			t.Errorf("control %q is there twice", c.ID)
		}
		seen[c.ID] = true
	}
}
