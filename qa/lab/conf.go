package lab

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
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
	sealedFile = "cairn.iso" // with rack.yaml in it
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
func makeConf(ctx context.Context, dir string) (string, error) {
	image := filepath.Join(dir, confFile)
	cmd := exec.CommandContext(ctx, "xorriso", "-as", "mkisofs", "-quiet", "-V", "CAIRN-CONF", "-J", "-R", "-o", image,
		"-graft-points", rackFile+"="+filepath.Join(dir, rackFile))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("xorriso: %w: %s", err, out)
	}
	return image, nil
}

// sealISO makes a copy of the ISO that has the rack.yaml of the rack in it, as
// its users do.
func sealISO(ctx context.Context, dir, iso string) (string, error) {
	sealed := filepath.Join(dir, sealedFile)
	if err := copyFile(sealed, iso); err != nil {
		return "", fmt.Errorf("copy of the ISO: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, self, "iso", "seal", sealed, filepath.Join(dir, rackFile)).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cairn iso seal: %w: %s", err, out)
	}
	return sealed, nil
}

func copyFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}

// fillDisks puts on the disks of machines what is on them before anything
// else is.
func fillDisks(ctx context.Context, dir string, machines []Machine) error {
	for _, m := range machines {
		for i, d := range m.Disks {
			if d.Ext4 == "" {
				continue
			}
			if err := os.MkdirAll(filepath.Join(dir, m.Name), 0o700); err != nil {
				return err
			}
			file := filepath.Join(dir, m.Name, diskFile(i))
			cmd := exec.CommandContext(ctx, "/sbin/mke2fs", "-q", "-t", "ext4", "-L", d.Ext4, file, fmt.Sprintf("%dG", d.GiB))
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("disk %s of %s: mke2fs: %w: %s", m.serial(i), m.Name, err, out)
			}
		}
	}
	return nil
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
