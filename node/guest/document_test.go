package guest

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"libvirt.org/go/libvirtxml"
)

var update = flag.Bool("update", false, "write the golden files")

func TestDocuments(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	if err := os.MkdirAll(filepath.Join(root, "sbin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../usr/bin/init", filepath.Join(root, "sbin/init")); err != nil {
		t.Fatal(err)
	}
	g := Spec{
		ID: "11111111-2222-4333-8444-555555555555", Name: "<a>\n&\"b\"", VCPUs: 2, MemoryMiB: 512,
		Console: "/var/lib/cairn/guests/1/console.log",
		NICs:    []NIC{{Device: "tapaaaaaaaa-11", Bridge: "br-tenant", MAC: "fa:16:3e:00:00:01", MTU: 1450}},
	}
	boot := g
	boot.Disk = &Disk{Path: "/var/lib/cairn/guests/1/disk.qcow2", Format: "qcow2", Backing: "/var/lib/cairn/images/abc", BackingFormat: "raw"}
	direct := boot
	direct.Kernel, direct.Ramdisk = "/var/lib/cairn/guests/1/kernel", "/var/lib/cairn/guests/1/ramdisk"
	box := g
	box.Root, box.IDBase = root, 1_000_000
	lxc := func(s Spec) *libvirtxml.Domain {
		doc, err := lxcDomain(s)
		if err != nil {
			t.Fatal(err)
		}
		doc.Devices.Filesystems[0].Source.Mount.Dir = "/var/lib/cairn/guests/1/root"
		return doc
	}
	for name, doc := range map[string]*libvirtxml.Domain{
		"disk-kvm": qemuDomain(boot, true), "direct-tcg": qemuDomain(direct, false), "container": lxc(box),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := doc.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			file := "testdata/" + name + ".xml"
			if *update {
				if err := os.WriteFile(file, []byte(got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got+"\n"); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := lxcDomain(Spec{Root: t.TempDir()}); err == nil {
		t.Error("a tree without a first program was taken")
	}
}
