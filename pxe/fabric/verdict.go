package fabric

import (
	"fmt"
	"slices"
)

// A verdict is who is behind something that does not pass.
type verdict struct {
	everybody bool  // it passes between no two
	culprit   bool  // members[0] alone; it passes between others
	oneWay    bool  // from members[1] to members[0] it does
	members   []int // else the two between whom it does not
}

func (v verdict) key() string {
	return fmt.Sprint(v.everybody, v.culprit, v.oneWay, v.members)
}

// each tells use every verdict once, with all VLANs that it holds for.
func (e *evaluation) each(ok func(from, to, vlan int) bool, use func(verdict, string)) {
	var order []string
	verdicts := map[string]verdict{}
	vlans := map[string][]int{}
	for _, vlan := range e.VLANs {
		for _, v := range e.judge(func(from, to int) bool { return ok(from, to, vlan) }) {
			k := v.key()
			if _, there := verdicts[k]; !there {
				verdicts[k] = v
				order = append(order, k)
			}
			vlans[k] = append(vlans[k], vlan)
		}
	}
	for _, k := range order {
		use(verdicts[k], ranges(vlans[k]))
	}
}

// judge finds who is behind what does not pass. A member that nobody of
// several others hears or is heard by is the culprit; what is left is said of
// pairs.
func (e *evaluation) judge(ok func(from, to int) bool) []verdict {
	var here []int
	for i := range e.Members {
		if e.reported(i) {
			here = append(here, i)
		}
	}
	good, bad := 0, 0
	for i, a := range here {
		for _, b := range here[i+1:] {
			if ok(a, b) || ok(b, a) {
				good++
			} else {
				bad++
			}
		}
	}
	if bad > 0 && good == 0 && len(here) > 2 {
		return []verdict{{everybody: true, members: here}}
	}
	var out []verdict
	var guilty []int
	for _, a := range here {
		alone := !slices.ContainsFunc(here, func(b int) bool { return a != b && (ok(a, b) || ok(b, a)) })
		if alone && good > 0 {
			guilty = append(guilty, a)
			out = append(out, verdict{culprit: true, members: []int{a}})
		}
	}
	for i, a := range here {
		for _, b := range here[i+1:] {
			if slices.Contains(guilty, a) || slices.Contains(guilty, b) {
				continue
			}
			switch there, back := ok(a, b), ok(b, a); {
			case there && !back:
				out = append(out, verdict{oneWay: true, members: []int{b, a}})
			case back && !there:
				out = append(out, verdict{oneWay: true, members: []int{a, b}})
			case !there && !back:
				out = append(out, verdict{members: []int{a, b}})
			}
		}
	}
	return out
}
