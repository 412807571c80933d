package tally

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// KernelDrops tells how many packets the kernel dropped at UDP sockets of
// these ports in this network namespace, because their buffers were full. A
// socket that is closed takes its count with it.
func KernelDrops(ports ...int) (map[int]uint64, error) {
	raw, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		return nil, fmt.Errorf("dropped packets: %w", err)
	}
	return kernelDrops(string(raw), ports), nil
}

// kernelDrops reads the table: the local address, in hexadecimal, is its
// second column, the drops are its last.
func kernelDrops(table string, ports []int) map[int]uint64 {
	drops := map[int]uint64{}
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		_, hex, _ := strings.Cut(f[1], ":")
		port, err := strconv.ParseUint(hex, 16, 16)
		if err != nil || !slices.Contains(ports, int(port)) {
			continue
		}
		if n, err := strconv.ParseUint(f[len(f)-1], 10, 64); err == nil {
			drops[int(port)] += n
		}
	}
	return drops
}
