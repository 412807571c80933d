package initrd

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Coldplug loads the drivers of every device under sys ("/sys"), again until
// no new devices appear: a bus driver finds the devices on its bus. It
// returns how many device aliases it has seen. A driver that does not load is
// logged and passed over; the machine may do without it.
func (m *Modules) Coldplug(sys string) int {
	seen := map[string]bool{}
	for {
		before := len(seen)
		for _, a := range modaliases(sys) {
			if !seen[a] {
				seen[a] = true
				m.loadFor(a)
			}
		}
		if len(seen) == before {
			return before
		}
	}
}

// modaliases lists what the devices say they are.
func modaliases(sys string) []string {
	var out []string
	walk := func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != "modalias" {
			return nil //nolint:nilerr // a device may vanish while we look
		}
		if b, err := os.ReadFile(p); err == nil {
			out = append(out, strings.TrimSpace(string(b)))
		}
		return nil
	}
	if err := filepath.WalkDir(filepath.Join(sys, "devices"), walk); err != nil {
		return nil
	}
	return out
}

func (m *Modules) loadFor(modalias string) {
	for _, name := range m.match(modalias) {
		if err := m.Load(name); err != nil {
			m.log.Warn("driver", "device", modalias, "error", err)
			continue
		}
		m.log.Info("driver", "module", name)
	}
}

// match lists the modules whose alias fits, each once.
func (m *Modules) match(modalias string) []string {
	var out []string
	had := map[string]bool{}
	for _, a := range m.aliases {
		fixed := a.pattern[:strings.IndexAny(a.pattern+"*", "*?[")]
		if had[a.module] || !strings.HasPrefix(modalias, fixed) {
			continue
		}
		if ok, err := path.Match(a.pattern, strings.ReplaceAll(modalias, "/", "_")); err == nil && ok {
			had[a.module] = true
			out = append(out, a.module)
		}
	}
	return out
}
