// Package scheduler chooses the host of a new server. It is pure: it sees
// hosts and a request, and answers with a host or with the reasons why each
// was left out. Who calls it keeps the result.
package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// CPURatio is how many virtual CPUs a host may promise for each of its own,
// as Nova's cpu_allocation_ratio. Memory is never promised twice.
const CPURatio = 16

// ReservedMiB is the memory of a host that is left to the host itself.
const ReservedMiB = 256

// A Host is what is known of one machine that can run guests.
type Host struct {
	ID, Name  string
	Ready     bool
	Disabled  bool
	Drivers   []string // hypervisors that the host has proved to work
	VCPUs     int
	MemoryMiB int
	// What the servers that are placed there were promised.
	UsedVCPUs, UsedMemoryMiB, Servers int
}

// A Request is what a server needs.
type Request struct {
	Driver    string
	VCPUs     int
	MemoryMiB int
	// Host, if set, is the name of the only host that will do. A host that
	// was named is not refused for being full or disabled, as in Nova.
	Host string
}

// NoHost is the error of [Choose] when nothing fits.
type NoHost struct {
	Reasons []string // one for each host
}

func (e *NoHost) Error() string {
	if len(e.Reasons) == 0 {
		return "No valid host was found. There are no hosts."
	}
	return "No valid host was found. " + strings.Join(e.Reasons, "; ") + "."
}

// Choose takes the fitting host with the fewest servers, then the one with
// the most free memory, then the first by name: servers are spread.
// The error is a [*NoHost].
func Choose(hosts []Host, r Request) (Host, error) {
	var fit []Host
	no := &NoHost{}
	for _, h := range hosts {
		if why := refusal(h, r); why != "" {
			no.Reasons = append(no.Reasons, h.Name+" "+why)
			continue
		}
		fit = append(fit, h)
	}
	if len(fit) == 0 {
		slices.Sort(no.Reasons)
		return Host{}, no
	}
	return slices.MinFunc(fit, func(a, b Host) int {
		return cmp.Or(
			cmp.Compare(a.Servers, b.Servers),
			cmp.Compare(b.MemoryMiB-b.UsedMemoryMiB, a.MemoryMiB-a.UsedMemoryMiB),
			cmp.Compare(a.Name, b.Name),
		)
	}), nil
}

// refusal says why the host will not do, or nothing.
func refusal(h Host, r Request) string {
	if r.Host != "" && h.Name != r.Host {
		return "is not the requested host"
	}
	if !h.Ready {
		return "is not ready"
	}
	if !slices.Contains(h.Drivers, r.Driver) {
		return fmt.Sprintf("has no working %s", r.Driver)
	}
	if r.Host != "" {
		return ""
	}
	if h.Disabled {
		return "is disabled"
	}
	if free := h.MemoryMiB - ReservedMiB - h.UsedMemoryMiB; free < r.MemoryMiB {
		return fmt.Sprintf("has %d MiB of memory left of the %d needed", max(0, free), r.MemoryMiB)
	}
	if free := h.VCPUs*CPURatio - h.UsedVCPUs; free < r.VCPUs {
		return fmt.Sprintf("has %d VCPUs left of the %d needed", max(0, free), r.VCPUs)
	}
	return ""
}
