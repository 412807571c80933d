package wizard

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// A sshKey is a key that somebody offers.
type sshKey struct {
	line string // for authorized_keys
	show string // kind, fingerprint and comment, for people
	from string
}

// parseKeys reads lines of authorized_keys. What is no key is told apart from
// comments and empty lines.
func parseKeys(text []byte, from string) (keys []sshKey, wrong []string) {
	for l := range strings.Lines(string(text)) {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		k, err := parseKey(l)
		if err != nil {
			wrong = append(wrong, err.Error())
			continue
		}
		k.from = from
		keys = append(keys, k)
	}
	return keys, wrong
}

func parseKey(l string) (sshKey, error) {
	pub, comment, options, _, err := ssh.ParseAuthorizedKey([]byte(l))
	switch {
	case err != nil || clean(l) != l:
		return sshKey{}, fmt.Errorf("%q is no SSH key; allowed: a public key line like ssh-ed25519 AAAA... you@host", short(l, 24))
	case len(options) > 0:
		return sshKey{}, fmt.Errorf("a key has the option %q; allowed: a public key without options", options[0])
	}
	kind := strings.TrimPrefix(pub.Type(), "ssh-")
	return sshKey{
		line: strings.TrimSpace(strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))) + " " + comment),
		show: strings.TrimSpace(kind + " " + ssh.FingerprintSHA256(pub) + " " + comment),
	}, nil
}

func short(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "..."
}

// keyScreen asks who may log in.
func (m *Model) keyScreen() *screen {
	a := &m.a
	warned := false
	s := &screen{title: "New cloud, 5 of 5: who may log in", keys: "Up/Down move  Space choose  Enter go on  Esc back  Ctrl-L redraw  Ctrl-C leave"}
	s.items = func() []item {
		items := []item{note(plain, "Whose SSH keys may log in to the machines of the rack? There is no password.")}
		for _, l := range a.keys {
			k, err := parseKey(l)
			if err != nil {
				continue // it was read before it came on the list
			}
			items = append(items, check("key "+l, short(k.show, contentWidth-5), true, func() { a.keys = slices.DeleteFunc(a.keys, func(o string) bool { return o == l }) }))
		}
		typed := input("typed", "Type or paste one", &a.typedKey, "ssh_keys").hinted("like ssh-ed25519 AAAA... you@host")
		typed.act = func() Task { return m.takeTyped(s) }
		page := input("url", "Fetch from https://", &a.url).hinted("like example.org/you.keys")
		page.act = func() Task { return m.fetchKeys(s) }
		return append(items, gap(), typed, page,
			button("stick", "Read *.pub from a stick that is plugged in", func() Task { return m.stickKeys(s) }),
			button("network", "Bring up a network for fetching", m.show(m.fetchNetScreen)),
			gap(), button("next", "[ Go on ]", func() Task { return s.next() }))
	}
	s.focus = "typed"
	s.next = func() Task {
		if len(a.keys) == 0 && !warned {
			warned = true
			s.say(warn, "No key: nobody will be able to log in. Go on once more if you mean it")
			return nil
		}
		s.trouble = ""
		if fs := m.faults(); len(fs) > 0 {
			s.trouble = faultText(fs)
			return nil
		}
		m.finish(Answer{Choice: Found, Rack: a.rack(m.needs.Inventory, m.needs.Version)})
		return nil
	}
	return s
}

// take puts a key on the list, once.
func (a *answers) take(k sshKey) {
	if !slices.Contains(a.keys, k.line) {
		a.keys = append(a.keys, k.line)
	}
}

func (m *Model) takeTyped(s *screen) Task {
	k, err := parseKey(strings.TrimSpace(m.a.typedKey))
	if err != nil {
		s.faults = map[string]string{"typed": err.Error()}
		return nil
	}
	m.a.take(k)
	m.a.typedKey = ""
	s.say(good, "Taken. Another one, or go on")
	return nil
}

func (m *Model) fetchKeys(s *screen) Task {
	where := "https://" + strings.TrimPrefix(strings.TrimSpace(m.a.url), "https://")
	if u, err := url.Parse(where); err != nil || u.Host == "" {
		s.faults = map[string]string{"url": fmt.Sprintf("%q is no address; allowed: a host and a path, like example.org/you.keys", m.a.url)}
		return nil
	}
	return s.run("Fetching "+short(where, 50), func(ctx context.Context) func() {
		text, err := m.needs.Fetch(ctx, where)
		return func() {
			if err != nil {
				s.faults = map[string]string{"url": err.Error()}
				return
			}
			m.offer(s, []KeyFile{{Where: where, Text: text}})
		}
	})
}

func (m *Model) stickKeys(s *screen) Task {
	return s.run("Looking at what is plugged in", func(ctx context.Context) func() {
		files, err := m.needs.Sticks(ctx)
		return func() {
			switch {
			case err != nil:
				s.say(bad, err.Error())
			case len(files) == 0:
				s.say(bad, "No *.pub in the top directory of any FAT, ext or ISO volume. Plug one in, try again")
			default:
				m.offer(s, files)
			}
		}
	})
}

// offer lets a person take keys that came from elsewhere, by fingerprint and
// comment.
func (m *Model) offer(from *screen, files []KeyFile) {
	var found []sshKey
	var wrong []string
	for _, f := range files {
		k, w := parseKeys(f.Text, f.Where)
		found, wrong = append(found, k...), append(wrong, w...)
	}
	if len(found) == 0 {
		from.say(bad, "No SSH key there. "+strings.Join(wrong[:min(1, len(wrong))], ""))
		return
	}
	m.push(m.offerScreen(found, wrong))
}

func (m *Model) offerScreen(found []sshKey, wrong []string) *screen {
	picked := make([]bool, len(found))
	s := &screen{title: "Which of these keys?", keys: "Up/Down move  Space choose  Enter take them  Esc back  Ctrl-C leave"}
	s.items = func() []item {
		items := []item{note(plain, "Compare the fingerprints with those of the owner's (ssh-keygen -lf key.pub). Choose with Space what may log in.")}
		last := ""
		for i, k := range found {
			if k.from != last {
				items, last = append(items, says(text(bold, "  "+short(k.from, contentWidth)))), k.from
			}
			items = append(items, check(fmt.Sprint(i), short(k.show, contentWidth-5), picked[i], func() { picked[i] = !picked[i] }))
		}
		for _, w := range wrong {
			items = append(items, note(warn, ""+w))
		}
		return append(items, gap(), button("take", "[ Take what is chosen ]", func() Task { return s.next() }))
	}
	s.next = func() Task {
		if !slices.Contains(picked, true) {
			s.say(bad, "None is chosen: choose with Space, or go back with Esc")
			return nil
		}
		for i, k := range found {
			if picked[i] {
				m.a.take(k)
			}
		}
		m.a.url = ""
		m.back()
		m.top().focus = "next"
		return nil
	}
	return s
}
