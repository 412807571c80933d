package agent

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/cairn-cloud/cairn/node/guest"
	"github.com/cairn-cloud/cairn/node/spec"
)

// kvmFile keeps the answer of the probe of KVM, in the state directory.
const kvmFile = "kvm.json"

// drivers returns both drivers; one that does not work says so in heartbeats.
func (c *Command) drivers(ctx context.Context, boot string, log *slog.Logger) (map[spec.Driver]guest.Driver, error) {
	kvm := guest.Answer{Works: c.KVM == "on", Reason: "chosen by --kvm=" + c.KVM}
	if c.KVM == "auto" {
		var err error
		kvm, err = guest.Once(ctx, filepath.Join(c.State, kvmFile), boot, guest.KVM(guest.RunningKernel()).Run)
		if err != nil {
			return nil, err
		}
	}
	log.Info("how QEMU runs guests", "kvm", kvm.Works, "reason", kvm.Reason)
	return map[spec.Driver]guest.Driver{
		spec.DriverQEMU: guest.NewQEMU(c.Libvirt, kvm.Works, kvm.Reason),
		spec.DriverLXC:  guest.NewLXC(c.Libvirt),
	}, nil
}

// answerKVM writes what a probe with a kernel finds, as JSON.
func answerKVM(ctx context.Context, w io.Writer, kernel string) error {
	answer, err := guest.KVM(kernel).Run(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(answer)
}
