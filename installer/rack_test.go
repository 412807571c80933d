package installer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/installer/plan"
	"github.com/cairn-cloud/cairn/installer/rackfile"
)

func TestFirstRack(t *testing.T) {
	has := func(text string) rackPlace {
		return func(context.Context) (rackText, error) { return rackText{raw: []byte(text), from: text}, nil }
	}
	fails := func(context.Context) (rackText, error) { return rackText{}, errors.New("broken") }
	empty := func(context.Context) (rackText, error) { return rackText{}, nil }
	for _, c := range []struct {
		places []rackPlace
		text   string
		err    string
	}{
		{[]rackPlace{empty, has("a"), fails}, "a", ""},
		{[]rackPlace{has(""), has("b")}, "", ""},
		{[]rackPlace{empty, fails, has("c")}, "", "broken"},
		{[]rackPlace{empty}, "", ""},
	} {
		got, err := firstRack(t.Context(), c.places...)
		if string(got.raw) != c.text {
			t.Errorf("got %q, want %q", got.raw, c.text)
		}
		if msg := errText(err); msg != c.err {
			t.Errorf("got %q, want %q", msg, c.err)
		}
	}
}

func TestNoRack(t *testing.T) {
	want := "there is no rack.yaml: neither cairn.rack on the kernel line, nor a volume labelled CAIRN-CONF, nor one sealed into the medium, " +
		"nor /cairn/rack.yaml on it; and there is no terminal to ask a person at. Put a rack.yaml at one of these places; the smallest is a line with your SSH key."
	if d := cmp.Diff(want, noRack().Error()); d != "" {
		t.Error(d)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestRacksOfTheMedium(t *testing.T) {
	dir := t.TempDir()
	for _, look := range []func(string) (rackText, error){sealedRack, func(d string) (rackText, error) { return plainRack(d, "x") }} {
		if got, err := look(dir); got.raw != nil || err != nil {
			t.Errorf("found %q, %v in an empty directory", got.raw, err)
		}
	}
	area, err := rackfile.Seal([]byte("name: a\n"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, rackfile.AreaName)
	if err := errors.Join(os.WriteFile(file, area, 0o600), os.WriteFile(filepath.Join(dir, "rack.yaml"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if got, err := sealedRack(dir); string(got.raw) != "name: a\n" || err != nil {
		t.Errorf("found %q, %v", got.raw, err)
	}
	if got, err := plainRack(dir, "x"); got.raw == nil || err != nil {
		t.Errorf("an empty rack.yaml is %v, %v; want a rack with the defaults", got.raw, err)
	}
	area[513] = 'x'
	if err := os.WriteFile(file, area, 0o600); err != nil {
		t.Fatal(err)
	}
	var refusal *plan.Refusal
	if _, err := sealedRack(dir); !errors.As(err, &refusal) || refusal.Remedy != "Seal rack.yaml into the medium again: cairn iso seal" {
		t.Errorf("got %v", err)
	}
}

func TestARackIsMadeToFitTheMachine(t *testing.T) {
	raw, rack, err := rackText{raw: []byte("name: r-${SERIAL}\n"), from: "a stick"}.parse(rackfile.Values{SERIAL: "7"})
	if err != nil || rack.Name != "r-7" || string(raw) != "name: r-7\n" {
		t.Errorf("%q became %+v, %v", raw, rack, err)
	}
	for text, want := range map[string]string{
		"name: ${SERIAL}": "rack.yaml line 1: ${SERIAL} is empty on this machine; allowed: a machine whose firmware has it. Correct rack.yaml, which is from a stick; the line and what is allowed are above.",
		"name: A B":       `rack.yaml line 1: name is "A B"; allowed: lower case letters, digits and hyphens, at most 63, no hyphen at either end. Correct rack.yaml, which is from a stick; the line and what is allowed are above.`,
	} {
		_, _, err := rackText{raw: []byte(text), from: "a stick"}.parse(rackfile.Values{})
		if d := cmp.Diff(want, errText(err)); d != "" {
			t.Error(d)
		}
	}
}
