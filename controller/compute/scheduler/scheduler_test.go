package scheduler

import (
	"errors"
	"strings"
	"testing"
)

func rack() []Host {
	both := []string{"qemu", "lxc"}
	return []Host{
		{Name: "a", Ready: true, Drivers: both, VCPUs: 2, MemoryMiB: 4096, Servers: 2, UsedMemoryMiB: 512, UsedVCPUs: 2},
		{Name: "b", Ready: true, Drivers: []string{"qemu"}, VCPUs: 2, MemoryMiB: 2048, Servers: 1, UsedMemoryMiB: 256, UsedVCPUs: 1},
		{Name: "c", Ready: false, Drivers: both, VCPUs: 64, MemoryMiB: 1 << 20},
		{Name: "d", Ready: true, Disabled: true, Drivers: both, VCPUs: 64, MemoryMiB: 1 << 20},
	}
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		name string
		r    Request
		want string // host, or part of the error
	}{
		{"fewest servers", Request{Driver: "qemu", VCPUs: 1, MemoryMiB: 512}, "b"},
		{"driver", Request{Driver: "lxc", VCPUs: 1, MemoryMiB: 512}, "a"},
		{"memory", Request{Driver: "qemu", VCPUs: 1, MemoryMiB: 2000}, "a"},
		{"too much", Request{Driver: "qemu", VCPUs: 1, MemoryMiB: 8192}, "a has 3328 MiB of memory left of the 8192 needed"},
		{"cpus", Request{Driver: "lxc", VCPUs: 31, MemoryMiB: 64}, "a has 30 VCPUs left"},
		{"named", Request{Driver: "qemu", VCPUs: 1, MemoryMiB: 512, Host: "a"}, "a"},
		{"named and disabled", Request{Driver: "qemu", VCPUs: 1, MemoryMiB: 512, Host: "d"}, "d"},
		{"named and down", Request{Driver: "qemu", VCPUs: 1, MemoryMiB: 512, Host: "c"}, "c is not ready"},
		{"unknown driver", Request{Driver: "xen"}, "a has no working xen"},
	} {
		h, err := Choose(rack(), c.r)
		var no *NoHost
		if err != nil && (!errors.As(err, &no) || !strings.Contains(err.Error(), c.want)) || err == nil && h.Name != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, h.Name, err, c.want)
		}
	}
}

func TestChooseOfNothing(t *testing.T) {
	if _, err := Choose(nil, Request{}); err == nil || err.Error() != "No valid host was found. There are no hosts." {
		t.Errorf("error is %v", err)
	}
}
