package operate

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/pxe/fleet"
)

func now() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func machines() []fleet.Machine {
	since := now().Add(-75 * time.Second)
	return []fleet.Machine{
		{ID: "a", Name: "compute10", State: fleet.Ready, Address: netip.MustParseAddr("10.20.0.110"), Since: since},
		{ID: "b", Name: "compute2", State: fleet.Installing, Since: since, Progress: &fleet.Progress{
			Progress: plan.Progress{Phase: "write", Done: 120e6, Total: 300e6}, Rate: 43.2, ETA: 5}, Traffic: &fleet.Traffic{Deployer: 41e6, Peers: 79e6}},
		{ID: "c", MACs: []string{"52:54:00:00:00:07"}, State: fleet.Failed, Since: since, Reason: "the disk is too small. Put in a disk of 12 GiB or more."},
		{ID: "d", Name: "compute1", State: fleet.Matched, Since: since, Wait: "fabric: waiting for a round to start"},
	}
}

func TestTable(t *testing.T) {
	want := `machine            state        address          progress              deployer+peers
52:54:00:00:00:07  failed                        ....................                  for 1m15s
    the disk is too small. Put in a disk of 12 GiB or more.
compute1           matched                       #########...........                  for 1m15s
    fabric: waiting for a round to start
compute2           installing                    ########............  41+79 MB        write, 120 of 300 MB, 43 MB/s, 5s left
compute10          ready        10.20.0.110      ####################                  for 1m15s
`
	if d := cmp.Diff(want, Table(machines(), now(), 0)); d != "" {
		t.Error(d)
	}
	for _, line := range strings.Split(Table(machines(), now(), 40), "\n") {
		if len(line) > 40 {
			t.Errorf("%q is longer than the terminal", line)
		}
	}
	if got := Table(nil, now(), 0); !strings.Contains(got, "no machine has asked") {
		t.Error(got)
	}
}

// TestWatchSaysOnlyWhatChanged where there is no terminal.
func TestWatchSaysOnlyWhatChanged(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := screen{out: f}
	all := machines()
	s.show(all, now())
	all[3].Wait = "approval"
	s.show(all, now())
	s.show(all, now())
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	want := `12:00:00 compute10 ready
12:00:00 compute2 installing write
12:00:00 52:54:00:00:00:07 failed: the disk is too small. Put in a disk of 12 GiB or more.
12:00:00 compute1 matched: fabric: waiting for a round to start
12:00:00 compute1 matched: approval
`
	if d := cmp.Diff(want, string(b)); d != "" {
		t.Error(d)
	}
}
