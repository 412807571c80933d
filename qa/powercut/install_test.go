package powercut

import (
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// A trial is a recorded installation.
type trial struct {
	release
	dir   string
	rack  string // rack.yaml
	discs []string
	log   *Log
	base  *os.File // the disk before it; nil: blank
	judge *judge
	ready int // entries until the footer is there
}

// record installs a machine whose disk holds what the file before has (empty:
// nothing), until its system runs.
func record(t *testing.T, b release, rack, before string) *trial {
	t.Helper()
	tr := &trial{release: b, dir: t.TempDir(), rack: rack, discs: []string{b.iso, conf(t, rack)}}
	file := filepath.Join(tr.dir, "disk.img")
	if before != "" {
		copyDisk(t, before, file)
		f, err := os.Open(before)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		tr.base = f
	}
	c := powered(t, setup{dir: filepath.Join(tr.dir, "recorded"), firmware: machine.BIOS, disk: file,
		record: filepath.Join(tr.dir, "record"), discs: tr.discs})
	if got := c.outcome(t); got != ends {
		t.Fatalf("an installation that nobody disturbs %s:\n%s", got, c.tail())
	}
	c.off(t)
	var err error
	if tr.log, err = Open(filepath.Join(tr.dir, "record")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.log.Close() })
	parsed, err := plan.ParseRack([]byte(rack))
	if err != nil {
		t.Fatal(err)
	}
	tr.judge = &judge{keys: []ed25519.PublicKey{b.publicKey(t)}, rack: parsed}
	tr.ready = tr.judge.footerAt(t, tr.log, size)
	for tr.ready < len(tr.log.Entries) && tr.log.Entries[tr.ready].Kind != Flush {
		tr.ready++
	}
	s, err := tr.log.Play(size, tr.base).Cut(tr.ready+1, Lost, nil)
	if err != nil {
		t.Fatal(err)
	}
	tr.judge.learn(t, s)
	t.Logf("recorded %d requests, %d of them until the disk boots", len(tr.log.Entries), tr.ready)
	return tr
}

// size of the disk in bytes.
const size = diskGiB << 30

func copyDisk(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "--sparse=always", "--reflink=auto", from, to).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
}

// seed is where the dice begin; CAIRN_SEED repeats a run.
func seed(t *testing.T) uint64 {
	t.Helper()
	if s := os.Getenv("CAIRN_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	n := rand.Uint64N(1 << 32)
	t.Logf("CAIRN_SEED=%d", n)
	return n
}

// everyCut judges the disk after a cut behind each request until the disk
// boots, and behind some of those of the system's first minute.
func (tr *trial) everyCut(t *testing.T) {
	dice := rand.New(rand.NewPCG(seed(t), 1))
	player, scratch := tr.log.Play(size, tr.base), t.TempDir()
	judged, booting := 0, 0
	for n := 0; n <= len(tr.log.Entries); n++ {
		inside := n > tr.ready+1
		if inside && dice.IntN(40) != 0 {
			continue
		}
		if err := player.Advance(n); err != nil {
			t.Fatal(err)
		}
		for _, luck := range lucks(player) {
			s, err := player.Cut(n, luck, dice)
			if err != nil {
				t.Fatal(err)
			}
			v := tr.judge.of(s, scratch, inside)
			judged++
			if v.boots {
				booting++
			}
			if f := v.fault(); f != "" {
				t.Errorf("cut behind request %d of %d (%s), %d writes not flushed and %s: %s", n, len(tr.log.Entries), tr.what(n), player.Pending(), luck, f)
			}
		}
	}
	t.Logf("judged %d disks, of which %d boot", judged, booting)
}

// lucks are the fates to judge at one moment: few writes that are at stake can
// be torn in many ways, and cost little to judge.
func lucks(p *Player) []Luck {
	switch n := p.Pending(); {
	case n == 0:
		return []Luck{Lost}
	case n <= 3:
		return append(Lucks(), slices.Repeat([]Luck{Random}, 20)...)
	}
	return Lucks()
}

// what names the last request before a cut.
func (tr *trial) what(n int) string {
	if n == 0 {
		return "none"
	}
	e := tr.log.Entries[n-1]
	for _, p := range plan.Layout(size) {
		if e.At >= p.Start && e.At < p.Start+p.Size {
			return fmt.Sprintf("%s of %d bytes at %s+%d", e.Kind, e.Size, p.Label, e.At-p.Start)
		}
	}
	return fmt.Sprintf("%s of %d bytes at %d", e.Kind, e.Size, e.At)
}

// points draws cuts for real machines: by requests and by bytes in turn, so
// that small requests and long phases both get theirs, until shortly after
// the disk boots.
func (tr *trial) points(count int, dice *rand.Rand) []int {
	last := min(tr.ready+30, len(tr.log.Entries))
	var total int64
	for _, e := range tr.log.Entries[:last] {
		if e.Kind == Write { // a discard is not work
			total += e.Size
		}
	}
	var out []int
	for i := range count {
		if i%2 == 0 {
			out = append(out, dice.IntN(last+1))
			continue
		}
		left, n := dice.Int64N(total), 0
		for ; n < last && left > 0; n++ {
			if tr.log.Entries[n].Kind == Write {
				left -= tr.log.Entries[n].Size
			}
		}
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// realCut boots what a cut leaves: alone, then with the medium.
func (tr *trial) realCut(t *testing.T, s *State, v verdict, fw machine.Firmware) {
	dir := t.TempDir()
	file := filepath.Join(dir, "disk.img")
	if err := s.Save(file, 0, s.Size); err != nil {
		t.Fatal(err)
	}
	alone := powered(t, setup{dir: filepath.Join(dir, "alone"), firmware: fw, disk: file})
	got := alone.outcome(t)
	alone.off(t)
	t.Logf("from its disk alone the machine %s", got)
	if (got == ends) != v.boots {
		t.Errorf("from its disk alone the machine %s, but a disk that boots is %t:\n%s", got, v.boots, alone.tail())
	}
	second := powered(t, setup{dir: filepath.Join(dir, "second"), firmware: fw, disk: file, discs: tr.discs})
	if got := second.outcome(t); got != ends {
		t.Errorf("with the medium the machine %s:\n%s", got, second.tail())
	}
	second.off(t)
}

// realCuts is how many cuts are booted for real; CAIRN_CUTS changes it.
func realCuts(t *testing.T) int {
	t.Helper()
	if s := os.Getenv("CAIRN_CUTS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return 4
}

// TestPowerCutWhileInstalling cuts the power of a machine that is installed
// on a blank disk.
func TestPowerCutWhileInstalling(t *testing.T) {
	tr := record(t, released(t), rackYAML(""), "")
	t.Run("every moment", tr.everyCut)
	dice := rand.New(rand.NewPCG(seed(t), 2))
	player, firmwares := tr.log.Play(size, nil), []machine.Firmware{machine.BIOS, machine.UEFI}
	for i, n := range tr.points(realCuts(t), dice) {
		fw := firmwares[i%2]
		t.Run(fmt.Sprintf("machine/%d-%s", n, fw), func(t *testing.T) {
			s, err := player.Cut(n, Random, dice)
			if err != nil {
				t.Fatal(err)
			}
			v := tr.judge.of(s, t.TempDir(), n > tr.ready+1)
			t.Logf("cut behind request %d (%s), %d writes at stake: a disk that boots: %t", n, tr.what(n), player.Pending(), v.boots)
			tr.realCut(t, s, v, fw)
		})
	}
}

// TestPowerCutWhileInstallingAgain cuts it while an earlier installation is
// wiped.
func TestPowerCutWhileInstallingAgain(t *testing.T) {
	b := released(t)
	old := record(t, b, rackYAML(""), "")
	tr := record(t, b, rackYAML("rules: [{roles: [controller], match: {local: true}, disk: {wipe: cairn}}]\n"), filepath.Join(old.dir, "disk.img"))
	tr.judge.before = old.judge
	tr.everyCut(t)
}
