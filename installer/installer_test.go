package installer

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/initrd"
	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/slot"
	"github.com/cairn-cloud/cairn/node/spec"
)

func TestFailureBlockIsForPeople(t *testing.T) {
	err := fmt.Errorf("while planning: %w", &plan.Refusal{
		Reason: "/dev/vda (20.0 GiB) holds data that rule \"compute\" does not allow to wipe: ext file system \"home\"",
		Remedy: "Set disk.wipe: always in that rule if all of it may be lost, or choose another disk"})
	want := `
============================================================================
  CAIRN CANNOT GO ON

  while   deciding what to do
  reason  /dev/vda (20.0 GiB) holds data that rule "compute" does not
          allow to wipe: ext file system "home"
  remedy  Set disk.wipe: always in that rule if all of it may be lost, or
          choose another disk

  The machine waits.
============================================================================`
	if d := cmp.Diff(want, failureBlock("deciding what to do", err, "The machine waits.")); d != "" {
		t.Error(d)
	}
}

func TestEveryFailureHasARemedy(t *testing.T) {
	for _, err := range []error{nil, errors.New("x"), slot.ErrNone, &slot.ManyError{}, os.ErrNotExist} {
		if reason, remedy := explain(err); reason == "" || remedy == "" {
			t.Errorf("%v: reason %q, remedy %q", err, reason, remedy)
		}
	}
}

func TestPhasesSpeakOnceASecond(t *testing.T) {
	var lines []string
	var reports []plan.Progress
	p := newPhases(func(f string, a ...any) { lines = append(lines, fmt.Sprintf(f, a...)) },
		func(r plan.Progress) { reports = append(reports, r) })
	now := time.Unix(0, 0)
	p.now = func() time.Time { return now }
	p.begin(phaseWrite, "version 1")
	for i := range 40 {
		now = now.Add(100 * time.Millisecond)
		p.move(int64(i+1)*10e6, 400e6)
	}
	p.begin(phaseVerify, "reading back")
	now = now.Add(2 * time.Second)
	want := []string{
		"write      version 1",
		"write      [######..................]  25%    100 of 400 MB   100.0 MB/s  ETA 3s",
		"write      [############............]  50%    200 of 400 MB   100.0 MB/s  ETA 2s",
		"write      [##################......]  75%    300 of 400 MB   100.0 MB/s  ETA 1s",
		"write      [########################] 100%    400 of 400 MB   100.0 MB/s  ETA 0s",
		"verify     reading back",
	}
	if d := cmp.Diff(want, lines); d != "" {
		t.Error(d)
	}
	if n := len(reports); n != 6 || reports[2].Done != 200e6 || reports[2].Total != 400e6 || reports[5].Phase != phaseVerify {
		t.Errorf("%d reports: %+v", n, reports)
	}
	table := `
phase          seconds        MB       MB/s
write              4.0       400      100.0
verify             2.0
total              6.0
`
	if d := cmp.Diff(table, p.table()); d != "" {
		t.Error(d)
	}
}

func TestKexecTakesTheLineOfTheBootLoaderAndOfThisMachine(t *testing.T) {
	dir := t.TempDir()
	cfg := "set timeout=1\nmenuentry 'Cairn' {\n  linux /vmlinuz console=tty0 console=ttyS0,115200 quiet $more\n  initrd /initramfs\n}\nmenuentry 'Other' {\n  linux /other\n}\n"
	file := filepath.Join(dir, "grub.cfg")
	if err := os.WriteFile(file, []byte(cfg), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := readEntry(file)
	if err != nil || e.kernel != "/vmlinuz" || e.initramfs != "/initramfs" {
		t.Fatalf("%+v, %v", e, err)
	}
	now := initrd.ParseParams("BOOT_IMAGE=/v initrd=initramfs cairn.mode=install cairn.ticket=secret cairn.disk=/dev/vda BOOTIF=01-52 ip=dhcp cairn.fail=poweroff console=ttyS0,115200 tsc=reliable")
	if d := cmp.Diff("console=tty0 console=ttyS0,115200 quiet cairn.fail=poweroff tsc=reliable", kexecLine(e.words, now)); d != "" {
		t.Error(d)
	}
	if err := os.WriteFile(file, []byte("nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readEntry(file); err == nil {
		t.Error("a menu without a kernel passed")
	}
}

// TestFirstIdentity founds a cluster and reads it as the boot does.
func TestFirstIdentity(t *testing.T) {
	raw := []byte("name: r1\nssh_keys: [ssh-ed25519 AAAA me]\n")
	rack, err := plan.ParseRack(raw)
	if err != nil {
		t.Fatal(err)
	}
	l := &local{rack: rack, rackRaw: raw}
	p := plan.Plan{HostName: "controller1", Roles: []spec.Role{spec.RoleController}, Version: "1", Management: "52:54:00:00:00:01"}
	id, err := l.Identity(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := id.write(root); err != nil {
		t.Fatal(err)
	}
	n, err := readNode(root)
	if err != nil {
		t.Fatal(err)
	}
	if n.Cluster != "r1" || n.Rack != string(raw) || n.Management.Address.String() != "10.20.0.11/24" || n.Controller.String() != "10.20.0.11" {
		t.Errorf("node manifest %+v", n)
	}
	for name, mode := range map[string]os.FileMode{"pki": 0o700, "pki/ca.crt": 0o644, "pki/ca.key": 0o600, "pki/node.crt": 0o644, "pki/node.key": 0o600, "node.json": 0o600, "rack.yaml": 0o600} {
		st, err := os.Stat(filepath.Join(root, spec.StateDir, name))
		if err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %v", name, st, err, mode)
		}
	}
}

func TestBootRefusesADiskWithoutNode(t *testing.T) {
	root := t.TempDir()
	var r *plan.Refusal
	if _, err := readNode(root); !errors.As(err, &r) {
		t.Errorf("got %v, want a refusal", err)
	}
	if err := os.MkdirAll(filepath.Join(root, spec.StateDir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, spec.NodeFile), []byte(`{"id":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readNode(root); err == nil {
		t.Error("half a manifest passed")
	}
}

func TestThePlanMustBeOfThisMachine(t *testing.T) {
	inv := plan.Inventory{Disks: []plan.Disk{{Path: "/dev/sda", Size: 9, Medium: true}, {Path: "/dev/vda", Size: 20, Serial: "a"}}}
	for name, c := range map[string]struct {
		disk plan.Disk
		ok   bool
	}{
		"same":          {plan.Disk{Path: "/dev/vda", Size: 20, Serial: "a"}, true},
		"other size":    {plan.Disk{Path: "/dev/vda", Size: 21, Serial: "a"}, false},
		"other serial":  {plan.Disk{Path: "/dev/vda", Size: 20, Serial: "b"}, false},
		"none":          {plan.Disk{Path: "/dev/vdb", Size: 20}, false},
		"the medium":    {plan.Disk{Path: "/dev/sda", Size: 9}, false},
		"no disk named": {plan.Disk{}, false},
	} {
		if err := stillSame(inv, plan.Plan{Disk: c.disk}); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	inv.Disks = append(inv.Disks, plan.Disk{Path: "/dev/vdb", Size: 20}, plan.Disk{Path: "/dev/vdc", Size: 5})
	a, b, c := inv.Disks[1], inv.Disks[2], inv.Disks[3]
	for want, p := range map[string]plan.Plan{
		"": {Disk: a, Mirror: &b, Data: []plan.DataDisk{{Disk: c}}},
		"the plan has disk /dev/vda (0.0 GiB, serial a) twice":                  {Disk: a, Mirror: &a},
		"the plan has disk /dev/vdb (0.0 GiB) twice":                            {Disk: a, Mirror: &b, Data: []plan.DataDisk{{Disk: b}}},
		"the plan is for disk /dev/vdd (0.0 GiB), which is not in this machine": {Disk: a, Data: []plan.DataDisk{{Disk: plan.Disk{Path: "/dev/vdd"}}}},
	} {
		if err := stillSame(inv, p); err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestCopyTreeKeepsModesTimesAndLinks(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	when := time.Unix(1700000000, 0)
	must := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(filepath.Join(from, "lib"), 0o750),
		os.WriteFile(filepath.Join(from, "lib/secret"), []byte("x"), 0o600),
		os.Chmod(filepath.Join(from, "lib/secret"), 0o640|os.ModeSetgid),
		os.Symlink("lib/secret", filepath.Join(from, "link")),
		os.Mkdir(filepath.Join(from, "sticky"), 0o777), os.Chmod(filepath.Join(from, "sticky"), 0o777|os.ModeSticky),
		os.Chtimes(filepath.Join(from, "lib/secret"), when, when), os.Chtimes(filepath.Join(from, "lib"), when, when),
		os.Mkdir(filepath.Join(to, "lib"), 0o700)) // there already
	if os.Geteuid() == 0 {
		must(os.Lchown(filepath.Join(from, "lib/secret"), 123, 456), os.Chmod(filepath.Join(from, "lib/secret"), 0o640|os.ModeSetgid),
			os.Chtimes(filepath.Join(from, "lib/secret"), when, when))
	}
	must(os.MkdirAll(filepath.Join(from, "lib/mysql/x"), 0o755), os.Chtimes(filepath.Join(from, "lib"), when, when))
	must(copyTree(from, to, "lib/mysql"))
	if _, err := os.Lstat(filepath.Join(to, "lib/mysql")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was to be skipped is there: %v", err)
	}
	for _, name := range []string{"lib/secret", "link", "sticky", "lib"} {
		a, b := lstat(t, filepath.Join(from, name)), lstat(t, filepath.Join(to, name))
		if a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid || a.Size != b.Size && name == "lib/secret" {
			t.Errorf("%s: %o %d:%d became %o %d:%d", name, a.Mode, a.Uid, a.Gid, b.Mode, b.Uid, b.Gid)
		}
	}
	if got := lstat(t, filepath.Join(to, "lib/secret")).Mtim.Sec; got != when.Unix() {
		t.Errorf("the time became %d", got)
	}
}

func lstat(t *testing.T, path string) syscall.Stat_t {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st
}

func TestInstallCommandPrintsAPlan(t *testing.T) {
	dir := t.TempDir()
	rack, inv := filepath.Join(dir, "rack.yaml"), filepath.Join(dir, "inv.json")
	b, err := json.Marshal(plan.Inventory{Machine: "m", NICs: []plan.NIC{{Name: "eth0", MAC: "52:54:00:00:00:01", Link: true}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(rack, []byte("name: x\n"), 0o600), os.WriteFile(inv, b, 0o600)); err != nil {
		t.Fatal(err)
	}
	c := Command{Rack: rack, Inventory: inv}
	if err := c.Run(t.Context(), nil); err == nil || !strings.HasPrefix(err.Error(), "the machine has no disk. ") {
		t.Errorf("got %v", err)
	}
}
