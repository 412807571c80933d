package fleet

// PhaseHandover is the phase of the progress report that an installer sends
// when its disk is complete. It waits for the answer.
const PhaseHandover = "handover"

// cutOff tells whether an installation ended between the machine's identity
// and the last write to its disk, by a power cut or a failure: the machine has
// enrolled and nothing can boot from its disk.
func (m *Machine) cutOff() bool {
	return m.Installed && (m.State == Enrolled || m.State == Failed) && m.Progress != nil && m.Progress.Phase != PhaseHandover
}

// Complete tells whether the machine has said that its disk is, after it
// enrolled.
func (m *Machine) Complete() bool {
	return m.Installed && m.Progress != nil && m.Progress.Phase == PhaseHandover
}

// complete tells that of the boot that the ticket is for.
func (r *record) complete() bool {
	return r.Used && r.Machine.Complete()
}

// again takes a machine back whose installation was cut off, to be installed
// once more. It stays the same node.
func (m *Machine) again(now clock) error {
	m.Installed = false
	return m.move(Seen, "its installation was cut off after it had enrolled", now)
}
