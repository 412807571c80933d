package hardening

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// applied is the tree that Apply renders for the node.
func applied(t testing.TB, n Node) *Target {
	t.Helper()
	target := &Target{Root: image(t), Node: n}
	if err := Apply(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	return target
}

// accepts runs a program that judges a rendered file.
func accepts(t *testing.T, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %v: %v\n%s", name, args, err, out)
	}
}

func TestNftablesAcceptsTheRules(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("nft asks the kernel, which answers root only")
	}
	both := controllerNode()
	both.Roles = []string{Controller, Compute}
	for _, n := range []Node{controllerNode(), computeNode(), both} {
		target := applied(t, n)
		accepts(t, "nft", "-c", "-f", filepath.Join(target.Root, firewallFile))
	}
}

func TestSSHDAcceptsItsConfiguration(t *testing.T) {
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Skip("sshd wants /run/sshd, which only root can make")
	}
	target := applied(t, computeNode())
	accepts(t, "/usr/sbin/sshd", "-t", "-f", filepath.Join(target.Root, "etc/ssh/sshd_config"),
		"-h", filepath.Join(target.Root, hostKey))
}
