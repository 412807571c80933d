package fleet

import "testing"

// A power cut between the identity of a machine and the last write to its
// disk leaves a disk that cannot boot: the machine is installed again.
func TestAMachineThatWasCutOffAfterItEnrolledIsInstalledAgain(t *testing.T) {
	for _, phase := range []string{"", "enrol", PhaseFailed} {
		k := newRack(t, nil)
		d := k.boot(mac1, id1)
		k.inventory(d.Ticket, mac1, id1)
		k.progress(d.Ticket, id1, "partition")
		k.enrol(d.Ticket, id1)
		if phase != "" {
			k.progress(d.Ticket, id1, phase)
		}
		first, err := k.Machine(id1)
		if err != nil {
			t.Fatal(err)
		}
		k.open()
		if k.Installed(mac1) {
			t.Errorf("phase %q: the firmware is sent to a disk that cannot boot", phase)
		}
		d = k.boot(mac1, id1)
		if d.Do != DoInstall {
			t.Fatalf("phase %q: it is told to %s, want install", phase, d.Do)
		}
		k.inventory(d.Ticket, mac1, id1)
		k.progress(d.Ticket, id1, "partition")
		k.enrol(d.Ticket, id1)
		k.progress(d.Ticket, id1, PhaseHandover)
		k.progress(d.Ticket, id1, "enrol") // was under way
		m := k.state(id1, Enrolled)
		if m.Node.ID != first.Node.ID || m.Attempts != 0 {
			t.Errorf("phase %q: now it is node %s after %d attempts; want %s, 0", phase, m.Node.ID, m.Attempts, first.Node.ID)
		}
		if d := k.boot(mac1, id1); d.Do != DoDisk {
			t.Errorf("phase %q: complete, and told to %s; want disk", phase, d.Do)
		}
	}
}

// A machine that never hands over is not installed for ever.
func TestCutsAfterEnrolmentAreCounted(t *testing.T) {
	k := newRack(t, nil)
	for range maxAttempts {
		d := k.boot(mac1, id1)
		k.inventory(d.Ticket, mac1, id1)
		k.progress(d.Ticket, id1, "partition")
		k.enrol(d.Ticket, id1)
	}
	if d := k.boot(mac1, id1); d.Do != DoHold {
		t.Errorf("after %d cuts it is told to %s, want hold", maxAttempts, d.Do)
	}
}
