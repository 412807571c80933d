package machine

import (
	"context"
	"fmt"
)

// followLinks has the machine's cards lose their link with their switch ports,
// for as long as it runs.
func (m *Machine) followLinks(ctx context.Context, r *run) {
	ctx = context.WithoutCancel(ctx)
	for i, n := range m.spec.NICs {
		if n.Port == nil {
			continue
		}
		n.Port.OnLink(func(up bool) {
			select {
			case <-r.ended:
				return
			default:
			}
			err := r.control.do(ctx, "set_link", map[string]any{"name": fmt.Sprintf("net%d", i), "up": up}, nil)
			m.log.Info("link", "nic", i, "up", up, "err", err)
		})
	}
}
