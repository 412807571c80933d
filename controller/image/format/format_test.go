package format

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairn-cloud/cairn/controller/internal/cloud"
)

// header makes the header of a harmless QCOW2 of version 3 and 1 GiB, and
// lets change spoil it.
func header(change func(h []byte)) []byte {
	h := make([]byte, 512)
	copy(h, "QFI\xfb")
	put32, put64 := binary.BigEndian.PutUint32, binary.BigEndian.PutUint64
	put32(h[offVersion:], 3)
	put32(h[offClusterBits:], 16)
	put64(h[offSize:], 1<<30)
	put32(h[offL1Size:], 2)
	put32(h[offHeaderLen:], 112)
	change(h)
	return h
}

func TestCheck(t *testing.T) {
	plain, hybrid := iso(false, func([]byte) {}), iso(true, func([]byte) {})
	both := bytes.Clone(plain)
	copy(both, "QFI\xfb")
	put32, put64 := binary.BigEndian.PutUint32, binary.BigEndian.PutUint64
	for what, c := range map[string]struct {
		declared string
		head     []byte
		why      string // part of the refusal; empty: taken
	}{
		"raw":                    {"raw", []byte("anything"), ""},
		"kernel":                 {"aki", []byte("MZ..."), ""},
		"iso":                    {"iso", plain, ""},
		"iso as raw":             {"raw", plain, ""},
		"iso for a stick":        {"iso", hybrid, ""},
		"tree":                   {"tree", []byte{0x28, 0xb5, 0x2f, 0xfd, 0}, ""},
		"qcow2":                  {"qcow2", header(func([]byte) {}), ""},
		"empty":                  {"raw", nil, "no data"},
		"raw as iso":             {"iso", []byte("no iso"), "is iso"},
		"raw as qcow2":           {"qcow2", make([]byte, 512), "is qcow2"},
		"raw as tree":            {"tree", []byte("no tree"), "no tar.zst"},
		"qcow2 as raw":           {"raw", header(func([]byte) {}), "format qcow2"},
		"qcow2 as kernel":        {"aki", header(func([]byte) {}), "format qcow2"},
		"qcow2 and iso as iso":   {"iso", both, "format qcow2"},
		"vmdk descriptor as raw": {"raw", []byte("# Disk DescriptorFile\nversion=1\n"), "format vmdk"},
		"luks as raw":            {"raw", []byte("LUKS\xba\xbe\x00\x02"), "format luks"},
		"cut off":                {"qcow2", header(func([]byte) {})[:60], "is qcow2"},
		"version 4":              {"qcow2", header(func(h []byte) { put32(h[offVersion:], 4) }), "version 4"},
		"backing file": {"qcow2", header(func(h []byte) {
			put64(h[offBacking:], 400)
			put32(h[offBackingSize:], 11)
			copy(h[400:], "/etc/shadow")
		}), "backing file \"/etc/shadow\""},
		"backing format":        {"qcow2", header(func(h []byte) { put32(h[112:], extBacking); put32(h[116:], 3); copy(h[120:], "raw") }), "\"raw\" as the format"},
		"luks extension":        {"qcow2", header(func(h []byte) { put32(h[112:], extCrypt); put32(h[116:], 16) }), "encrypted"},
		"refcount order":        {"qcow2", header(func(h []byte) { put32(h[offRefOrder:], 7) }), "refcount_order 7"},
		"compression":           {"qcow2", header(func(h []byte) { h[offCompression] = 9 }), "compression type 9"},
		"data file":             {"qcow2", header(func(h []byte) { put64(h[offIncompat:], 4) }), "data file"},
		"data file's name":      {"qcow2", header(func(h []byte) { put32(h[112:], extDataFile) }), "data file"},
		"dirty":                 {"qcow2", header(func(h []byte) { put64(h[offIncompat:], 1) }), "incompatible features 0x1"},
		"unknown feature":       {"qcow2", header(func(h []byte) { put64(h[offIncompat:], 1<<20) }), "incompatible features"},
		"encrypted":             {"qcow2", header(func(h []byte) { put32(h[offCrypt:], 1) }), "encrypted"},
		"clusters of 2 GiB":     {"qcow2", header(func(h []byte) { put32(h[offClusterBits:], 31) }), "cluster_bits 31"},
		"8 EiB":                 {"qcow2", header(func(h []byte) { put64(h[offSize:], 1<<63-1) }), "allowed: 70368744177664"},
		"huge L1 table":         {"qcow2", header(func(h []byte) { put32(h[offL1Size:], 1<<31) }), "L1 table"},
		"2^32-1 snapshots":      {"qcow2", header(func(h []byte) { put32(h[offSnapshots:], 1<<32-1) }), "snapshots"},
		"header of 1 GiB":       {"qcow2", header(func(h []byte) { put32(h[offHeaderLen:], 1<<30) }), "header has"},
		"extension without end": {"qcow2", header(func(h []byte) { put32(h[112:], 1); put32(h[116:], 1<<31) }), "do not end"},
	} {
		_, err := Check(c.declared, c.head)
		switch {
		case c.why == "" && err != nil:
			t.Errorf("%s: %v, want it taken", what, err)
		case c.why != "" && (cloud.KindOf(err) != cloud.KindBadRequest || !strings.Contains(err.Error(), c.why)):
			t.Errorf("%s: %v, want a refusal with %q", what, err, c.why)
		}
	}
}

// What qemu-img makes is taken, but for what would open another file.
func TestQEMU(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("qemu-img is not installed; on Debian: apt-get install qemu-utils")
	}
	dir := t.TempDir()
	for _, c := range []struct {
		args string
		ok   bool
	}{
		{"-f qcow2 IMG 1G", true},
		{"-f qcow2 -o compat=0.10 IMG 1G", true},
		{"-f qcow2 -o compression_type=zstd IMG 1G", true},
		{"-f qcow2 -o cluster_size=2M IMG 20T", true},
		{"-f qcow2 -o extended_l2=on,cluster_size=128k IMG 10G", true},
		{"-f qcow2 -u -b /etc/shadow -F raw IMG 64K", false},
		{"-f qcow2 -u -b http://127.0.0.1:9/x -F raw IMG 64K", false},
		{`-f qcow2 -u -b json:{"driver":"raw","file":{"driver":"file","filename":"/etc/shadow"}} -F raw IMG 64K`, false},
		{"-f qed IMG 1G", false},
		{"-f vmdk -o subformat=monolithicFlat IMG 1M", false},
		{"-f qcow2 -o data_file=" + dir + "/df.raw,data_file_raw=on IMG 64K", false},
	} {
		img := filepath.Join(dir, "img")
		args := append([]string{"create", "-q"}, strings.Fields(strings.ReplaceAll(c.args, "IMG", img))...)
		if out, err := exec.CommandContext(t.Context(), "qemu-img", args...).CombinedOutput(); err != nil {
			t.Fatalf("qemu-img %s: %v: %s", c.args, err, out)
		}
		head, err := os.ReadFile(img)
		if err != nil {
			t.Fatal(err)
		}
		size, err := whole("qcow2", head)
		if (err == nil) != c.ok || c.ok && size < 1<<30 {
			t.Errorf("%s: size %d, %v; want taken: %v", c.args, size, err, c.ok)
		}
	}
}
