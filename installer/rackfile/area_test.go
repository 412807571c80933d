package rackfile

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSealAndUnseal(t *testing.T) {
	for _, text := range []string{"", "name: a\n", strings.Repeat("#", MaxText)} {
		area, err := Seal([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if len(area) != AreaSize {
			t.Errorf("the area has %d bytes, want %d", len(area), AreaSize)
		}
		got, err := Unseal(area)
		if err != nil || string(got) != text || (got == nil) != (text == "") {
			t.Errorf("%d bytes became %d: %v", len(text), len(got), err)
		}
	}
}

func TestSealRefuses(t *testing.T) {
	_, err := Seal(make([]byte, MaxText+1))
	want := "sealed rack.yaml: size is 65025 bytes; allowed: at most 65024"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// digests are lines with a digest in them.
var digests = regexp.MustCompile(`sha256 [0-9a-f]{64}`)

func TestUnsealRefuses(t *testing.T) {
	area, err := Seal([]byte("name: a\n"))
	if err != nil {
		t.Fatal(err)
	}
	with := func(header, text string) []byte {
		b := make([]byte, AreaSize)
		copy(b, header)
		copy(b[headerSize:], text)
		return b
	}
	line := fmt.Sprintf("sha256 %x\n", sha256.Sum256([]byte("name: a\n")))
	for want, area := range map[string][]byte{
		"sealed rack.yaml: the area is 10 bytes long; allowed: 65536":                               area[:10],
		`sealed rack.yaml: the header is "CAIRN-RACK-AREA 2\n"; allowed: "CAIRN-RACK-AREA 1\n"`:     with("CAIRN-RACK-AREA 2\nsize 8\n"+line, "name: a\n"),
		`sealed rack.yaml: the header is "size 8\n"; allowed: a line with size and one with sha256`: with(areaMagic+"size 8\n", "name: a\n"),
		`sealed rack.yaml: size is "size -8"; allowed: size and a number from 0 to 65024`:           with(areaMagic+"size -8\n"+line, "name: a\n"),
		`sealed rack.yaml: size is "size 99999"; allowed: size and a number from 0 to 65024`:        with(areaMagic+"size 99999\n"+line, "name: a\n"),
		`sealed rack.yaml: sha256 is "SUM"; allowed: OTHER, that of the text; seal it again`:        with(areaMagic+"size 8\n"+line, "name: b\n"),
	} {
		_, err := Unseal(area)
		if err == nil {
			t.Errorf("accepted; want %s", want)
			continue
		}
		got := err.Error()
		if strings.Contains(want, "SUM") {
			got = digests.ReplaceAllString(got, "SUM")
			want = strings.ReplaceAll(want, "OTHER", "SUM")
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
}

func FuzzUnseal(f *testing.F) {
	f.Add([]byte("size 3\nsha256 x\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		area := make([]byte, AreaSize)
		copy(area, areaMagic)
		copy(area[len(areaMagic):], head)
		if text, err := Unseal(area); err == nil && len(text) > MaxText {
			t.Errorf("%d bytes of text", len(text))
		}
	})
}
