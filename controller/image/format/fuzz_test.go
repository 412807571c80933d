package format

import (
	"testing"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// holds looks at data as an upload does: whatever it is, the answer is a size
// that a disk can have, or a reason for the client.
func holds(t *testing.T, declared string, data []byte) {
	t.Helper()
	size, err := whole(declared, data)
	if err == nil && (size < 0 || size > maxVirtualSize) {
		t.Errorf("size %d", size)
	}
	if err != nil && cloud.KindOf(err) != cloud.KindBadRequest {
		t.Errorf("%v is not for the client", err)
	}
}

// fuzz begins with good images of a format.
func fuzz(f *testing.F, declared string, seeds ...[]byte) {
	f.Helper()
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) { holds(t, declared, data) })
}

func FuzzQCOW2(f *testing.F) { fuzz(f, "qcow2", header(func([]byte) {})) }

func FuzzVMDK(f *testing.F) {
	fuzz(f, "vmdk", vmdk(goodVMDK, func([]byte) {}), []byte("# x\nversion=1\nRW 1 FLAT \"/a\" 0\n"))
}

func FuzzVDI(f *testing.F) { fuzz(f, "vdi", vdi(func([]byte) {})) }

func FuzzVHD(f *testing.F) { fuzz(f, "vhd", vhd(func(_, _ []byte) {})) }

func FuzzVHDX(f *testing.F) { fuzz(f, "vhdx", vhdx(0, func([]byte) {})) }

func FuzzISO(f *testing.F) {
	fuzz(f, "iso", iso(false, func([]byte) {}), iso(true, func([]byte) {}))
}

func FuzzOVA(f *testing.F) {
	fuzz(f, "ova", archive(member{name: "a.ovf", data: ovf("d.vmdk")}, member{name: "d.vmdk", data: string(vmdk(goodVMDK, func([]byte) {}))}))
}

func FuzzRaw(f *testing.F) { fuzz(f, "raw", iso(true, func([]byte) {}), vhd(func(_, _ []byte) {})) }

// FuzzWhole says of anything that it is anything.
func FuzzWhole(f *testing.F) {
	f.Add("docker", archive(member{name: "manifest.json"}))
	f.Add("tree", []byte{0x28, 0xb5, 0x2f, 0xfd})
	f.Add("qcow2", []byte("QFI\xfb"))
	f.Fuzz(holds)
}
