package wizard

// nameScreen asks what cloud and machine are called.
func (m *Model) nameScreen() *screen {
	a := &m.a
	s := &screen{title: "New cloud, 4 of 5: names", keys: "Up/Down move  Space choose  Enter go on  Esc back  Ctrl-L redraw  Ctrl-C leave"}
	s.items = func() []item {
		return []item{
			note(plain, "What are cloud and machine called? Lower case letters, digits and hyphens."), gap(),
			input("name", "Cloud", &a.name, "name").hinted("cairn"),
			input("host", "This machine", &a.host, "rules[0].host").hinted("controller1"),
			gap(),
			check("serves", "It runs servers of the cloud too (needs a second network card)", a.serves, func() { a.serves = !a.serves }),
			gap(), button("next", "[ Go on ]", func() Task { return s.next() }),
		}
	}
	s.next = func() Task {
		s.trouble = ""
		if a.serves {
			return m.planned(s, m.keyScreen)
		}
		return m.checked(s, m.keyScreen)
	}
	return s
}
