package hardening

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// machine makes the part of proc and sys that checks of guests read. A process
// has the files status, cmdline and attr/current.
func machine(t *testing.T, files map[string]string) *Target {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return &Target{Root: root}
}

// A QEMU that libvirt only asks for its abilities has no guest to confine.
func TestGuestsAreToldFromQuestions(t *testing.T) {
	const name = "Name:\tqemu-system-x86\n"
	target := machine(t, map[string]string{
		"proc/10/status":  name + "Pid:\t10\nUid:\t64055\t64055\nCapEff:\t0000000000000000\nSeccomp:\t2\n",
		"proc/10/cmdline": "/usr/bin/qemu-system-x86_64\x00-name\x00guest=none,debug-threads=on\x00-machine\x00pc,usb=off\x00",
		"proc/11/status":  name + "Pid:\t11\nUid:\t0\t0\n",
		"proc/11/cmdline": "/usr/bin/qemu-system-x86_64\x00-S\x00-machine\x00none,accel=kvm:tcg\x00",
		"proc/12/status":  name + "Pid:\t12\nUid:\t0\t0\nCapEff:\t000001ffffffffff\nSeccomp:\t0\n",
		"proc/12/cmdline": "/usr/bin/qemu-system-x86_64\x00-machine\x00pc\x00",
	})
	got := map[string]bool{}
	for _, f := range checkGuests(t.Context(), target) {
		got[f.Item] = f.OK
	}
	if d := cmp.Diff(map[string]bool{"guest process 10": true, "guest process 12": false}, got); d != "" {
		t.Error(d)
	}
}

// Guests without a profile of their own are named, containers too.
func TestAuditNamesUnconfinedGuests(t *testing.T) {
	const own = "libvirt-11111111-2222-4333-8444-555555555555 (enforce)\n"
	files := map[string]string{
		"sys/kernel/security/apparmor/profiles": "libvirtd (enforce)\nlibvirtd//qemu_bridge_helper (enforce)\n" +
			"virt-aa-helper (complain)\nchronyd (unconfined)\n",
		"proc/30/status": "Name:\tlibvirt_lxc\nPid:\t30\nPPid:\t1\n", "proc/30/attr/current": "unconfined\n",
	}
	for pid, p := range map[string][3]string{
		"20": {"qemu-system-x86", "1", own},
		"21": {"qemu-system-x86", "1", "unconfined\n"},
		"22": {"qemu-system-x86", "1", "libvirtd (enforce)\n"},
		"31": {"init", "30", own},
		"32": {"init", "30", "libvirt-11111111-2222-4333-8444-555555555555 (complain)\n"},
		"33": {"sh", "31", "unconfined\n"}, // what a container started is the container's
	} {
		files["proc/"+pid+"/status"] = "Name:\t" + p[0] + "\nPid:\t" + pid + "\nPPid:\t" + p[1] + "\n"
		files["proc/"+pid+"/cmdline"] = p[0] + "\x00"
		files["proc/"+pid+"/attr/current"] = p[2]
	}
	target := machine(t, files)
	got := map[string]string{}
	for _, f := range slices.Concat(checkProfiles(t.Context(), target), checkLabels(t.Context(), target)) {
		if !f.OK {
			got[f.Item] = f.Found
		}
	}
	want := map[string]string{
		"profile virt-aa-helper":             "complain",
		"other profiles":                     "chronyd (unconfined)",
		"guest process 21 (qemu-system-x86)": "unconfined",
		"guest process 22 (qemu-system-x86)": "libvirtd (enforce)",
		"guest process 32 (init)":            "libvirt-11111111-2222-4333-8444-555555555555 (complain)",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("bad findings (-want +got), of %v:\n%s", slices.Sorted(maps.Keys(files)), d)
	}
}

func TestAuditMissesProfiles(t *testing.T) {
	target := machine(t, map[string]string{"sys/kernel/security/apparmor/profiles": ""})
	for i, f := range checkProfiles(t.Context(), target) {
		if want := i == len(confined); f.OK != want {
			t.Errorf("%s: found %s, ok %v, want %v", f.Item, f.Found, f.OK, want)
		}
	}
	if got := checkProfiles(t.Context(), machine(t, nil)); len(got) != 1 || got[0].OK {
		t.Errorf("a kernel without AppArmor passed: %v", got)
	}
}
