package tool

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStepWorksOnlyWhenItMust(t *testing.T) {
	out := filepath.Join(t.TempDir(), "sub", "out")
	builds := 0
	build := func(tmp string) error {
		builds++
		return os.WriteFile(tmp, []byte("x"), 0o644)
	}
	for i, c := range []struct {
		key  string
		made bool
	}{{"1", true}, {"1", false}, {"2", true}} {
		made, err := Step(out, c.key, build)
		if err != nil {
			t.Fatal(err)
		}
		if made != c.made {
			t.Errorf("step %d: made %t, want %t", i, made, c.made)
		}
	}
	if builds != 2 {
		t.Errorf("built %d times, want 2", builds)
	}
}

func TestStepThatFailsIsRepeated(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	want := errors.New("no")
	if _, err := Step(out, "1", func(tmp string) error {
		if err := os.WriteFile(tmp, nil, 0o644); err != nil {
			return err
		}
		return want
	}); !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	if Exists(out) {
		t.Error("a failed step left its output")
	}
	made, err := Step(out, "1", func(tmp string) error { return os.WriteFile(tmp, nil, 0o644) })
	if err != nil || !made {
		t.Errorf("made %t, %v; want it to be made", made, err)
	}
}

func TestRunCarriesWhatTheProgramSaid(t *testing.T) {
	_, err := Run(context.Background(), Cmd{Name: "sh", Args: []string{"-c", "echo first >&2; echo last >&2; exit 3"}})
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "last") {
		t.Errorf("got %v", err)
	}
	if err := Need(map[string]string{"no-such-program": "some-package"}); err == nil || !strings.Contains(err.Error(), "some-package") {
		t.Errorf("got %v, want the package's name", err)
	}
}
