package archive

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/image-builder/tool"
)

// apt is the host's apt with a state of its own: nothing of the host's
// package database is read or changed, only how to reach an archive.
type apt struct {
	dir string
	o   Options
}

// prepare writes configuration and sources.
func (a *apt) prepare(ctx context.Context) error {
	for _, d := range []string{"state/lists/partial", "cache/archives/partial", "../debs"} {
		if err := os.MkdirAll(filepath.Join(a.dir, d), 0o755); err != nil {
			return err
		}
	}
	host, err := tool.Run(ctx, tool.Cmd{Name: "apt-config", Args: []string{"dump"}})
	if err != nil {
		return err
	}
	var conf strings.Builder
	for line := range strings.Lines(string(host)) {
		// Proxies, certificates and time-outs of the host hold for us too.
		if strings.HasPrefix(line, "Acquire::") && !strings.HasPrefix(line, "Acquire::IndexTargets") &&
			!strings.HasPrefix(line, "Acquire::Languages") && !strings.HasPrefix(line, "Acquire::GzipIndexes") {
			conf.WriteString(line)
		}
	}
	fmt.Fprintf(&conf, `Dir::State "%[1]s/state";
Dir::State::status "%[1]s/status";
Dir::Cache "%[1]s/cache";
Dir::Etc::sourcelist "%[1]s/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::main "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Acquire::Languages "none";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "root";
APT::Install-Recommends "false";
`, a.dir)
	files := map[string]string{"apt.conf": conf.String(), "sources.list": a.sources(), "status": ""}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// sources is the content of sources.list: the suite, its updates and its
// security fixes.
func (a *apt) sources() string {
	s, components := a.o.Source, strings.Join(a.o.Components, " ")
	var b strings.Builder
	line := func(uri, suite string) {
		fmt.Fprintf(&b, "deb [signed-by=%s] %s %s %s\n", s.Keyring, uri, suite, components)
	}
	line(s.Mirror, a.o.Suite)
	line(s.Mirror, a.o.Suite+"-updates")
	if s.Security != "" {
		line(s.Security, a.o.Suite+"-security")
	}
	return b.String()
}

func (a *apt) run(ctx context.Context, dir, name string, args ...string) (string, error) {
	out, err := tool.Run(ctx, tool.Cmd{Name: name, Args: args, Dir: dir,
		Env: []string{"APT_CONFIG=" + filepath.Join(a.dir, "apt.conf")}})
	return string(out), err
}

// update fetches the archive's index unless one is there. It tells whether
// the index is new.
func (a *apt) update(ctx context.Context, force bool) (bool, error) {
	mark := filepath.Join(a.dir, "updated")
	want := a.sources()
	if raw, err := os.ReadFile(mark); err == nil && string(raw) == want && !force {
		return false, nil
	}
	a.o.Log.Info("packages: fetching the archive's index", "suite", a.o.Suite)
	// Without this, apt takes an unreachable archive for a warning.
	if _, err := a.run(ctx, "", "apt-get", "-o", "APT::Update::Error-Mode=any", "update"); err != nil {
		return true, err
	}
	return true, os.WriteFile(mark, []byte(want), 0o644)
}

// resolve asks apt for the packages that the wanted ones need, sorted by name.
func (a *apt) resolve(ctx context.Context) ([]deb, error) {
	out, err := a.run(ctx, "", "apt-get", append([]string{"--simulate", "install", "?essential"}, a.o.Want...)...)
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(out) {
		// Inst zstd (1.5.7+dfsg-1 Debian:13.1/stable [amd64])
		f := strings.Fields(line)
		if len(f) >= 3 && f[0] == "Inst" {
			names = append(names, f[1]+"="+strings.TrimPrefix(f[2], "("))
		}
	}
	alone := a.o.Alone
	for len(alone) > 0 {
		text, err := a.run(ctx, "", "apt-cache", append([]string{"show", "--no-all-versions"}, alone...)...)
		if err != nil {
			return nil, err
		}
		alone = nil
		for _, st := range stanzas(text) {
			names = append(names, st.field("Package")+"="+st.field("Version"))
			if next := metapackage(st); next != "" {
				alone = append(alone, next)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	text, err := a.run(ctx, "", "apt-cache", append([]string{"show"}, names...)...)
	if err != nil {
		return nil, err
	}
	var all []deb
	for _, st := range stanzas(text) {
		all = append(all, parse(st))
	}
	slices.SortFunc(all, func(x, y deb) int { return strings.Compare(x.name, y.name) })
	// The same version may stand in two suites.
	return slices.CompactFunc(all, func(x, y deb) bool { return x.name == y.name }), nil
}

// metapackage is the one package that a kernel metapackage stands for.
func metapackage(st stanza) string {
	name := st.field("Package")
	dep, _, _ := strings.Cut(st.field("Depends"), " ")
	if strings.HasPrefix(name, "linux-image-") && strings.HasPrefix(dep, "linux-image-") && !strings.Contains(st.field("Depends"), ",") {
		return dep
	}
	return ""
}

// download fetches the files that the cache has not, and checks each.
func (a *apt) download(ctx context.Context, debs []deb) error {
	pool := filepath.Join(a.o.Dir, "debs")
	var names []string
	var want []deb
	for _, d := range debs {
		if sum, err := tool.FileSum(filepath.Join(pool, d.file)); err == nil && sum == d.sum {
			continue
		}
		names = append(names, d.name+"="+d.version)
		want = append(want, d)
	}
	if len(want) == 0 {
		return nil
	}
	a.o.Log.Info("packages: downloading", "files", len(want))
	dir := filepath.Join(a.dir, "download")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if _, err := a.run(ctx, dir, "apt-get", append([]string{"download"}, names...)...); err != nil {
		return err
	}
	for _, d := range want {
		// apt names files NAME_VERSION_ARCH.deb with the epoch in it.
		found, err := filepath.Glob(filepath.Join(dir, d.name+"_*.deb"))
		if err != nil {
			return err
		}
		if len(found) != 1 {
			return fmt.Errorf("%s: %d files were downloaded, want 1", d.name, len(found))
		}
		sum, err := tool.FileSum(found[0])
		if err != nil {
			return err
		}
		if sum != d.sum {
			return fmt.Errorf("%s has SHA-256 %s, the archive's index says %s", filepath.Base(found[0]), sum, d.sum)
		}
		if err := os.Rename(found[0], filepath.Join(pool, d.file)); err != nil {
			return err
		}
	}
	return nil
}
