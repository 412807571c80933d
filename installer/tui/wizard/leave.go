package wizard

// leave asks what Ctrl-C meant. It changes nothing by itself.
func (m *Model) leave() {
	const title = "Leave?"
	if m.top().title == title {
		m.back()
		return
	}
	s := &screen{title: title}
	what := "Nothing was changed on this machine."
	if m.job != nil && !m.job.over {
		what = "An installation is under way. A machine that is restarted now boots nothing; the next installation goes on where this one was."
	}
	s.items = func() []item {
		return []item{
			gap(), note(plain, ""+what), gap(),
			button("stay", "Stay here", func() Task { m.back(); return nil }),
			button("restart", "Restart the machine", m.choose(Answer{Choice: Restart})),
			button("power off", "Power it off", m.choose(Answer{Choice: PowerOff})),
		}
	}
	m.push(s)
}
