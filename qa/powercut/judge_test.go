package powercut

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/image-builder/manifest"
	"github.com/cairn-cloud/cairn/installer/disk"
	"github.com/cairn-cloud/cairn/installer/plan"
)

// A verdict is what a machine would do with a disk.
type verdict struct {
	boots bool   // a slot's footer has the right signature: the disk boots by itself
	old   bool   // the installation of before, and all of it
	whole error  // what a booting machine would lack; nil: nothing
	again string // what the installer does with the disk: installs, boots, or the refusal
}

// What the installer does with a disk that it finds.
const (
	installs = "installs"
	boots    = "boots the disk"
)

// fault is what must not be, or empty.
func (v verdict) fault() string {
	switch {
	case v.boots && v.old:
		if v.again == installs {
			return ""
		}
		return "the old installation is not installed over: " + v.again
	case v.boots && v.whole != nil:
		return fmt.Sprintf("a half-installed machine boots: %v", v.whole)
	case v.boots && v.again != boots:
		return "a complete machine is not recognised by its medium: " + v.again
	case !v.boots && v.again != installs:
		return "there is no second try: " + v.again
	}
	return ""
}

// A judge knows what a complete installation looks like, and asks the
// installer's own code about disks.
type judge struct {
	keys []ed25519.PublicKey
	rack *plan.Rack

	before *judge // of the installation that was there; nil: none

	release   *manifest.Manifest
	parts     map[string]plan.Partition
	stamp     string
	bootCode  []byte            // of the MBR
	bootStage []byte            // of the BIOS boot partition
	files     map[string]string // on the data partition: path to digest
}

// stageSize is more than GRUB's core.img has, in bytes.
const stageSize = 512 << 10

// learn takes a state that is known to be complete for the model of all.
func (j *judge) learn(t *testing.T, s *State) {
	t.Helper()
	c := disk.Look(s, s.Size)
	if c.Installed == "" || c.Unfinished || c.Stamp == "" {
		t.Fatalf("the installation that everything is compared with is %+v", c)
	}
	j.stamp, j.parts = c.Stamp, map[string]plan.Partition{}
	for _, p := range plan.Layout(s.Size) {
		j.parts[p.Label] = p
	}
	if j.release = j.slot(s, plan.LabelSlotA); j.release == nil {
		t.Fatal("the installation that everything is compared with has no footer")
	}
	j.bootCode, j.bootStage = j.stages(s)
	var err error
	if j.files, err = j.tree(s, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if j.files["lib/cairn/node.json"] == "" {
		t.Fatalf("no node manifest among the %d files of the data partition", len(j.files))
	}
}

// of judges a disk. inside says whether its own system has been running: then
// only what the installer wrote is compared, not all of /var.
func (j *judge) of(s *State, scratch string, inside bool) verdict {
	c := disk.Look(s, s.Size)
	v := verdict{again: j.again(s, c)}
	for _, label := range []string{plan.LabelSlotA, plan.LabelSlotB} {
		v.boots = v.boots || j.slot(s, label) != nil
	}
	if v.boots && j.before != nil {
		v.old = errors.Join(j.before.chunks(s, plan.LabelSlotA, manifest.Root), j.before.chunks(s, plan.LabelESP, manifest.ESP),
			j.before.code(s), j.before.data(s, scratch, true)) == nil
	}
	if v.boots && !v.old {
		v.whole = errors.Join(j.chunks(s, plan.LabelSlotA, manifest.Root), j.chunks(s, plan.LabelESP, manifest.ESP),
			j.code(s), j.data(s, scratch, inside))
	}
	return v
}

// again is what a second try makes of the disk (package installer: job.run).
func (j *judge) again(s *State, c disk.Contents) string {
	if c.Stamp == j.stamp && !c.Unfinished {
		return boots
	}
	inv := plan.Inventory{Machine: machineID, Firmware: "bios", CPUs: 2, MemoryMiB: 1024, Disks: []plan.Disk{{
		Path: "/dev/vda", Size: s.Size, Serial: "disk0", Bus: "virtio",
		Contents: c.Words, Installed: c.Installed, Unfinished: c.Unfinished, Stamp: c.Stamp,
	}}}
	for i, mac := range macs() {
		inv.NICs = append(inv.NICs, plan.NIC{Name: fmt.Sprintf("eth%d", i), MAC: mac, Link: true})
	}
	if _, err := plan.Make(inv, j.rack, plan.Options{Local: true, Number: 1}); err != nil {
		return err.Error()
	}
	return installs
}

// slot is what a boot would find in a slot; nil: nothing that it trusts.
func (j *judge) slot(s *State, label string) *manifest.Manifest {
	table, err := disk.ReadTable(s, s.Size)
	if err != nil {
		return nil
	}
	for _, e := range table.Entries {
		if e.Name != label || e.Size < manifest.FooterSize || e.Start+e.Size > s.Size {
			continue
		}
		b := make([]byte, manifest.FooterSize)
		if _, err := s.ReadAt(b, e.Start+e.Size-manifest.FooterSize); err != nil {
			return nil
		}
		raw, sig, err := manifest.ReadFooter(b)
		if err != nil {
			return nil
		}
		m, err := manifest.Open(raw, sig, j.keys)
		if err != nil {
			return nil
		}
		return m
	}
	return nil
}

// chunks checks a partition against the release.
func (j *judge) chunks(s *State, label, name string) error {
	f, err := j.release.File(name)
	if err != nil {
		return err
	}
	buf := make([]byte, manifest.ChunkSize)
	for i := range f.Chunks {
		b := buf[:f.ChunkLen(i)]
		if _, err := s.ReadAt(b, j.parts[label].Start+int64(i)*manifest.ChunkSize); err != nil {
			return err
		}
		if err := f.CheckChunk(i, b); err != nil {
			return err
		}
	}
	return nil
}

func (j *judge) stages(s *State) (code, stage []byte) {
	code, stage = make([]byte, 440), make([]byte, stageSize)
	for b, at := range map[*[]byte]int64{&code: 0, &stage: j.parts[plan.LabelBIOS].Start} {
		if _, err := s.ReadAt(*b, at); err != nil {
			clear(*b)
		}
	}
	return code, stage
}

func (j *judge) code(s *State) error {
	code, stage := j.stages(s)
	if !bytes.Equal(code, j.bootCode) || !bytes.Equal(stage, j.bootStage) {
		return errors.New("the boot code is not complete")
	}
	return nil
}

// data checks the data partition after the repair that a boot would make.
func (j *judge) data(s *State, scratch string, inside bool) error {
	got, err := j.tree(s, scratch)
	if err != nil {
		return err
	}
	want := maps.Clone(j.files)
	if inside {
		ours := func(path, _ string) bool {
			return !strings.HasPrefix(path, "lib/cairn/pki/") && !strings.HasPrefix(path, "lib/cairn/release/") &&
				path != "lib/cairn/node.json" && path != "lib/cairn/rack.yaml"
		}
		maps.DeleteFunc(want, ours)
		maps.DeleteFunc(got, func(path, _ string) bool { return want[path] == "" })
	}
	var wrong []string
	for path := range maps.Keys(want) {
		if got[path] != want[path] {
			wrong = append(wrong, path)
		}
	}
	if len(wrong) > 0 || len(got) != len(want) {
		slices.Sort(wrong)
		return fmt.Errorf("the data partition has %d files and should have %d; these are wrong or missing: %q", len(got), len(want), wrong[:min(5, len(wrong))])
	}
	return nil
}

// tree lists the files of the data partition with the digests of what is in
// them, and leaves nothing in scratch.
func (j *judge) tree(s *State, scratch string) (map[string]string, error) {
	dir, err := os.MkdirTemp(scratch, "data")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	image, files := filepath.Join(dir, "image"), filepath.Join(dir, "files")
	p := j.parts[plan.LabelData]
	if err := errors.Join(s.Save(image, p.Start, p.Size), os.Mkdir(files, 0o700)); err != nil {
		return nil, err
	}
	var exit *exec.ExitError
	out, err := exec.Command("e2fsck", "-p", image).CombinedOutput()
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() > 1) {
		return nil, fmt.Errorf("the file system of the data partition is damaged: %s", out)
	}
	if out, err := exec.Command("debugfs", "-R", "rdump / "+files, image).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("debugfs: %w: %s", err, out)
	}
	return digests(files)
}

func digests(dir string) (map[string]string, error) {
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		sum := sha256.Sum256(b)
		out[rel] = hex.EncodeToString(sum[:])
		return err
	})
	return out, err
}

// footerAt is the first entry after which the disk boots, if all is kept.
func (j *judge) footerAt(t *testing.T, l *Log, size int64) int {
	t.Helper()
	part := plan.Layout(size)[2]
	at := part.Start + part.Size - manifest.FooterSize
	i := slices.IndexFunc(l.Entries, func(e Entry) bool {
		head := make([]byte, 10)
		if e.Kind != Write || e.At != at {
			return false
		}
		_, err := l.file.ReadAt(head, e.data)
		return err == nil && string(head) == "CAIRN-SLOT"
	})
	if i < 0 {
		t.Fatal("nobody wrote a footer")
	}
	return i
}
