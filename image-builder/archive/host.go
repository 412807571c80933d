package archive

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Source is where packages come from.
type Source struct {
	Mirror   string // URI of a Debian archive
	Security string // URI of the security archive; empty: none
	Keyring  string // file with the archive's keys
}

// DebianKeyring is where package debian-archive-keyring has its keys.
const DebianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// HostSource takes the archive from the configuration of the host's own apt:
// the entry for the host's release with component main, and the one whose
// suite ends in -security. etc is /etc except in tests.
func HostSource(etc string) (Source, error) {
	s := Source{Keyring: DebianKeyring}
	codename, err := codename(filepath.Join(etc, "os-release"))
	if err != nil {
		return s, err
	}
	entries, err := hostEntries(filepath.Join(etc, "apt"))
	if err != nil {
		return s, err
	}
	for _, e := range entries {
		if !slices.Contains(e.components, "main") || !strings.HasPrefix(e.uri, "http") && !strings.HasPrefix(e.uri, "file") && !strings.HasPrefix(e.uri, "copy") {
			continue
		}
		for _, suite := range e.suites {
			switch {
			case suite == codename && s.Mirror == "":
				s.Mirror = e.uri
			case suite == codename+"-security" && s.Security == "":
				s.Security = e.uri
			}
		}
	}
	if s.Mirror == "" {
		return s, fmt.Errorf("%s names no archive with suite %s, component main; remedy: --mirror URI", filepath.Join(etc, "apt"), codename)
	}
	return s, nil
}

// codename reads VERSION_CODENAME of os-release(5).
func codename(osRelease string) (string, error) {
	raw, err := os.ReadFile(osRelease)
	if err != nil {
		return "", fmt.Errorf("release of this host: %w", err)
	}
	for line := range strings.Lines(string(raw)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); ok {
			return strings.Trim(v, `"`), nil
		}
	}
	return "", fmt.Errorf("%s has no VERSION_CODENAME; remedy: --mirror URI", osRelease)
}

type entry struct {
	uri                string
	suites, components []string
}

// hostEntries reads sources.list(5) in both of its styles.
func hostEntries(apt string) ([]entry, error) {
	names := []string{filepath.Join(apt, "sources.list")}
	for _, pattern := range []string{"*.list", "*.sources"} {
		more, err := filepath.Glob(filepath.Join(apt, "sources.list.d", pattern))
		if err != nil {
			return nil, fmt.Errorf("host's package sources: %w", err)
		}
		names = append(names, more...)
	}
	var all []entry
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("host's package sources: %w", err)
		}
		if strings.HasSuffix(name, ".sources") {
			all = append(all, stanzaEntries(string(raw))...)
		} else {
			all = append(all, lineEntries(string(raw))...)
		}
	}
	return all, nil
}

// lineEntries reads "deb [options] uri suite component..." lines.
func lineEntries(text string) []entry {
	var all []entry
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !ok {
			continue
		}
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			_, rest, _ = strings.Cut(rest, "]")
		}
		f := strings.Fields(rest)
		if len(f) < 3 {
			continue
		}
		all = append(all, entry{uri: strings.TrimSuffix(f[0], "/"), suites: f[1:2], components: f[2:]})
	}
	return all
}

// stanzaEntries reads the deb822 style.
func stanzaEntries(text string) []entry {
	var all []entry
	for _, st := range stanzas(text) {
		if !slices.Contains(strings.Fields(st.field("Types")), "deb") || st.field("Enabled") == "no" {
			continue
		}
		for _, uri := range strings.Fields(st.field("URIs")) {
			all = append(all, entry{
				uri:        strings.TrimSuffix(uri, "/"),
				suites:     strings.Fields(st.field("Suites")),
				components: strings.Fields(st.field("Components")),
			})
		}
	}
	return all
}

// A stanza is one paragraph of a deb822 file, its lines as they stand.
type stanza string

// stanzas splits a deb822 file. Comment lines are left out.
func stanzas(text string) []stanza {
	var all []stanza
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			all = append(all, stanza(b.String()))
			b.Reset()
		}
	}
	sc := bufio.NewScanner(strings.NewReader(text))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		switch line := sc.Text(); {
		case strings.TrimSpace(line) == "":
			flush()
		case !strings.HasPrefix(line, "#"):
			b.WriteString(line + "\n")
		}
	}
	flush()
	return all
}

// field is the value of a field, its continuation lines joined by spaces.
func (s stanza) field(name string) string {
	var value []string
	in := false
	for line := range strings.Lines(string(s)) {
		if line[0] == ' ' || line[0] == '\t' {
			if in {
				value = append(value, strings.TrimSpace(line))
			}
			continue
		}
		k, v, _ := strings.Cut(line, ":")
		if in = strings.EqualFold(k, name); in {
			value = append(value, strings.TrimSpace(v))
		}
	}
	return strings.TrimSpace(strings.Join(value, " "))
}
