package plan

import (
	"regexp"
	"strconv"
	"strings"
)

// hostField finds a field of the inventory in the pattern of a host name.
var hostField = regexp.MustCompile(`\{([a-z0-9_.]+)\}`)

// hostFields are the fields that a pattern uses.
func hostFields(pattern string) []string {
	var names []string
	for _, m := range hostField.FindAllStringSubmatch(pattern, -1) {
		names = append(names, m[1])
	}
	return names
}

// maxLabel is the length of a DNS label in bytes (RFC 1035).
const maxLabel = 63

// dnsLabel makes a text a DNS label: lower case, and a hyphen for all that
// cannot be in one. It is empty where nothing is left.
func dnsLabel(s string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(s) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			b.WriteRune(c)
		case !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	s = strings.Trim(b.String(), "-")
	return strings.TrimRight(s[:min(len(s), maxLabel)], "-")
}

// hostName gives the machine its name: the one that rack.yaml says, or the
// first that its rule's pattern makes and nobody else has.
func (m *maker) hostName() (string, error) {
	if m.known != nil && m.known.Name != "" {
		if m.o.Names[m.known.Name] {
			return "", refuse("Give one of the two another name in rack.yaml, or take the other one out of the rack",
				"the host name %s that machines has for this machine belongs to another one", m.known.Name)
		}
		return m.known.Name, nil
	}
	expanded, err := m.expand(m.rule.Host)
	if err != nil {
		return "", err
	}
	if name, ok := m.oldName(expanded); ok {
		return name, nil
	}
	first := max(1, m.o.Number)
	for n := first; n <= first+len(m.o.Names)+len(m.rack.Machines); n++ {
		name := numbered(expanded, n)
		if !m.o.Names[name] && !m.promised(name) {
			return name, nil
		}
	}
	return "", refuse("Put %d into host of that rule, or limit the rule with count or match",
		"every host name that rule %q makes is taken: host is %q, and another machine is called %s",
		m.rule.Name, m.rule.Host, numbered(expanded, first))
}

// couldMake tells whether some machine could get the name of the pattern.
func couldMake(pattern, host string) bool {
	any := hostField.ReplaceAllString(pattern, "*")
	return glob(strings.ReplaceAll(any, "%d", "?*"), host)
}

func numbered(expanded string, n int) string {
	return dnsLabel(strings.ReplaceAll(expanded, "%d", strconv.Itoa(n)))
}

// promised tells whether rack.yaml gives the name to another machine.
func (m *maker) promised(name string) bool {
	for i := range m.rack.Machines {
		if k := &m.rack.Machines[i]; k != m.known && k.Name == name {
			return true
		}
	}
	return false
}

var digits = regexp.MustCompile(`[0-9]+`)

// oldName is the name that the machine had, where its rule makes it with one
// number or another.
func (m *maker) oldName(expanded string) (string, bool) {
	old := m.o.Name
	if old == "" || m.o.Names[old] || m.promised(old) {
		return "", false
	}
	for _, word := range append(digits.FindAllString(old, -1), "1") {
		if n, err := strconv.Atoi(word); err == nil && numbered(expanded, n) == old {
			return old, true
		}
	}
	return "", false
}

// expand puts the machine's own values in place of the fields of a pattern.
func (m *maker) expand(pattern string) (string, error) {
	var missing string
	s := hostField.ReplaceAllStringFunc(pattern, func(braces string) string {
		value := m.value(strings.Trim(braces, "{}"))
		if dnsLabel(value) == "" {
			missing = braces
		}
		return value
	})
	if missing != "" {
		return "", refuse("Take it out of host of that rule, or give the machine a name under machines in rack.yaml",
			"host %q of rule %q needs %s, of which the machine says nothing", m.rule.Host, m.rule.Name, missing)
	}
	return s, nil
}

// value is the machine's value of a field: of the management card or the
// system disk where there are several, else the first that is not empty.
func (m *maker) value(name string) string {
	if strings.HasPrefix(name, "nics.") || strings.HasPrefix(name, "disks.") {
		near := Inventory{NICs: m.cardsOf(m.plan.Management), Disks: []Disk{m.plan.Disk}}
		if v := firstSaid(find(&near, name).values); v != "" {
			return v
		}
	}
	return firstSaid(find(&m.inv, name).values)
}

func firstSaid(values []string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
