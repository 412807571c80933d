package agent

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/cairn-cloud/cairn/node/spec"
)

// A machine is a Self that asks the kernel.
type machine struct {
	node   spec.Node
	guests string // directory whose disk guests use
}

// Describe is that of Self.
func (m *machine) Describe(context.Context) spec.Heartbeat {
	h := spec.Heartbeat{Node: m.node.ID, Name: m.node.Name, Version: m.node.Version, VCPUs: runtime.NumCPU()}
	var info unix.Sysinfo_t
	err := unix.Sysinfo(&info)
	if err == nil {
		h.MemoryMiB = int(info.Totalram * uint64(info.Unit) >> 20)
	}
	h.Checks = append(h.Checks, check("memory", err))
	var fs unix.Statfs_t
	if err = unix.Statfs(m.guests, &fs); err == nil {
		h.DiskGiB = int(fs.Blocks * uint64(fs.Bsize) >> 30)
	}
	h.Checks = append(h.Checks, check("disk", err))
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		first, _, _ := strings.Cut(string(text), " ")
		if n, err := strconv.ParseFloat(first, 64); err == nil {
			h.Load = n
		}
	}
	return h
}
