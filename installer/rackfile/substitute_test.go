package rackfile

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/plan"
)

func TestText(t *testing.T) {
	v := Values{MAC: "52:54:00:00:00:0a", UUID: "564d0001-0000-4000-8000-000000000001", SERIAL: "SN 1/a"}
	for in, want := range map[string]string{
		"":                                  "",
		"name: a\n":                         "name: a\n",
		"a: ${MAC}\nb: x-${SERIAL}-${UUID}": "a: 52:54:00:00:00:0a\nb: x-SN 1/a-564d0001-0000-4000-8000-000000000001",
		"a: $${MAC} ${MAC}":                 "a: ${MAC} 52:54:00:00:00:0a",
		"a: $$${MAC}":                       "a: $${MAC}",
		"a: $MAC $ } {MAC} $$":              "a: $MAC $ } {MAC} $$",
		"${MAC}${MAC}":                      "52:54:00:00:00:0a52:54:00:00:00:0a",
	} {
		got, err := v.Text([]byte(in))
		if err != nil {
			t.Errorf("%q: %v", in, err)
		}
		if d := cmp.Diff(want, string(got)); d != "" {
			t.Errorf("%q: %s", in, d)
		}
	}
}

func TestTextRefuses(t *testing.T) {
	const allowed = "; allowed: ${MAC}, ${UUID}, ${SERIAL}; $${ for a plain ${"
	const plain = "; allowed: letters, digits, blanks inside and ._:/+-, and no colon before a blank or at the end"
	for _, c := range []struct {
		in   string
		v    Values
		want string
	}{
		{"a: 1\nb: ${HOME}", Example(), "rack.yaml line 2: ${HOME} is unknown" + allowed},
		{"a: ${mac}", Example(), "rack.yaml line 1: ${mac} is unknown" + allowed},
		{"a: ${}", Example(), "rack.yaml line 1: ${} is unknown" + allowed},
		{"# ${X}", Example(), "rack.yaml line 1: ${X} is unknown" + allowed},
		{"a: $${A}\n\n${MAC", Example(), "rack.yaml line 3: ${ is not closed" + allowed},
		{"a: ${MAC\n}", Example(), "rack.yaml line 1: ${ is not closed" + allowed},
		{"a: ${SERIAL}", Values{}, "rack.yaml line 1: ${SERIAL} is empty on this machine; allowed: a machine whose firmware has it"},
		{"\n\na: ${MAC}", Values{}, "rack.yaml line 3: ${MAC} is empty on this machine; allowed: a machine whose firmware has it"},
		{"a: ${SERIAL}", Values{SERIAL: "x\ny: z"}, "rack.yaml line 1: ${SERIAL} is \"x\ny: z\" on this machine" + plain},
		{"a: ${SERIAL}", Values{SERIAL: "x: y"}, `rack.yaml line 1: ${SERIAL} is "x: y" on this machine` + plain},
		{"a: ${SERIAL}", Values{SERIAL: "x:"}, `rack.yaml line 1: ${SERIAL} is "x:" on this machine` + plain},
		{"a: ${SERIAL}", Values{SERIAL: `x" #`}, `rack.yaml line 1: ${SERIAL} is "x" #" on this machine` + plain},
		{"a: ${SERIAL}", Values{SERIAL: "${MAC}"}, `rack.yaml line 1: ${SERIAL} is "${MAC}" on this machine` + plain},
	} {
		_, err := c.v.Text([]byte(c.in))
		if err == nil {
			t.Errorf("%q was accepted", c.in)
			continue
		}
		if d := cmp.Diff(c.want, err.Error()); d != "" {
			t.Errorf("%q: %s", c.in, d)
		}
	}
}

func TestURLIsEscaped(t *testing.T) {
	v := Values{MAC: "52:54:00:00:00:0a", SERIAL: "a b/&?\n+"}
	got, err := v.URL("https://x/racks/${MAC}.yaml?s=${SERIAL}")
	if want := "https://x/racks/52:54:00:00:00:0a.yaml?s=a%20b%2F%26%3F%0A%2B"; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if _, err := v.URL("https://x/${UUID}"); err == nil {
		t.Error("an empty value was accepted")
	}
}

func TestOf(t *testing.T) {
	inv := plan.Inventory{Machine: "u", Serial: "s", NICs: []plan.NIC{{MAC: "a"}, {MAC: "b", Link: true}}}
	if d := cmp.Diff(Values{MAC: "b", UUID: "u", SERIAL: "s"}, Of(inv)); d != "" {
		t.Error(d)
	}
	inv.BootMAC = "a"
	if got := Of(inv).MAC; got != "a" {
		t.Errorf("MAC is %q, want that of the card that it booted from", got)
	}
}
