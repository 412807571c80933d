package slot

import (
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// ErrNone means that there is no installation to boot.
var ErrNone = errors.New("no disk holds an installation of Cairn")

// A ManyError means that several disks hold one, and nothing says which is
// meant.
type ManyError struct{ Found []Installation }

func (e *ManyError) Error() string {
	var words []string
	for _, in := range e.Found {
		words = append(words, in.Disk+" ("+in.ID+")")
	}
	return fmt.Sprintf("%d disks hold an installation of Cairn: %s", len(e.Found), strings.Join(words, ", "))
}

// Pick takes the one installation, or the one that named says (a device path
// or a disk GUID).
func Pick(found []Installation, named string) (Installation, error) {
	if named != "" {
		for _, in := range found {
			is := func(in Installation) bool { return in.Disk == named || strings.EqualFold(in.ID, named) }
			if in, ok := in.first(is); ok {
				return in, nil
			}
		}
		return Installation{}, fmt.Errorf("%w on %s, which %s names", ErrNone, named, plan.ParamDisk)
	}
	switch len(found) {
	case 0:
		return Installation{}, ErrNone
	case 1:
		return found[0], nil
	default:
		return Installation{}, &ManyError{found}
	}
}

// Choose lists the slots to boot, best first: the one that want says ("a" or
// "b"), or every valid one by its version, newest first, A before B where both
// are alike, and those of its own disk before those of its twins. An error
// tells what is wrong with every slot.
func (in *Installation) Choose(want string, keys []ed25519.PublicKey) ([]Slot, error) {
	labels := []string{plan.LabelSlotA, plan.LabelSlotB}
	if want != "" {
		labels = []string{"cairn-" + strings.ToLower(want)}
		if in.Parts[labels[0]] == "" {
			return nil, fmt.Errorf("%s is %q; allowed: a, b", plan.ParamSlot, want)
		}
	}
	var good []Slot
	var errs []error
	for _, disk := range append([]Installation{*in}, in.Twins...) {
		for _, label := range labels {
			s, err := Read(label, disk.Parts[label], keys)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			s.Disk = disk.Disk
			good = append(good, s)
		}
	}
	if len(good) == 0 {
		return nil, fmt.Errorf("no slot of %s can be booted: %w", in.Disk, errors.Join(errs...))
	}
	slices.SortStableFunc(good, func(a, b Slot) int { return CompareVersions(b.Manifest.Version, a.Manifest.Version) })
	return good, nil
}

// CompareVersions orders versions: runs of digits as numbers, the rest as
// text.
func CompareVersions(a, b string) int {
	for a != "" && b != "" {
		wordA, restA := run(a)
		wordB, restB := run(b)
		numA, errA := strconv.ParseUint(wordA, 10, 64)
		numB, errB := strconv.ParseUint(wordB, 10, 64)
		c := cmp.Compare(wordA, wordB)
		if errA == nil && errB == nil {
			c = cmp.Compare(numA, numB)
		}
		if c != 0 {
			return c
		}
		a, b = restA, restB
	}
	return cmp.Compare(len(a), len(b))
}

// run cuts the leading run of digits, or of anything else, off.
func run(s string) (head, rest string) {
	digit := unicode.IsDigit(rune(s[0]))
	i := strings.IndexFunc(s, func(r rune) bool { return unicode.IsDigit(r) != digit })
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i:]
}
