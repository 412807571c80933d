package format

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// whole looks at an image as an upload does.
func whole(declared string, data []byte) (int64, error) {
	size, err := Check(declared, data[:min(len(data), HeadSize)])
	if err != nil {
		return 0, err
	}
	rest, err := Inspect(declared, bytes.NewReader(data), int64(len(data)))
	return max(size, rest), err
}

// vmdk makes the head of a sparse VMDK of 1 GiB with a descriptor.
func vmdk(descriptor string, change func(h []byte)) []byte {
	h := make([]byte, 21*sector)
	copy(h, "KDMV")
	binary.LittleEndian.PutUint32(h[vmdkVersion:], 1)
	binary.LittleEndian.PutUint64(h[vmdkCapacity:], 1<<30/sector)
	binary.LittleEndian.PutUint64(h[vmdkDescriptor:], 1)
	binary.LittleEndian.PutUint64(h[vmdkDescriptorSize:], 20)
	copy(h[sector:], descriptor)
	change(h)
	return h
}

const goodVMDK = "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"monolithicSparse\"\nRW 2097152 SPARSE \"a.vmdk\"\n"

// vhd makes a dynamic VHD of 1 GiB without blocks.
func vhd(change func(footer, header []byte)) []byte {
	footer, header := make([]byte, vhdFooter), make([]byte, vhdDynamic)
	copy(footer, "conectix")
	copy(header, "cxsparse")
	binary.BigEndian.PutUint32(footer[vhdVersion:], 0x10000)
	binary.BigEndian.PutUint64(footer[vhdNext:], vhdFooter)
	binary.BigEndian.PutUint64(footer[vhdSize:], 1<<30)
	binary.BigEndian.PutUint32(footer[vhdKind:], vhdGrowth)
	change(footer, header)
	binary.BigEndian.PutUint32(footer[vhdSum:], sumOf(footer))
	return bytes.Join([][]byte{footer, header, footer}, nil)
}

// vhdx makes the parts of a VHDX of 1 GiB that say what it is; flags are those
// of its file parameters.
func vhdx(flags byte, change func(b []byte)) []byte {
	b := make([]byte, 3<<20)
	copy(b, "vhdxfile")
	copy(b[vhdxHeader1:], "head")
	for _, at := range []int{vhdxRegions1, vhdxRegions2} {
		copy(b[at:], "regi")
		b[at+8] = 1
		copy(b[at+16:], guidMetadata)
		binary.LittleEndian.PutUint64(b[at+32:], 1<<20)
	}
	m := b[1<<20:]
	copy(m, "metadata")
	m[10] = 2
	copy(m[32:], guidParams)
	binary.LittleEndian.PutUint32(m[48:], 64<<10)
	copy(m[64:], guidSize)
	binary.LittleEndian.PutUint32(m[80:], 64<<10+8)
	m[64<<10+4] = flags
	binary.LittleEndian.PutUint64(m[64<<10+8:], 1<<30)
	change(b)
	return b
}

func vdi(change func(h []byte)) []byte {
	h := make([]byte, vdiHeader)
	copy(h[0x40:], "\x7f\x10\xda\xbe")
	binary.LittleEndian.PutUint32(h[vdiVersion:], 0x10001)
	binary.LittleEndian.PutUint32(h[vdiKind:], 1)
	binary.LittleEndian.PutUint32(h[vdiBlocks:], vdiHeader)
	binary.LittleEndian.PutUint32(h[vdiData:], 8<<10)
	binary.LittleEndian.PutUint32(h[vdiSector:], sector)
	binary.LittleEndian.PutUint32(h[vdiBlock:], 1<<20)
	binary.LittleEndian.PutUint32(h[vdiCount:], 1<<10)
	binary.LittleEndian.PutUint64(h[vdiSize:], 1<<30)
	h = append(h, make([]byte, 8<<10)...)
	change(h)
	return h
}

// A member is a file of an archive; kind 0 is a plain one.
type member struct {
	name, data string
	kind       byte
}

// archive makes a tar.
func archive(members ...member) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		if m.kind == 0 {
			m.kind = tar.TypeReg
		}
		h := &tar.Header{Name: m.name, Typeflag: m.kind, Size: int64(len(m.data)), Mode: 0o600, Format: tar.FormatUSTAR}
		if m.kind != tar.TypeReg {
			h.Size, h.Linkname = 0, m.data
		}
		if err := w.WriteHeader(h); err != nil {
			panic(err)
		}
		if h.Size > 0 {
			_, _ = w.Write([]byte(m.data)) // into memory
		}
	}
	_ = w.Close() // into memory
	return b.Bytes()
}

// ovf is a description that names files.
func ovf(names ...string) string {
	text := `<?xml version="1.0"?><Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"><References>`
	for _, n := range names {
		text += `<File ovf:id="f" ovf:href="` + n + `"/>`
	}
	return text + "</References></Envelope>"
}

// iso makes an ISO of 64 KiB; with a partition table where one is wanted.
func iso(partitions bool, change func(b []byte)) []byte {
	b := make([]byte, 64<<10)
	d := b[isoVolume:]
	d[0], d[6] = isoPrimary, 1
	copy(d[1:], isoMagic)
	binary.LittleEndian.PutUint32(d[isoBlocks:], 32)
	binary.BigEndian.PutUint32(d[isoBlocks+4:], 32)
	binary.LittleEndian.PutUint16(d[isoSize:], 2048)
	binary.BigEndian.PutUint16(d[isoSize+2:], 2048)
	if g := b[gptHeader:]; partitions {
		copy(g, gptMagic)
		binary.LittleEndian.PutUint32(g[gptLength:], 92)
		binary.LittleEndian.PutUint64(g[gptLast:], 100)
		binary.LittleEndian.PutUint32(g[gptSum:], crc32.ChecksumIEEE(g[:92]))
	}
	change(b)
	return b
}

func TestDisks(t *testing.T) {
	same := func([]byte) {}
	both := func(_, _ []byte) {}
	text := func(old, new string) []byte { return vmdk(strings.Replace(goodVMDK, old, new, 1), same) }
	put32, put64 := binary.LittleEndian.PutUint32, binary.LittleEndian.PutUint64
	for what, c := range map[string]struct {
		declared string
		data     []byte
		why      string // part of the refusal; empty: taken
	}{
		"vmdk":               {"vmdk", vmdk(goodVMDK, same), ""},
		"vmdk stream":        {"vmdk", text("monolithicSparse", "streamOptimized"), ""},
		"vmdk flat":          {"vmdk", text("monolithicSparse", "monolithicFlat"), "kind \"monolithicFlat\""},
		"vmdk of no kind":    {"vmdk", text("createType", "kind"), "kind \"\""},
		"vmdk of two kinds":  {"vmdk", text("CID=1", "createType=\"vmfs\""), "twice"},
		"vmdk with a file":   {"vmdk", text("SPARSE \"a.vmdk\"", "FLAT \"/etc/shadow\" 0"), "extent"},
		"vmdk with two":      {"vmdk", text("RW", "RW 1 SPARSE \"b.vmdk\"\nRW"), "extent"},
		"vmdk with none":     {"vmdk", text("RW 2097152", "#"), "names 0 extents"},
		"vmdk's parent":      {"vmdk", text("ffffffff", "00000001"), "parent"},
		"vmdk's parent name": {"vmdk", text("CID=1", "parentFileNameHint=\"/etc/shadow\""), "parent"},
		"vmdk descriptor":    {"vmdk", []byte(goodVMDK), "in other files"},
		"vmdk without size":  {"vmdk", vmdk(goodVMDK, func(h []byte) { put64(h[vmdkCapacity:], 0) }), "0 sectors"},
		"vmdk version 9":     {"vmdk", vmdk(goodVMDK, func(h []byte) { put32(h[vmdkVersion:], 9) }), "version 9"},
		"vmdk far text":      {"vmdk", vmdk(goodVMDK, func(h []byte) { put64(h[vmdkDescriptor:], 1<<40) }), "not within"},
		"vmdk long text":     {"vmdk", vmdk(goodVMDK, func(h []byte) { put64(h[vmdkDescriptorSize:], 1<<63) }), "not within"},
		"vmdk without text":  {"vmdk", vmdk(goodVMDK, func(h []byte) { put64(h[vmdkDescriptor:], 0) }), "without a descriptor"},
		"raw as vmdk":        {"vmdk", make([]byte, 1024), "is vmdk"},

		"vdi":                {"vdi", vdi(same), ""},
		"vdi of other kind":  {"vdi", vdi(func(h []byte) { put32(h[vdiKind:], 4) }), "kind 4"},
		"vdi with a parent":  {"vdi", vdi(func(h []byte) { h[vdiParent] = 1 }), "parent"},
		"vdi with a link":    {"vdi", vdi(func(h []byte) { h[vdiLink+15] = 1 }), "parent"},
		"vdi of 8 EiB":       {"vdi", vdi(func(h []byte) { put64(h[vdiSize:], 1<<63) }), "allowed: 1 to"},
		"vdi of version 2":   {"vdi", vdi(func(h []byte) { put32(h[vdiVersion:], 2) }), "version 0x2"},
		"vdi cut off":        {"vdi", vdi(same)[:300], "is vdi"},
		"vdi as raw":         {"raw", vdi(same), "format vdi"},
		"vhd":                {"vhd", vhd(both), ""},
		"vhd differencing":   {"vhd", vhd(func(f, _ []byte) { f[vhdKind+3] = 4 }), "kind 4"},
		"vhd with a parent":  {"vhd", vhd(func(_, h []byte) { h[vhdParent] = 1 }), "parent"},
		"vhd with a locator": {"vhd", vhd(func(_, h []byte) { copy(h[vhdLocators+24:], "W2ru") }), "parent"},
		"vhd far header":     {"vhd", vhd(func(f, _ []byte) { f[vhdNext] = 0xff }), "behind its end"},
		"vhd without header": {"vhd", vhd(func(_, h []byte) { h[0] = 0 }), "without a header"},
		"vhd of two minds":   {"vhd", append([]byte("x"), vhd(both)...), "differ"},
		"vhd that ends":      {"vhd", vhd(both)[:600], "no footer"},
		"vhd of 5 bytes":     {"vhd", []byte("conec"), "cut off"},
		"vhd as vmdk":        {"vmdk", vhd(both), "format vhd"},
		"vhdx":               {"vhdx", vhdx(0, same), ""},
		"vhdx with a parent": {"vhdx", vhdx(vhdxHasParent, same), "parent"},
		"vhdx of two minds":  {"vhdx", vhdx(0, func(b []byte) { b[vhdxRegions2+34] = 0x20 }), "differ"},
		"vhdx no metadata":   {"vhdx", vhdx(0, func(b []byte) { b[1<<20] = 0 }), "without metadata"},
		"vhdx many entries":  {"vhdx", vhdx(0, func(b []byte) { b[vhdxRegions1+11] = 1 }), "region table"},
		"vhdx far item":      {"vhdx", vhdx(0, func(b []byte) { b[1<<20+83] = 0x7f }), "outside"},
		"vhdx that ends":     {"vhdx", vhdx(0, same)[:100<<10], "cut off"},
		"raw as vhdx":        {"vhdx", make([]byte, 1024), "is vhdx"},
		"vhd's checksum":     {"vhd", append(vhd(both)[:len(vhd(both))-512], append([]byte("conectix"), make([]byte, 504)...)...), "checksum"},
		"vhdx with a log":    {"vhdx", vhdx(0, func(b []byte) { b[vhdxHeader1+vhdxLog] = 1 }), "log"},
		"vhdx's newer log":   {"vhdx", vhdx(0, func(b []byte) { copy(b[vhdxHeader2:], "head\x00\x00\x00\x00\x09"); b[vhdxHeader2+vhdxLog] = 1 }), "log"},
		"vhdx headless":      {"vhdx", vhdx(0, func(b []byte) { b[vhdxHeader1] = 0 }), "without a header"},
		"vhdx's own region":  {"vhdx", vhdx(0, func(b []byte) { b[vhdxRegions1+8] = 2; b[vhdxRegions1+48] = 7 }), "unknown region"},
		"vhdx far blocks":    {"vhdx", vhdx(0, func(b []byte) { b[vhdxRegions1+8] = 2; copy(b[vhdxRegions1+48:], guidBlocks); b[vhdxRegions1+70] = 1 }), "block allocation table"},
		"vdi's blocks":       {"vdi", vdi(func(h []byte) { put32(h[vdiBlock:], 1<<30) }), "blocks of 1073741824"},
		"vdi of few blocks":  {"vdi", vdi(func(h []byte) { put32(h[vdiCount:], 3) }), "too few"},
		"vdi far map":        {"vdi", vdi(func(h []byte) { put32(h[vdiBlocks:], 1<<31); put32(h[vdiData:], 1<<31) }), "map of blocks"},
		"vdi in itself":      {"vdi", vdi(func(h []byte) { put32(h[vdiData:], 1) }), "before their map"},
		"vmdk COWD":          {"vmdk", append([]byte("COWD"), make([]byte, 1000)...), "kind COWD"},
		"vmdk's directory":   {"vmdk", vmdk(goodVMDK, func(h []byte) { put64(h[vmdkDirectory:], 1<<30) }), "grain directory"},
		"vmdk's other end":   {"vmdk", vmdk(goodVMDK, func(h []byte) { put64(h[vmdkDirectory:], atEnd) }), "differs"},
		"vmdk's compression": {"vmdk", vmdk(goodVMDK, func(h []byte) { h[vmdkCompression] = 7 }), "compression 7"},
		"vmdk text as raw":   {"raw", []byte("# hello\n\nversion=1\nRW 1 FLAT \"/etc/shadow\" 0\n"), "format vmdk"},
		"vmdk other text":    {"vmdk", []byte("#x\nversion=3\nRW 128 FLAT \"/etc/shadow\" 0\n"), "/etc/shadow"},
		"raw with vhd's end": {"raw", append(make([]byte, 512), vhd(both)[1536:]...), "ends as one of the format vhd"},
		"raw with dmg's end": {"raw", append(make([]byte, 512), append([]byte("koly"), make([]byte, 508)...)...), "format dmg"},
		"bochs as raw":       {"raw", []byte("Bochs Virtual HD Image"), "format bochs"},
		"iso that ends":      {"iso", iso(false, same)[:40<<10], "cut off"},
		"iso of two sizes":   {"iso", iso(false, func(b []byte) { b[isoVolume+isoBlocks] = 1 }), "two sizes"},
		"iso's blocks":       {"iso", iso(false, func(b []byte) { b[isoVolume+isoSize+1], b[isoVolume+isoSize+2] = 0, 0 }), "blocks of 0 bytes"},
		"iso that boots not": {"iso", iso(false, func(b []byte) { b[isoVolume] = 0 }), "type 0"},
		"iso and gpt as raw": {"raw", iso(true, same), "both an ISO and a GPT disk"},
		"iso, gpt of others": {"iso", iso(true, func(b []byte) { b[gptHeader+gptLast+4] = 1 }), "both an ISO and a GPT disk"},
		"iso, gpt no header": {"iso", iso(true, func(b []byte) { b[gptHeader+gptLength+1] = 9 }), "both an ISO and a GPT disk"},
		"iso and vhd":        {"iso", append(iso(false, same), vhd(both)[1536:]...), "ends as one of the format vhd"},
		"iso and vmdk":       {"iso", iso(false, func(b []byte) { copy(b, "KDMV") }), "format vmdk"},
		"ova":                {"ova", archive(member{name: "machine.ovf", data: ovf()}), ""},
		"ova of two":         {"ova", archive(member{name: "a.ovf", data: ovf("d.vmdk")}, member{name: "d.vmdk", data: string(vmdk(goodVMDK, same))}, member{name: "a.mf", data: "x"}), ""},
		"ova with a disk":    {"ova", archive(member{name: "disk.vmdk"}), "first file"},
		"ova's far disk":     {"ova", archive(member{name: "a.ovf", data: ovf("/etc/shadow")}), "/etc/shadow"},
		"ova's web disk":     {"ova", archive(member{name: "a.ovf", data: ovf("http://169.254.169.254/")}), "169.254.169.254"},
		"ova's lost disk":    {"ova", archive(member{name: "a.ovf", data: ovf("d.vmdk")}), "not in the archive"},
		"ova's entities":     {"ova", archive(member{name: "a.ovf", data: "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><x/>"}), "directive"},
		"ova's bad text":     {"ova", archive(member{name: "a.ovf", data: "<x"}), "cannot be read"},
		"ova with a link":    {"ova", archive(member{name: "a.ovf", data: ovf()}, member{name: "l", data: "/etc/shadow", kind: tar.TypeSymlink}), "type"},
		"ova with a path":    {"ova", archive(member{name: "a.ovf", data: ovf()}, member{name: "../../x", data: "x"}), "without a path"},
		"ova of twins":       {"ova", archive(member{name: "a.ovf", data: ovf()}, member{name: "d", data: "x"}, member{name: "d", data: "y"}), "twice"},
		"ova's flat disk":    {"ova", archive(member{name: "a.ovf", data: ovf()}, member{name: "d.vmdk", data: string(text("SPARSE \"a.vmdk\"", "FLAT \"/etc/shadow\" 0"))}), "In the archive, \"d.vmdk\""},
		"ova's hidden disk":  {"ova", archive(member{name: "a.ovf", data: ovf()}, member{name: "notes.txt", data: string(header(func(h []byte) { binary.BigEndian.PutUint64(h[offBacking:], 400) }))}), "backing file"},
		"ova that ends":      {"ova", archive(member{name: "a.ovf", data: ovf()}, member{name: "d", data: strings.Repeat("x", 9000)})[:4000], "cannot be read"},
		"raw as ova":         {"ova", make([]byte, 1024), "no tar"},
		"docker":             {"docker", archive(member{name: "manifest.json"}), ""},
		"docker, packed":     {"docker", []byte{0x1f, 0x8b, 8}, ""},
		"raw as docker":      {"docker", []byte("x"), "no tar"},
	} {
		size, err := whole(c.declared, c.data)
		switch {
		case c.why == "" && (err != nil || size != 1<<30 && !strings.Contains("ova docker", c.declared)):
			t.Errorf("%s: size %d, %v, want it taken with 1 GiB", what, size, err)
		case c.why != "" && (cloud.KindOf(err) != cloud.KindBadRequest || !strings.Contains(err.Error(), c.why)):
			t.Errorf("%s: %v, want a refusal with %q", what, err, c.why)
		}
	}
}

// What qemu-img makes of other formats is taken if it is in one file.
func TestQEMUDisks(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("qemu-img is not installed; on Debian: apt-get install qemu-utils")
	}
	for _, c := range []struct {
		declared, options string
		ok                bool
	}{
		{"vmdk", "vmdk", true},
		{"vmdk", "vmdk -o subformat=streamOptimized", true},
		{"vmdk", "vmdk -o subformat=monolithicFlat", false},
		{"vmdk", "vmdk -o subformat=twoGbMaxExtentSparse", false},
		{"vdi", "vdi", true},
		{"vdi", "vdi -o static=on", true},
		{"vhd", "vpc -o force_size=on", true},
		{"vhd", "vpc -o subformat=fixed,force_size=on", true},
		{"vhdx", "vhdx", true},
		{"vhdx", "vhdx -o subformat=fixed", true},
	} {
		img := filepath.Join(t.TempDir(), "img")
		args := append(append([]string{"create", "-q", "-f"}, strings.Fields(c.options)...), img, "8M")
		if out, err := exec.CommandContext(t.Context(), "qemu-img", args...).CombinedOutput(); err != nil {
			t.Fatalf("qemu-img %s: %v: %s", c.options, err, out)
		}
		data, err := os.ReadFile(img)
		if err != nil {
			t.Fatal(err)
		}
		size, err := whole(c.declared, data)
		if (err == nil) != c.ok || c.ok && size != 8<<20 {
			t.Errorf("%s: size %d, %v; want taken: %v, with 8 MiB", c.options, size, err, c.ok)
		}
	}
}
