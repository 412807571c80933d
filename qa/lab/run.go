package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// phasesFile keeps the Run of a rack, in its directory.
const phasesFile = "phases.json"

// A Run is what a rack took to come up, or to fail: the steps of `cairn rack
// up`, and its machines as they were at the end. With --from it goes on where
// it ended.
type Run struct {
	Up       bool         `json:"up"` // all that was asked for is done
	Accel    Accel        `json:"accel"`
	Guests   string       `json:"guests,omitempty"` // what the servers are, and why
	Steps    []Step       `json:"steps"`
	Machines []MachineRun `json:"machines"`
	// Outcomes are what became of the machines of a rack that are not alike.
	Outcomes []Outcome `json:"outcomes,omitempty"`
	// Resident is the memory of all machines, in MiB.
	Resident int64 `json:"resident_mib"`
}

// A Step is a part of the whole way.
type Step struct {
	Name   string  `json:"name"`
	Took   Seconds `json:"seconds"`
	DoneAt Seconds `json:"done_at_seconds"` // since the beginning of the run
	// CPU is the processor time of all machines; absent when nobody knows.
	CPU Seconds `json:"cpu_seconds,omitzero"`
}

// A MachineRun is what one machine took since its power-on.
type MachineRun struct {
	Name     string    `json:"name"`
	CPU      Seconds   `json:"cpu_seconds"`
	Resident int64     `json:"resident_mib"`
	Phases   []Stretch `json:"phases"`
}

// A Stretch is a phase of a machine.
type Stretch struct {
	Name    string  `json:"name"`
	BeganAt Seconds `json:"began_at_seconds"` // since power-on
	Took    Seconds `json:"seconds,omitzero"` // absent while it lasts
}

// Seconds is a span of time, to a hundredth.
type Seconds float64

func seconds(d time.Duration) Seconds { return Seconds(math.Round(d.Seconds()*100) / 100) }

func (s Seconds) String() string { return clock(time.Duration(float64(s) * float64(time.Second))) }

// loadRun reads the run of an earlier command; an empty one when there is none.
func loadRun(dir string) (*Run, error) {
	r := &Run{}
	raw, err := os.ReadFile(filepath.Join(dir, phasesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, r)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", phasesFile, err)
	}
	return r, nil
}

func (r *Run) save(dir string) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, phasesFile), append(raw, '\n'), 0o644)
}

// rewind forgets what came after a step, or everything when there is no such
// step.
func (r *Run) rewind(last string) {
	i := slices.IndexFunc(r.Steps, func(s Step) bool { return s.Name == last })
	r.Steps, r.Up = r.Steps[:i+1], false
}

// length is the time of all steps.
func (r *Run) length() time.Duration {
	if len(r.Steps) == 0 {
		return 0
	}
	return time.Duration(float64(r.Steps[len(r.Steps)-1].DoneAt) * float64(time.Second))
}

// measure takes down how the machines are.
func (r *Run) measure(s *Status) {
	r.Machines, r.Resident = nil, 0
	for _, m := range s.Machines {
		run := MachineRun{Name: m.Name, CPU: seconds(m.CPU), Resident: m.Resident >> 20, Phases: []Stretch{}}
		for i, p := range m.Phases {
			phase := Stretch{Name: p.Name, BeganAt: seconds(p.Began.Sub(m.Phases[0].Began))}
			if i+1 < len(m.Phases) {
				phase.Took = seconds(m.Phases[i+1].Began.Sub(p.Began))
			}
			run.Phases = append(run.Phases, phase)
		}
		r.Machines, r.Resident = append(r.Machines, run), r.Resident+run.Resident
	}
}

// burnt is the processor time between two looks at the machines. One that was
// switched on between them counts from there.
func burnt(before, after *Status) Seconds {
	if before == nil || after == nil {
		return 0
	}
	then := make(map[string]time.Duration)
	for _, m := range before.Machines {
		then[m.Name] = m.CPU
	}
	var sum time.Duration
	for _, m := range after.Machines {
		if d := m.CPU - then[m.Name]; d >= 0 {
			sum += d
		} else {
			sum += m.CPU
		}
	}
	return seconds(sum)
}
