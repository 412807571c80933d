package trial

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
)

// said reads what a server's guest said on its console so far.
func (t *Trial) said(ctx context.Context, name string) ([]string, error) {
	for _, s := range t.servers {
		if s.name != name {
			continue
		}
		text, err := servers.ShowConsoleOutput(ctx, s.side.user.compute, s.id, servers.ShowConsoleOutputOpts{}).Extract()
		if err != nil {
			return nil, fmt.Errorf("console of %s: %w", name, err)
		}
		return guestLines(text), nil
	}
	return nil, fmt.Errorf("%w: no server %s", errVerdict, name)
}

// guestLine finds what the guest's program says among what its kernel says. A
// line without its end is still being printed.
var guestLine = regexp.MustCompile(`cairn-guest: ([^\r\n]*[^\s])[ \t]*[\r\n]`)

func guestLines(console string) []string {
	var out []string
	for _, m := range guestLine.FindAllStringSubmatch(console, -1) {
		out = append(out, m[1])
	}
	return out
}

// found tells whether guests have their address and their own metadata.
func (t *Trial) found(names ...string) func(context.Context) (string, bool, error) {
	return func(ctx context.Context) (string, bool, error) {
		var missing []string
		for _, name := range names {
			lines, err := t.said(ctx, name)
			if err != nil {
				return fmt.Sprintf("(%v)", err), false, wrong(err)
			}
			s := t.server(name)
			lacks, err := s.lacks(lines)
			if err != nil {
				return "", false, err
			}
			if lacks != "" {
				missing = append(missing, name+" "+lacks)
			}
		}
		return "(missing: " + strings.Join(missing, ", ") + ")", len(missing) == 0, nil
	}
}

func (t *Trial) server(name string) *server {
	for _, s := range t.servers {
		if s.name == name {
			return s
		}
	}
	return &server{name: name}
}

// lacks says what a guest has not found yet, or that it found another's.
func (s *server) lacks(lines []string) (string, error) {
	want := address(s.last) + "/24"
	got, ok := after(lines, "address ")
	if !ok {
		return "its address", nil
	}
	if got != want {
		return "", fmt.Errorf("%w: server %s took address %s, not %s", errVerdict, s.name, got, want)
	}
	if got, ok = after(lines, "metadata {"); !ok {
		return "its metadata", nil
	}
	if !strings.Contains(got, s.id) {
		return "", fmt.Errorf("%w: server %s read metadata %s, which lacks its id %s", errVerdict, s.name, got, s.id)
	}
	return "", nil
}

// after returns the rest of the last line that begins with a text.
func after(lines []string, begin string) (string, bool) {
	for i := len(lines) - 1; i >= 0; i-- {
		if rest, ok := strings.CutPrefix(lines[i], begin); ok {
			return rest, true
		}
	}
	return "", false
}

// reach tells whether the two servers of one project answer each other.
func (t *Trial) reach(ctx context.Context) (string, bool, error) {
	name := t.form.names()
	for name, other := range map[string]string{name[left]: address(13), name[right]: address(12)} {
		lines, err := t.said(ctx, name)
		if err != nil {
			return fmt.Sprintf("(%v)", err), false, wrong(err)
		}
		if got, ok := after(lines, "ping "+other+" "); !ok || got != "ok" {
			return fmt.Sprintf("(%s: ping %s %s)", name, other, got), false, nil
		}
	}
	return "", true, nil
}

// A probe is what a guest tries again and again, and what has to come of it.
type probe struct {
	server string
	begin  string         // of its lines
	want   *regexp.Regexp // the rest of each
}

// enoughRounds is how often isolation has to hold while the others answer.
const enoughRounds = 3

// isolated tells whether nothing got through between the projects in several
// rounds, all of them while the servers of one project answered each other.
func (t *Trial) isolated(ctx context.Context) (string, bool, error) {
	lost, none := regexp.MustCompile(`^lost$`), regexp.MustCompile(`^sent [1-9]\d* answers 0$`)
	name := t.form.names()
	probes := []probe{
		{name[stranger], "ping " + address(12) + " ", lost},
		{name[stranger], "ping " + address(13) + " ", lost},
		{name[stranger], "tagged " + t.one.vlan + ":" + address(12) + " ", none},
		{name[left], "ping " + address(21) + " ", lost},
	}
	fewest := enoughRounds
	for _, p := range probes {
		lines, err := t.said(ctx, p.server)
		if err != nil {
			return fmt.Sprintf("(%v)", err), false, wrong(err)
		}
		n, err := p.rounds(lines)
		if err != nil {
			return "", false, err
		}
		key := p.server + p.begin
		if _, began := t.rounds[key]; !began {
			t.rounds[key] = n
		}
		fewest = min(fewest, n-t.rounds[key])
	}
	return fmt.Sprintf("(%d of %d rounds)", fewest, enoughRounds), fewest >= enoughRounds, nil
}

// rounds counts a probe's lines. One that is not as it has to be is final.
func (p probe) rounds(lines []string) (int, error) {
	n := 0
	for _, l := range lines {
		rest, ok := strings.CutPrefix(l, p.begin)
		if !ok {
			continue
		}
		if !p.want.MatchString(rest) {
			return n, fmt.Errorf("%w: server %s says %q; it should be %q", errVerdict, p.server, l, p.begin+p.want.String())
		}
		n++
	}
	return n, nil
}
