package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What becomes of a machine.
const (
	becameReady  = "ready"   // a node that passes its health checks
	becameFailed = "refused" // or failed: the deployer says why
)

// An Outcome is what became of one machine of a rack whose machines are not
// alike.
type Outcome struct {
	Machine string `json:"machine"`
	Shape   string `json:"shape"`  // in words
	Became  string `json:"became"` // ready or refused
	Name    string `json:"name,omitempty"`
	Reason  string `json:"reason,omitempty"` // why it was refused, and what to do about it
	Wrong   string `json:"wrong,omitempty"`  // how that is not what it should be; empty: it is
}

// A deployed is a machine as the deployer sees it (GET /v1/machines).
type deployed struct {
	MACs   []string `json:"macs"`
	State  string   `json:"state"`
	Reason string   `json:"reason"`
	Name   string   `json:"name"`
	Wait   string   `json:"wait"`
}

// askEvery is how often the deployer is asked. To log in and ask is work that
// the machines would be without, where they are emulated.
const askEvery = 15 * time.Second

// asked asks the deployer for its machines, as an operator on the controller
// does.
func (r *rack) asked(ctx context.Context) ([]deployed, error) {
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(askEvery):
	}
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	raw, err := shell{r.dir, r.config.SSH}.run(ctx, "cairn fleet list --json")
	if err != nil {
		return nil, err
	}
	var all []deployed
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("cairn fleet list: %w", err)
	}
	return all, nil
}

// bootShapes powers all machines on and waits until something has become of
// each of them. One that fails does not stop the others. A machine that is
// refused for the reason that its shape names is switched off: it would start
// again and again.
func (r *rack) bootShapes(ctx context.Context) error {
	if _, err := r.powerOn(ctx); err != nil {
		return err
	}
	first := &r.config.Machines[0]
	r.run.Outcomes = []Outcome{{Machine: first.Name, Shape: first.String(), Became: becameReady, Name: controllerName}}
	left := r.config.Machines[1:]
	for len(left) > 0 {
		settled, err := r.next(ctx, left)
		if err != nil {
			return err
		}
		for _, o := range settled {
			if err := r.settle(ctx, o); err != nil {
				return err
			}
			left = slices.DeleteFunc(slices.Clone(left), func(m Machine) bool { return m.Name == o.Machine })
		}
	}
	return wrong(r.run.Outcomes)
}

// settle notes what became of a machine.
func (r *rack) settle(ctx context.Context, o Outcome) error {
	r.run.Outcomes = append(r.run.Outcomes, o)
	r.view.say("%s is %s. %s", o.Machine, o.Became, o.Reason)
	if o.Became == becameReady {
		return nil
	}
	return r.client.power(ctx, o.Machine, "off")
}

// wrong joins what is not as it should be.
func wrong(all []Outcome) error {
	var words []string
	for _, o := range all {
		if o.Wrong != "" {
			words = append(words, o.Machine+": "+o.Wrong)
		}
	}
	if len(words) == 0 {
		return nil
	}
	return fmt.Errorf("not what the shapes say: %s", strings.Join(words, "; "))
}

// next waits until something has become of some of the machines.
func (r *rack) next(ctx context.Context, left []Machine) ([]Outcome, error) {
	var settled []Outcome
	w := waiting{what: "every machine is a node or is refused", mayFail: true}
	for _, m := range left {
		w.machines = append(w.machines, m.Name)
	}
	w.done = func(ctx context.Context) (string, bool, error) {
		all, busy := r.asked(ctx)
		if busy != nil {
			return fmt.Sprintf("(%v)", busy), false, nil // the machines tell whether there is hope
		}
		for i := range left {
			if o, ok := became(&left[i], all); ok {
				settled = append(settled, o)
			}
		}
		return describe(left, all), len(settled) > 0, nil
	}
	return settled, r.wait(ctx, w)
}

// became tells what has become of a machine, if anything has.
func became(m *Machine, all []deployed) (Outcome, bool) {
	o := Outcome{Machine: m.Name, Shape: m.String()}
	d := find(m, all)
	if d == nil {
		return o, false
	}
	o.Name = d.Name
	switch d.State {
	case "ready":
		o.Became = becameReady
		if m.Refused != "" {
			o.Wrong = "it is ready; wanted: refused, since " + m.Refused
		}
	case "failed":
		o.Became, o.Reason = becameFailed, d.Reason
		switch {
		case m.Refused == "":
			o.Wrong = "it has failed; wanted: ready"
		case d.Reason != m.Refused:
			o.Wrong = "it is refused for another reason; wanted: " + m.Refused
		}
	default:
		return o, false
	}
	return o, true
}

// find is what the deployer knows of a machine; nil: nothing.
func find(m *Machine, all []deployed) *deployed {
	for i := range all {
		for nic := range m.NICs {
			if slices.Contains(all[i].MACs, m.mac(nic)) {
				return &all[i]
			}
		}
	}
	return nil
}

// describe says how far the machines are.
func describe(left []Machine, all []deployed) string {
	var words []string
	for i := range left {
		state := "not seen"
		if d := find(&left[i], all); d != nil {
			state = d.State
		}
		words = append(words, left[i].Name+" "+state)
	}
	return "(" + strings.Join(words, ", ") + ")"
}

// outcomes is the table of what became of which machine.
func outcomes(all []Outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-12s %-8s %s\n", "machine", "became", "shape, and why")
	for _, o := range all {
		fmt.Fprintf(&b, "%-12s %-8s %s\n", o.Machine, o.Became, o.Shape)
		for _, text := range []string{o.Reason, o.Wrong} {
			for _, line := range wrapped(text, 96) {
				fmt.Fprintf(&b, "%-21s %s\n", "", line)
			}
		}
	}
	return b.String()
}

// wrapped breaks text at blanks into lines of at most that many characters.
func wrapped(text string, width int) []string {
	var lines []string
	for _, w := range strings.Fields(text) {
		if n := len(lines); n > 0 && len(lines[n-1])+1+len(w) <= width {
			lines[n-1] += " " + w
			continue
		}
		lines = append(lines, w)
	}
	return lines
}
