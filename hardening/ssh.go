package hardening

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/crypto/ssh"
)

// hostKey is the machine's SSH key. It is made on the machine.
const hostKey = StateDir + "/ssh/ssh_host_ed25519_key"

func sshControl() Control {
	files := always(sshFiles)
	return Control{
		ID: "ssh", Title: "SSH is for the operator, by key, on the management network",
		Why:    "passwords are guessed, root leaves no name in the log, and forwarding makes a node a way around the packet filter",
		Source: "SECURITY.md 1.4; CIS 5.1.1-5.1.22, but no PAM: there are no passwords to ask for",
		Apply:  inOrder(keepHostKey, render(files)),
		Check:  both(rendered(files), checkHostKey),
	}
}

func sshFiles(t *Target) []File {
	n := &t.Node
	return []File{
		{Path: "/etc/ssh/sshd_config", Mode: 0o600, Text: fmt.Sprintf(sshdConfig, n.management(), hostKey, Operator)},
		{Path: "/etc/ssh/authorized_keys", Mode: fs.ModeDir | 0o755},
		{Path: "/etc/ssh/authorized_keys/" + Operator, Text: authorizedKeys(n.SSHKeys)},
		{Path: "/etc/ssh/sshd_config.d", Gone: true},
	}
}

func authorizedKeys(keys []string) string {
	var b strings.Builder
	for _, key := range keys {
		// One key is one line, whatever the rack file said.
		fmt.Fprintf(&b, "restrict,pty %s\n", strings.Join(strings.Fields(key), " "))
	}
	return b.String()
}

const sshdConfig = `ListenAddress %s
HostKey %s
AllowUsers %s
AuthorizedKeysFile /etc/ssh/authorized_keys/%%u
AuthenticationMethods publickey
PubkeyAuthentication yes
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
HostbasedAuthentication no
GSSAPIAuthentication no
PermitEmptyPasswords no
PermitUserEnvironment no
UsePAM no
IgnoreRhosts yes
DisableForwarding yes
X11Forwarding no
PermitTunnel no
MaxAuthTries 4
MaxSessions 4
MaxStartups 10:30:60
LoginGraceTime 60
ClientAliveInterval 15
ClientAliveCountMax 3
LogLevel VERBOSE
PrintMotd no
Banner none
Ciphers chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com
MACs hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com
KexAlgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256,curve25519-sha256@libssh.org
HostKeyAlgorithms ssh-ed25519
PubkeyAcceptedAlgorithms ssh-ed25519,sk-ssh-ed25519@openssh.com,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256
`

// keepHostKey makes the machine's SSH key unless there is one.
func keepHostKey(_ context.Context, t *Target) error {
	data, err := t.read(hostKey)
	if err == nil {
		_, err = ssh.ParsePrivateKey(data)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && t.Log != nil {
		t.Log.Warn("SSH host key is unreadable and made anew", "error", err)
	}
	if err != nil {
		if data, err = newHostKey(t.Node.Name); err != nil {
			return err
		}
	}
	key, err := ssh.ParsePrivateKey(data)
	if err != nil {
		return err
	}
	return t.write(
		File{Path: StateDir + "/ssh", Mode: fs.ModeDir | 0o700},
		File{Path: hostKey, Text: string(data), Mode: 0o600},
		File{Path: hostKey + ".pub", Text: string(ssh.MarshalAuthorizedKey(key.PublicKey()))},
	)
}

func newHostKey(comment string) ([]byte, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, comment)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(block), nil
}

func checkHostKey(_ context.Context, t *Target) []Finding {
	return []Finding{t.guarded(hostKey, "root", 0o600)}
}
