package inventory

import (
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// telling are the CPU flags that an inventory has: those that decide whether
// and how well guests run. The words are the kernel's.
var telling = []string{
	"vmx", "svm", "ept", "vpid", "npt", "avic", "posted_intr", "ept_1gb", "pdpe1gb", "x2apic", "tsc_deadline_timer", "invtsc",
	"constant_tsc", "nonstop_tsc", "lm", "nx", "smep", "smap", "umip", "la57", "pku", "user_shstk", "ibt",
	"aes", "vaes", "pclmulqdq", "sha_ni", "rdrand", "rdseed", "popcnt", "sse4_2", "avx", "avx2", "fma", "bmi2", "movbe",
	"avx512f", "avx512vl", "avx512_vnni", "amx_tile", "amx_int8", "amx_bf16",
	"sev", "sev_es", "sev_snp", "sgx", "tdx_host_platform", "hypervisor",
}

// cpu counts processors and sockets, and reads the first one's flags.
func (h Host) cpu(inv *plan.Inventory) {
	sockets := map[string]bool{}
	var flags []string
	eachLine(filepath.Join(h.Proc, "cpuinfo"), func(key, value string) {
		switch key {
		case "processor":
			inv.CPUs++
		case "model name":
			inv.CPUModel = value
		case "physical id":
			sockets[value] = true
		case "flags", "vmx flags":
			if inv.CPUs == 1 {
				flags = append(flags, strings.Fields(value)...)
			}
		}
	})
	inv.Sockets = len(sockets)
	for _, f := range telling {
		if !slices.Contains(flags, f) {
			continue
		}
		inv.CPUFlags = append(inv.CPUFlags, f)
		if f == "vmx" || f == "svm" {
			inv.Virt = f
		}
	}
}

// memoryMiB is what the kernel has of a meminfo file, a little less than what
// is built in.
func memoryMiB(path string) int {
	kib := 0
	eachLine(path, func(key, value string) {
		if strings.HasSuffix(key, "MemTotal") { // of a node: "Node 0 MemTotal"
			kib = atoi(strings.TrimSuffix(value, " kB"))
		}
	})
	return kib / 1024
}

// numa lists the memory nodes, by number.
func (h Host) numa() []plan.NUMA {
	dir := filepath.Join(h.Sys, "devices/system/node")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []plan.NUMA
	for _, e := range entries {
		number, ok := strings.CutPrefix(e.Name(), "node")
		if !ok || number == "" || strings.Trim(number, "0123456789") != "" {
			continue
		}
		out = append(out, plan.NUMA{
			ID:        atoi(number),
			CPUs:      readLine(filepath.Join(dir, e.Name(), "cpulist")),
			MemoryMiB: memoryMiB(filepath.Join(dir, e.Name(), "meminfo")),
		})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}
