package hardening

import (
	"os"
	"path/filepath"
	"strings"
)

// A process is one that runs on the machine.
type process struct {
	dir    string            // below proc
	fields map[string]string // of its status
}

// processes lists those of the machine. One that ends meanwhile is left out.
func (t *Target) processes() ([]process, error) {
	found, err := filepath.Glob(filepath.Join(t.Root, "proc/[0-9]*/status"))
	if err != nil {
		return nil, err
	}
	var all []process
	for _, file := range found {
		if data, err := os.ReadFile(file); err == nil {
			all = append(all, process{dir: filepath.Dir(file), fields: procStatus(string(data))})
		}
	}
	return all, nil
}

// guest tells whether a process is a QEMU that runs a guest. libvirt starts
// QEMU with the machine "none" to ask what it can do.
func (p process) guest() bool {
	if !strings.HasPrefix(p.fields["Name"], "qemu-system") {
		return false
	}
	args, err := os.ReadFile(filepath.Join(p.dir, "cmdline"))
	return err != nil || !strings.Contains(string(args), "\x00none,")
}

// procStatus reads /proc/<pid>/status.
func procStatus(text string) map[string]string {
	fields := make(map[string]string)
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			fields[key] = strings.TrimSpace(value)
		}
	}
	return fields
}
