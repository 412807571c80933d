package machine

import "fmt"

// Accel is what runs a machine's instructions.
type Accel string

// The accelerators: an emulator, which is everywhere, and the processor
// itself.
const (
	TCG Accel = "tcg"
	KVM Accel = "kvm"
)

// processor is what runs the machine and what it looks like. Under KVM it is
// the host's, so that a machine whose host lets it can run guests of its own
// under KVM.
func (s *Spec) processor() []string {
	if s.Accel == KVM {
		return []string{"-accel", "kvm", "-cpu", orDefault(s.CPU, "host")}
	}
	return []string{"-accel", fmt.Sprintf("tcg,thread=multi,tb-size=%d", orDefault(s.CacheMiB, 256)), "-cpu", orDefault(s.CPU, DefaultCPU)}
}
