package initrd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// errQuiet means that the machine found no new devices for the whole patience.
var errQuiet = errors.New("no new device appeared")

// WaitDevices calls found again and again until it says true, loading drivers
// for new devices in between. It gives up when for that long nothing new has
// appeared: slow buses are waited for as long as they make progress. While it
// waits, say is told what has passed.
func (m *Modules) WaitDevices(ctx context.Context, patience time.Duration, found func() bool, say func(time.Duration)) error {
	const step = 200 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	last, began, changed, said := "", time.Now(), time.Now(), time.Now()
	for {
		if found() {
			return nil
		}
		if now := uevents(); now != last {
			last, changed = now, time.Now()
			m.Coldplug("/sys")
			continue
		}
		if time.Since(changed) > patience {
			return fmt.Errorf("%w for %s", errQuiet, patience)
		}
		if time.Since(said) > 5*time.Second {
			say(time.Since(began))
			said = time.Now()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for devices: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// uevents is the number of device events since the kernel started: it grows
// as long as the machine still finds devices.
func uevents() string {
	b, err := os.ReadFile("/sys/kernel/uevent_seqnum")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
