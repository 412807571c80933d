package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// An Accel is what runs the machines of a rack, and why that.
type Accel struct {
	Kind   machine.Accel `json:"kind"`
	Reason string        `json:"reason"`
}

func (a Accel) String() string {
	return fmt.Sprintf("machines run under %s: %s", strings.ToUpper(string(a.Kind)), a.Reason)
}

// accelAuto has a probe decide.
const accelAuto = "auto"

// chooseAccel takes KVM where it has been seen to run a kernel.
func chooseAccel(ctx context.Context, wish string, probe func(context.Context) ([]byte, error)) (Accel, error) {
	if wish != accelAuto {
		return Accel{machine.Accel(wish), "chosen by --accel=" + wish}, nil
	}
	raw, err := probe(ctx)
	if err != nil {
		return Accel{}, err
	}
	var answer struct {
		Works  bool   `json:"works"`
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return Accel{}, fmt.Errorf("probe of KVM: %w", err)
	}
	if answer.Works {
		return Accel{machine.KVM, answer.Reason}, nil
	}
	return Accel{machine.TCG, answer.Reason}, nil
}

// probeKVM has this program, as the agent of a compute node, probe this host
// with the kernel of the guest images.
func probeKVM(guest string) func(context.Context) ([]byte, error) {
	return func(ctx context.Context) ([]byte, error) {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		var said bytes.Buffer
		cmd := exec.CommandContext(ctx, self, "node", "--probe-kvm="+filepath.Join(guest, "aki"))
		cmd.Stderr = &said
		raw, err := cmd.Output()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("probe of KVM: %w: %s", err, bytes.TrimSpace(said.Bytes()))
		}
		return raw, nil
	}
}
