package fleet

import (
	"fmt"
	"time"
)

// Events that a machine may stop after. EventLoader and the kernel's and
// initramfs' file names are said by those who serve them.
const (
	eventDiscover  = "discover"
	EventLoader    = "loader"
	EventKernel    = "vmlinuz"
	EventInitramfs = "initramfs"
)

// silence is how long an installer may send nothing before it counts as gone:
// while it installs it sends something every second.
const silence = 5 * time.Minute

// hint tells why a machine may hang.
func (f *Fleet) hint(r *record) string {
	if quiet := f.conf.Now().Sub(f.lastHeard(r)); r.Machine.State == Installing && quiet > silence {
		return fmt.Sprintf("its installer has sent nothing for %s: look at its console; it does not count for fleet.parallel until it does", quiet.Truncate(time.Second))
	}
	return r.hint(f.conf.Now())
}

// hint is that of a machine before it installs, from what it did last and how
// long ago.
func (r *record) hint(now time.Time) string {
	idle := now.Sub(r.lastAt).Truncate(time.Second)
	if r.lastAt.IsZero() {
		return ""
	}
	after := func(limit time.Duration, text string) string {
		if idle < limit {
			return ""
		}
		return fmt.Sprintf(text, idle)
	}
	switch r.lastEvent {
	case eventDiscover:
		return after(20*time.Second, "seen DISCOVER, but no TFTP or HTTP request for %s: is a firewall in between, or does another DHCP server answer?")
	case EventLoader:
		return after(60*time.Second, "has its boot loader, but did not ask for its script for %s: is TCP port 8080 open?")
	case string(DoInstall):
		return after(60*time.Second, "has its script, but did not fetch the kernel for %s: is TCP port 8080 open?")
	case EventKernel:
		return after(120*time.Second, "has the kernel, but did not fetch the initramfs for %s")
	case EventInitramfs:
		if r.Machine.State == Booting {
			return after(180*time.Second, "has kernel and initramfs, but sent no inventory for %s: look at its console; is TCP port 8443 open?")
		}
	}
	return ""
}
