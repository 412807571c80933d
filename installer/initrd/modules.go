package initrd

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Modules loads kernel modules from one /lib/modules/<release> directory with
// its modules.dep, modules.alias and modules.softdep.
type Modules struct {
	dir     string
	deps    map[string][]string // file, relative to dir -> files it needs
	files   map[string]string   // module name -> file
	soft    map[string][]string // module name -> modules to load before it
	aliases []alias
	done    map[string]error // file -> what came of loading it
	insert  func(file string) error
	log     *slog.Logger
}

// An alias says which module drives the devices with that pattern.
type alias struct{ pattern, module string }

// OpenModules reads the indexes for the running kernel.
func OpenModules(log *slog.Logger) (*Modules, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return nil, fmt.Errorf("kernel release: %w", err)
	}
	return openModules(filepath.Join("/lib/modules", unix.ByteSliceToString(u.Release[:])), insertFile, log)
}

func openModules(dir string, insert func(string) error, log *slog.Logger) (*Modules, error) {
	m := &Modules{dir: dir, deps: map[string][]string{}, files: map[string]string{}, soft: map[string][]string{},
		done: map[string]error{}, insert: insert, log: log}
	if err := m.eachLine("modules.dep", m.dep); err != nil {
		return nil, err
	}
	if err := m.eachLine("modules.alias", m.alias); err != nil {
		return nil, err
	}
	if err := m.eachLine("modules.softdep", m.softdep); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return m, nil
}

func (m *Modules) eachLine(name string, use func(string)) error {
	f, err := os.Open(filepath.Join(m.dir, name))
	if err != nil {
		return fmt.Errorf("kernel modules: %w", err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		use(s.Text())
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("kernel modules: %s: %w", name, err)
	}
	return nil
}

func (m *Modules) dep(line string) {
	file, needs, ok := strings.Cut(line, ":")
	if !ok {
		return
	}
	m.deps[file] = strings.Fields(needs)
	m.files[moduleName(file)] = file
}

func (m *Modules) alias(line string) {
	if f := strings.Fields(line); len(f) == 3 && f[0] == "alias" {
		m.aliases = append(m.aliases, alias{f[1], moduleName(f[2])})
	}
}

// softdep reads "softdep <module> pre: a b post: c". Only pre matters here.
func (m *Modules) softdep(line string) {
	f := strings.Fields(line)
	if len(f) < 3 || f[0] != "softdep" {
		return
	}
	pre := false
	for _, w := range f[2:] {
		switch {
		case strings.HasSuffix(w, ":"):
			pre = w == "pre:"
		case pre:
			name := moduleName(f[1])
			m.soft[name] = append(m.soft[name], w)
		}
	}
}

// moduleName is the name that the kernel knows a module file by.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".")
	return strings.ReplaceAll(name, "-", "_")
}

// Load loads modules and what they need. A name can be an alias, like
// crypto-sha256, and then stands for every module that offers it: some may
// not fit this processor. A name that nothing has is taken for built in: what
// is truly missing shows when it is used.
func (m *Modules) Load(names ...string) error {
	var errs []error
	for _, n := range names {
		name := moduleName(n)
		file, ok := m.files[name]
		if !ok {
			m.loadAlias(n)
			continue
		}
		errs = append(errs, m.load(file))
	}
	return errors.Join(errs...)
}

func (m *Modules) loadAlias(name string) {
	all := m.match(name)
	if len(all) == 0 {
		m.log.Debug("no module, taken for built in", "name", name)
	}
	for _, a := range all {
		if _, ok := m.files[a]; !ok {
			continue
		}
		if err := m.Load(a); err != nil {
			m.log.Info("module of an alias", "alias", name, "error", err)
		}
	}
}

func (m *Modules) load(file string) error {
	if err, tried := m.done[file]; tried {
		return err
	}
	m.done[file] = nil // a circle in the index ends here
	for _, s := range m.soft[moduleName(file)] {
		if err := m.Load(s); err != nil {
			m.log.Warn("soft dependency", "module", moduleName(file), "error", err)
		}
	}
	deps := m.deps[file]
	for i := len(deps) - 1; i >= 0; i-- { // modules.dep lists the deepest need last
		if err := m.load(deps[i]); err != nil {
			m.done[file] = err
			return err
		}
	}
	err := m.insert(filepath.Join(m.dir, file))
	if err != nil {
		err = fmt.Errorf("load module %s: %w", moduleName(file), err)
	}
	m.done[file] = err
	return err
}

// insertFile gives a module file to the kernel; one that is loaded is fine.
func insertFile(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}
