package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/cairn-cloud/cairn/node/host"
	"github.com/cairn-cloud/cairn/node/spec"
)

// tombstoneLife is how long the record of a guest that is gone is kept, so
// that a late message cannot bring it back.
const tombstoneLife = 7 * 24 * time.Hour

// Ids of container users: each container has a range of its own, so that none
// could touch the files of another.
const (
	firstID = 1_000_000
	idRange = 65_536
)

// A record is what the agent remembers of one guest, on disk.
type record struct {
	Desired   spec.Desired `json:"desired"`
	Boot      string       `json:"boot,omitempty"`    // start of the machine in which the guest last ran
	Started   int64        `json:"started,omitempty"` // generation for which it last ran
	Reboots   int          `json:"reboots"`           // requested reboots that are done
	Rebooting *rebooting   `json:"rebooting,omitempty"`
	IDBase    int          `json:"id_base"`
	Gone      bool         `json:"gone,omitempty"` // nothing is left
	GoneAt    time.Time    `json:"gone_at,omitzero"`
}

// A rebooting is a reboot under way: it is done when the guest runs and Run is
// another.
type rebooting struct {
	Count int   `json:"count"`
	Run   int64 `json:"run"`
}

// guestID is what may be the id of a guest, and with it a file's name.
var guestID = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z-]{0,63}$`)

// checkDesired tells why a document cannot be worked with.
func checkDesired(d spec.Desired) error {
	switch {
	case !guestID.MatchString(d.ID):
		return fmt.Errorf("desired state: id is %q; allowed: letters, digits and hyphens", d.ID)
	case d.Power != spec.PowerOn && d.Power != spec.PowerOff && d.Power != spec.PowerGone:
		return fmt.Errorf("desired state of %s: power is %q; allowed: %s, %s, %s", d.ID, d.Power, spec.PowerOn, spec.PowerOff, spec.PowerGone)
	}
	return nil
}

// A book keeps the records in one directory, a file each.
type book struct{ dir string }

func (b book) path(id string) string { return filepath.Join(b.dir, id+".json") }

func (b book) save(r *record) error { return host.WriteJSON(b.path(r.Desired.ID), r, 0o600) }

// load reads all records, and drops those of guests that are gone for long.
func (b book) load(now time.Time) ([]*record, error) {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return nil, fmt.Errorf("agent state: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(b.dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("agent state: %w", err)
	}
	var all []*record
	for _, f := range files {
		if strings.HasPrefix(filepath.Base(f), ".") {
			continue // left by a crash in the middle of writing
		}
		r := &record{}
		if err := host.ReadJSON(f, r); err != nil {
			return nil, fmt.Errorf("agent state: %w", err)
		}
		if r.Gone && now.Sub(r.GoneAt) > tombstoneLife {
			if err := os.Remove(f); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, fmt.Errorf("agent state: %w", err)
			}
			continue
		}
		all = append(all, r)
	}
	return all, nil
}

// freeIDBase returns the first range of ids that no record has.
func freeIDBase(all []*record) int {
	taken := map[int]bool{}
	for _, r := range all {
		if !r.Gone {
			taken[r.IDBase] = true
		}
	}
	base := firstID
	for taken[base] {
		base += idRange
	}
	return base
}
