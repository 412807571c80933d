package raid

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// Halves are the devices of an array, by what can be done with them.
type Halves struct {
	Current []string // have all that was written
	// Stale ones were away while the others were written to: they have to be
	// brought up to date.
	Stale []string
	// Apart are those that were written to while the current ones were away:
	// somebody has to decide which of the two counts.
	Apart []string

	// Awaited is how many devices that took part when the array was last used
	// are not here.
	Awaited int

	places  int
	numbers map[string]int // of the stale ones: their place in the array, or -1
}

// Missing is how many devices the array lacks.
func (h Halves) Missing() int { return max(0, h.places-len(h.Current)-len(h.Stale)-len(h.Apart)) }

// Look reads the superblocks of devices and tells which can start the array.
func Look(devices []string) (Halves, error) {
	var of []device
	for _, path := range devices {
		m, err := ReadFile(path)
		if err != nil {
			return Halves{}, err
		}
		of = append(of, device{path, m})
	}
	return sort(of)
}

// ReadFile is [Read] of a device by its path.
func ReadFile(path string) (_ Member, err error) {
	f, err := os.Open(path)
	if err != nil {
		return Member{}, fmt.Errorf("mirror: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	m, err := Read(f)
	if err != nil {
		return m, fmt.Errorf("mirror on %s: %w", path, err)
	}
	return m, nil
}

type device struct {
	path string
	Member
}

// sort tells the devices apart. The one that has seen most counts, and what
// it says of the others; md may forget the last change of a clean stop.
func sort(all []device) (Halves, error) {
	if len(all) == 0 {
		return Halves{}, errors.New("mirror: no device of it is there")
	}
	fresh := slices.MaxFunc(all, func(a, b device) int {
		switch {
		case a.Events < b.Events:
			return -1
		case a.Events > b.Events:
			return 1
		}
		return b.Number - a.Number // alike: the lower number
	})
	h := Halves{places: fresh.Places, numbers: map[string]int{}}
	for number := range fresh.roles {
		if fresh.active(number) && !slices.ContainsFunc(all, func(d device) bool { return d.Number == number }) {
			h.Awaited++
		}
	}
	for _, d := range all {
		switch {
		case d.Array != fresh.Array:
			return Halves{}, fmt.Errorf("mirror: %s is of array %s, and %s of array %s", fresh.path, fresh.Array, d.path, d.Array)
		case d.path == fresh.path, d.Events+1 >= fresh.Events && fresh.active(d.Number) && d.active(fresh.Number):
			h.Current = append(h.Current, d.path)
		case d.active(fresh.Number):
			h.Stale = append(h.Stale, d.path)
			h.numbers[d.path] = d.place(d.Number)
		default:
			h.Apart = append(h.Apart, d.path)
		}
	}
	return h, nil
}
