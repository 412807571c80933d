package guest

import (
	"context"
	"fmt"
	"time"

	"github.com/cairn-cloud/cairn/node/host"
)

// probeTimeout bounds the probe: a KVM that is there and hangs is one that
// does not work. What is probed takes milliseconds.
const probeTimeout = 20 * time.Second

// KVMWorks tells whether KVM runs what a kernel does when it starts, and why
// not. It runs program in a process of its own, which has to call [ProbeKVM]:
// a hanging KVM can only be killed.
func KVMWorks(ctx context.Context, program string, args ...string) (bool, string) {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTimeout, fmt.Errorf("/dev/kvm hangs: no end after %v", probeTimeout))
	defer cancel()
	if _, err := host.Run(ctx, program, args...); err != nil {
		return false, err.Error()
	}
	return true, "a probe ran under KVM"
}
