package machine

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// tpmDir is where the TPM keeps what it holds, in the machine's directory: it
// outlives power cuts, as the real one does.
const tpmDir = "tpm"

// tpmPatience is how long the TPM may take to end after its machine.
const tpmPatience = 10 * time.Second

// A tpm is the process of a machine's TPM.
type tpm struct{ cmd *exec.Cmd }

// startTPM starts the TPM at our end of its connection, if the machine has
// one. Its process ends when QEMU hangs up.
func (m *Machine) startTPM(w *wires, messages *os.File) (*tpm, error) {
	if !m.spec.TPM {
		return nil, nil
	}
	if err := os.MkdirAll(filepath.Join(m.spec.Dir, tpmDir), 0o700); err != nil {
		return nil, fmt.Errorf("TPM: %w", err)
	}
	line := w.ours[2+len(w.ports)]
	conn, ok := line.(*net.UnixConn)
	if !ok {
		return nil, errors.New("TPM: its connection is no Unix socket")
	}
	end, err := conn.File()
	if err != nil {
		return nil, fmt.Errorf("TPM: %w", err)
	}
	defer end.Close()
	defer line.Close()
	cmd := exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+tpmDir, "--ctrl", "type=unixio,clientfd=3", "--terminate") //nolint:noctx // it ends with the machine
	cmd.Dir, cmd.Stdout, cmd.Stderr = m.spec.Dir, messages, messages
	cmd.ExtraFiles = []*os.File{end}
	if err := m.launcher.start(cmd); err != nil {
		return nil, fmt.Errorf("TPM (package swtpm): %w", err)
	}
	return &tpm{cmd}, nil
}

// end waits for the TPM's end, which comes when QEMU is gone, and brings it
// about where it does not.
func (t *tpm) end() error {
	if t == nil {
		return nil
	}
	late := time.AfterFunc(tpmPatience, func() {
		if err := t.cmd.Process.Kill(); err != nil {
			return // it has just ended
		}
	})
	defer late.Stop()
	if err := t.cmd.Wait(); err != nil {
		return fmt.Errorf("TPM: %w", err)
	}
	return nil
}
