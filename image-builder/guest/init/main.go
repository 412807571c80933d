// Command init is all that runs in Cairn's tiny guest, in a virtual machine
// or in a container: it asks for an address, reads its metadata, answers
// pings, and says on its console what it found.
//
//	cairn-guest: address 10.0.0.5/24
//	cairn-guest: metadata {"name":"one","uuid":"..."}
//	cairn-guest: ready
//
// Then it does every few seconds what the server's metadata asks for, in the
// keys "ping" and "tagged" (see [probe]). It needs nothing but a kernel.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Pauses between two tries and between two rounds of probes.
const (
	retry = 2 * time.Second
	round = 5 * time.Second
)

func main() {
	mounts()
	say("starting")
	loadDrivers(nicDrivers, func() bool { n, err := findNIC(context.Background()); return err == nil && n != nil })
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGPWR)
	defer stop()
	run(ctx, stop)
	say("stopping")
	powerOff()
}

// run never gives up before it is told to, by stop or by a signal: there is
// nobody to restart it.
func run(ctx context.Context, stop func()) {
	nic := until(ctx, "nic", findNIC)
	if nic == nil {
		return
	}
	stirRandom(nic.mac)
	lease := until(ctx, "address", func(ctx context.Context) (*address, error) { return askAddress(ctx, *nic) })
	if lease == nil {
		return
	}
	say("address %s", lease.prefix)
	go lease.keep(ctx)
	md := until(ctx, "metadata", readMetadata)
	if md == nil {
		return
	}
	say("metadata %s", md.summary())
	say("ready")
	go func() {
		loadDrivers(otherDrivers, func() bool { return false })
		waitForButton()
		stop()
	}()
	for ctx.Err() == nil {
		// The list may change while the guest runs.
		if fresh, err := readMetadata(ctx); err == nil {
			md = fresh
		}
		probe(ctx, *nic, lease, md.Meta)
		sleep(ctx, round)
	}
}

// until repeats f until it works, and says what went wrong when that changes.
// It returns nil when ctx ends first.
func until[T any](ctx context.Context, what string, f func(context.Context) (*T, error)) *T {
	last := ""
	for ctx.Err() == nil {
		v, err := f(ctx)
		if err == nil {
			return v
		}
		if err.Error() != last {
			last = err.Error()
			say("%s: %v", what, err)
		}
		sleep(ctx, retry)
	}
	return nil
}

// say prints one line on the console, where tests look for it.
func say(format string, args ...any) {
	// Nothing can be done about a console that does not take it.
	_, _ = fmt.Fprintf(os.Stdout, "cairn-guest: "+format+"\n", args...)
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// powerOff ends the virtual machine or, by ending its first process, the
// container.
func powerOff() {
	if os.Getpid() == 1 {
		unix.Sync()
		if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
			os.Exit(0)
		}
	}
}
