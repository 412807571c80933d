package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/cairn-cloud/cairn/node/spec"
)

// A Warning is what a person should know of a rack.yaml that works. Line is 0
// where the file says nothing of the field.
type Warning struct {
	Line  int    `json:"line,omitempty"`
	Field string `json:"field"`
	Text  string `json:"text"` // what, and what to do about it
}

func (w Warning) String() string { return where(w.Line) + ": " + w.Field + ": " + w.Text }

// A warner collects warnings.
type warner struct {
	rack  *Rack
	lines lines
	list  []Warning
}

func (w *warner) say(field, format string, args ...any) {
	w.list = append(w.list, Warning{w.lines.of(field), field, fmt.Sprintf(format, args...)})
}

func warnings(r *Rack, l lines) []Warning {
	w := warner{rack: r, lines: l}
	if len(r.SSHKeys) == 0 {
		w.say("ssh_keys", "is empty: nobody will be able to log in over SSH. Put in the line of your .pub file")
	}
	w.networks()
	w.firstController()
	for i := range r.Rules {
		w.unreachable(i)
		w.count(i)
		w.hostNames(i)
		w.wipes(i)
	}
	w.room()
	for i, k := range r.Machines {
		if k.BMC.User != "" && k.BMC.PasswordFile == "" {
			w.say(fmt.Sprintf("machines[%d].bmc.user", i), "is %q, without a password_file: its power cannot be controlled", k.BMC.User)
		}
	}
	return w.list
}

// containers is the network that container tools give themselves on many
// machines.
const containers = "172.17.0.0/16"

func (w *warner) networks() {
	for _, n := range w.rack.networks() {
		if n.prefix.Overlaps(netip.MustParsePrefix(containers)) {
			w.say(n.field, "%s overlaps %s, which container tools take on machines that they run on, such as a laptop that deploys this rack. Use another network if you can", n.prefix, containers)
		}
	}
}

// firstController wants a way for the machine with the medium to become the
// first controller.
func (w *warner) firstController() {
	for _, r := range w.rack.Rules {
		if (r.Match.Local == nil || *r.Match.Local) && slices.Contains(r.Roles, spec.RoleController) {
			return
		}
	}
	w.say("rules", "no rule makes the machine that boots the medium a controller: it will be refused. Add one with roles: [controller] and match: {local: true}, unless the deployer runs elsewhere")
}

// unreachable finds a rule that no machine gets to, since the ones before it
// take all that it would match.
func (w *warner) unreachable(i int) {
	r := &w.rack.Rules[i]
	if slices.ContainsFunc(w.rack.Machines, func(k Known) bool { return k.Rule == r.Name }) {
		return
	}
	var takers []string
	for _, local := range []bool{true, false} {
		if r.Match.Local != nil && *r.Match.Local != local {
			continue
		}
		at := slices.IndexFunc(w.rack.Rules[:i], func(b RoleRule) bool {
			return b.Count == 0 && (b.Match.Local == nil || *b.Match.Local == local) && b.Match.covers(&r.Match)
		})
		if at < 0 {
			return
		}
		if name := w.rack.Rules[at].Name; !slices.Contains(takers, name) {
			takers = append(takers, name)
		}
	}
	w.say(fmt.Sprintf("rules[%d]", i), "%q can never hold: %s before it takes every machine that it matches. Move it up, or give the other one a count",
		r.Name, strings.Join(takers, " and "))
}

// covers tells whether every machine that meets o meets m too, as far as it
// can be seen. Local is left to the caller.
func (m *Match) covers(o *Match) bool {
	for _, l := range [][2][]string{{m.MAC, o.MAC}, {m.Machine, o.Machine}, {m.Serial, o.Serial}} {
		if len(l[0]) == 0 {
			continue
		}
		if len(l[1]) == 0 || slices.ContainsFunc(l[1], func(s string) bool { return !containsFold(l[0], s) }) {
			return false
		}
	}
	for name, condition := range m.Where {
		if o.Where[name] != condition {
			return false
		}
	}
	return m.MinMemoryMiB <= o.MinMemoryMiB && m.MinCPUs <= o.MinCPUs
}

// most is how many machines can meet a match, by those that it names; -1: any
// number.
func (m *Match) most() (n int, why string) {
	n = -1
	for _, l := range []struct {
		name string
		list []string
	}{{"mac", m.MAC}, {"machine", m.Machine}, {"serial", m.Serial}} {
		if k := len(l.list); k > 0 && (n < 0 || k < n) {
			n, why = k, fmt.Sprintf("match.%s names %d", l.name, k)
		}
	}
	if m.Local != nil && *m.Local && (n < 0 || n > 1) {
		n, why = 1, "match.local is true, and one machine only is installed from the medium"
	}
	return n, why
}

func (w *warner) count(i int) {
	r := &w.rack.Rules[i]
	if n, why := r.Match.most(); n >= 0 && r.Count > n {
		w.say(fmt.Sprintf("rules[%d].count", i), "is %d and cannot be reached: %s", r.Count, why)
	}
}

// hostNames finds a name that more than one machine would get.
func (w *warner) hostNames(i int) {
	r := &w.rack.Rules[i]
	most, _ := r.Match.most()
	if most != 1 && r.Count != 1 && !strings.Contains(r.Host, "%d") && len(hostFields(r.Host)) == 0 {
		w.say(fmt.Sprintf("rules[%d].host", i), "is %q for every machine of the rule: the second one will be refused. Put %%d into it", r.Host)
	}
	for j, b := range w.rack.Rules[:i] {
		if b.Host == r.Host && !strings.Contains(r.Host, "%d") && len(hostFields(r.Host)) == 0 {
			w.say(fmt.Sprintf("rules[%d].host", i), "is %q, as that of rules[%d] is: one machine of the two rules will be refused", r.Host, j)
		}
	}
}

// wipes speaks of rules that wipe what they do not know.
func (w *warner) wipes(i int) {
	r := &w.rack.Rules[i]
	if most, _ := r.Match.most(); most >= 0 || len(r.Match.Where) > 0 {
		return
	}
	warn := func(at string, d DiskRule) {
		if d.Wipe == WipeAlways && d.Serial == "" && d.Path == "" {
			w.say(at+".wipe", "is always in a rule that names no machine: any data on any machine that boots is lost without a question")
		}
	}
	warn(fmt.Sprintf("rules[%d].disk", i), r.Disk)
	for j, d := range r.Data {
		warn(fmt.Sprintf("rules[%d].data[%d].disk", i, j), d.Disk)
	}
}

// room compares the counts with the addresses there are.
func (w *warner) room() {
	m, want := &w.rack.Management, 0
	if len(m.Relayed) > 0 {
		return
	}
	for _, r := range w.rack.Rules {
		want += r.Count
	}
	have := 0
	for a := m.RangeFrom; !m.RangeTo.Less(a) && have < want; a = a.Next() {
		have++
	}
	if have < want {
		w.say("management.range_to", "the range %s to %s has %d addresses, and the counts of the rules add up to %d machines", m.RangeFrom, m.RangeTo, have, want)
	}
}
