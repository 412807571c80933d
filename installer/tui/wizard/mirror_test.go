package wizard

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/plan"
)

// TestDisksAreNamedSoThatOnlyTheyAreMeant: rack.yaml names what was chosen,
// and nothing else.
func TestDisksAreNamedSoThatOnlyTheyAreMeant(t *testing.T) {
	d := func(path, serial, model, bus string, gb int64) plan.Disk {
		return plan.Disk{Path: path, Serial: serial, Model: model, Bus: bus, Size: gb * 1e9}
	}
	for _, c := range []struct {
		what   string
		disks  []plan.Disk
		chosen string
		want   string
	}{
		{"by serial", []plan.Disk{d("/dev/sda", "a", "", "ata", 100), d("/dev/sdb", "b", "", "ata", 100)}, "/dev/sdb", "serial: b"},
		{"serial twice", []plan.Disk{d("/dev/sda", "a", "", "ata", 100), d("/dev/sdb", "a", "", "ata", 100)}, "/dev/sdb", "path: /dev/sdb"},
		{"no serial", []plan.Disk{d("/dev/sda", "", "", "ata", 100), d("/dev/sdb", "", "", "ata", 100)}, "/dev/sda", "path: /dev/sda"},
		{"odd serial", []plan.Disk{d("/dev/sda", "a\x1b[2J", "", "ata", 100)}, "/dev/sda", "path: /dev/sda"},
		{"both", []plan.Disk{d("/dev/sda", "a", "", "ata", 100), d("/dev/sdb", "b", "", "ata", 100)}, "/dev/sda /dev/sdb", "choose: first; mirror: true"},
		{"by bus", []plan.Disk{d("/dev/nvme0n1", "a", "", "nvme", 100), d("/dev/nvme1n1", "b", "", "nvme", 100), d("/dev/sda", "c", "", "ata", 100)},
			"/dev/nvme0n1 /dev/nvme1n1", "bus: nvme; choose: first; mirror: true"},
		{"by model", []plan.Disk{d("/dev/sda", "a", "Good One", "ata", 100), d("/dev/sdb", "b", "Good One", "ata", 100), d("/dev/sdc", "c", "Other", "ata", 100)},
			"/dev/sda /dev/sdb", `model: "Good One"; choose: first; mirror: true`},
		{"by size", []plan.Disk{d("/dev/sda", "a", "", "ata", 100), d("/dev/sdb", "b", "", "ata", 101), d("/dev/sdc", "c", "", "ata", 2000)},
			"/dev/sda /dev/sdb", "min_gib: 93; max_gib: 95; choose: first; mirror: true"},
	} {
		a := answers{disks: strings.Fields(c.chosen)}
		y := &yaml{}
		a.diskPart(y, plan.Inventory{Disks: c.disks})
		text := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(y.b.String(), "  disk:\n    "), "\n    wipe: never\n"), "\n    ", "; ")
		if diff := cmp.Diff(c.want, text); diff != "" {
			t.Errorf("%s: %s", c.what, diff)
		}
	}
}

// TestMirror goes the whole way with two disks that are alike.
func TestMirror(t *testing.T) {
	inv := server()
	s := newStage(t, inv)
	s.play("focus:found", "enter", "focus:next", "enter", "focus:next", "enter", "focus:disk /dev/nvme0n1", " ", "focus:disk /dev/nvme1n1", " ", "focus:next", "enter", "shot:names",
		"focus:next", "enter", "focus:next", "enter", "enter")
	rack, err := plan.ParseRack(s.answered().Rack)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.answered().Rack)
	}
	p, err := plan.Make(inv, rack, plan.Options{Version: "1", Local: true, Number: 1})
	if err != nil || p.Mirror == nil || p.Disk.Path != "/dev/nvme0n1" || p.Mirror.Path != "/dev/nvme1n1" {
		t.Errorf("the plan is %v, %v\n%s", p, err, s.answered().Rack)
	}
}

func TestSelectorsThatCannotTell(t *testing.T) {
	all := []plan.Disk{{Path: "/dev/sda", Size: 100e9}, {Path: "/dev/sdb", Size: 100e9}, {Path: "/dev/sdc", Size: 100e9}}
	if d := cmp.Diff([]string{"choose: first"}, selectors(all[1:], all)); d != "" {
		t.Error(d)
	}
}
