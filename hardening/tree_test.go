package hardening

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// imageTree mounts a scratch layer over a real image's tree, which the variable
// CAIRN_TREE names, and renders the node's configuration into it.
func imageTree(t *testing.T, n Node) *Target {
	t.Helper()
	lower := os.Getenv("CAIRN_TREE")
	if lower == "" {
		t.Skip("CAIRN_TREE is not set; allowed: the directory of an image's root tree")
	}
	if os.Geteuid() != 0 {
		t.Skip("mounting and chroot need root")
	}
	scratch := t.TempDir()
	mount := func(source, target, kind, data string, flags uintptr) {
		if err := os.MkdirAll(target, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount(source, target, kind, flags, data); err != nil {
			t.Fatalf("mount %s: %v", target, err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
				t.Errorf("unmount %s: %v", target, err)
			}
		})
	}
	root := filepath.Join(scratch, "root")
	mount("tmpfs", scratch, "tmpfs", "", 0)
	for _, dir := range []string{"upper", "work"} {
		if err := os.Mkdir(filepath.Join(scratch, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount("overlay", root, "overlay", "lowerdir="+lower+",upperdir="+scratch+"/upper,workdir="+scratch+"/work", 0)
	if factory := filepath.Join(root, "usr/share/factory/var"); exists(factory) {
		out, err := exec.CommandContext(t.Context(), "cp", "-a", factory+"/.", filepath.Join(root, "var")).CombinedOutput()
		if err != nil {
			t.Fatalf("copy %s: %v\n%s", factory, err, out)
		}
	}
	mount("proc", filepath.Join(root, "proc"), "proc", "", 0)
	mount("/dev", filepath.Join(root, "dev"), "", "", unix.MS_BIND)
	mount("tmpfs", filepath.Join(root, "run"), "tmpfs", "mode=0755", 0)
	target := &Target{Root: root, Node: n}
	if err := Apply(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	return target
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// inTree runs a program of the image.
func inTree(t *testing.T, target *Target, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/sbin/chroot", append([]string{target.Root, name}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s %v: %v\n%s", name, args, err, out)
	} else if len(out) > 0 {
		t.Logf("%s %v:\n%s", name, args, out)
	}
}

// The programs of the image accept what is rendered for them.
func TestImageAcceptsTheConfiguration(t *testing.T) {
	for name, n := range map[string]Node{"controller": controllerNode(), "compute": computeNode()} {
		t.Run(name, func(t *testing.T) {
			target := imageTree(t, n)
			for _, dir := range []string{"run/sshd", "run/chrony"} {
				if err := os.MkdirAll(filepath.Join(target.Root, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			binary := filepath.Join(target.Root, Binary)
			if !exists(binary) {
				if err := os.WriteFile(binary, nil, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			inTree(t, target, "sshd", "-t")
			inTree(t, target, "nft", "-c", "-f", firewallFile)
			inTree(t, target, "chronyd", "-p", "-f", "/etc/chrony/chrony.conf")
			verify := []string{"verify", "--man=no", "--recursive-errors=one", "default.target"}
			for _, w := range wishes {
				if n.Has(w.roles...) {
					verify = append(verify, w.unit)
				}
			}
			if n.Deployer {
				verify = append(verify, "cairn-deploy.service", "cairn-broker-accounts.service")
			}
			inTree(t, target, "systemd-analyze", verify...)
		})
	}
}
