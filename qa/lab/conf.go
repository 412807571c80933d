package lab

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/crypto/ssh"
)

// Files of a rack's directory that users may want.
const (
	rackFile   = "rack.yaml"
	keyFile    = "id_ed25519"
	confFile   = "conf.iso"
	caFile     = "ca.crt"
	cloudsFile = "clouds.yaml"
	knownFile  = "known_hosts"

	passwordFile = "admin-password" // 0600
)

// ensureKey returns the public line of the rack's SSH key, made when absent.
func ensureKey(dir string) (string, error) {
	name := filepath.Join(dir, keyFile)
	line, err := os.ReadFile(name + ".pub")
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return string(line), err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	block, err := ssh.MarshalPrivateKey(private, "rack")
	if err != nil {
		return "", err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
		return "", err
	}
	line = ssh.MarshalAuthorizedKey(key)
	return string(line), os.WriteFile(name+".pub", line, 0o644)
}

// makeConf makes the volume that tells an unattended installer what to do.
func makeConf(ctx context.Context, dir, rackYAML string) (string, error) {
	file := filepath.Join(dir, rackFile)
	if err := os.WriteFile(file, []byte(rackYAML), 0o644); err != nil {
		return "", err
	}
	image := filepath.Join(dir, confFile)
	cmd := exec.CommandContext(ctx, "xorriso", "-as", "mkisofs", "-quiet", "-V", "CAIRN-CONF", "-J", "-R", "-o", image, "-graft-points", rackFile+"="+file)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("xorriso: %w: %s", err, out)
	}
	return image, nil
}

// freePort finds a TCP port of 127.0.0.1 that nobody uses, preferably the one
// that is wanted.
func freePort(ctx context.Context, want int) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", want))
	if err != nil {
		l, err = lc.Listen(ctx, "tcp", "127.0.0.1:0")
	}
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
