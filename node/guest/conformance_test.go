package guest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
)

// A stand is a driver under test and what it can run.
type stand struct {
	driver Driver
	spec   func(t *testing.T, id string) Spec
}

// conform plays what every driver has to do.
func conform(t *testing.T, s stand) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	d, id := s.driver, uuid.NewString()
	t.Cleanup(func() {
		if err := d.Delete(context.Background(), id); err != nil {
			t.Error(err)
		}
	})
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	state := func(running bool) State {
		t.Helper()
		st, err := d.State(ctx, id)
		must("state", err)
		if st.Running != running {
			t.Fatalf("running is %v, want %v", st.Running, running)
		}
		if (st.Run != 0) != running {
			t.Fatalf("run is %d with running %v", st.Run, running)
		}
		return st
	}
	absent := func() {
		t.Helper()
		if _, err := d.State(ctx, id); !errors.Is(err, ErrAbsent) {
			t.Fatalf("state: got %v, want %v", err, ErrAbsent)
		}
		ids, err := d.List(ctx)
		must("list", err)
		if slices.Contains(ids, id) {
			t.Fatalf("listed: %v", ids)
		}
	}

	about, err := d.About(ctx)
	must("about", err)
	if about.Version == "" {
		t.Errorf("about has no version: %+v", about)
	}
	absent()
	must("stop of an absent guest", d.Stop(ctx, id, true))
	must("soft stop of an absent guest", d.Stop(ctx, id, false))
	must("delete of an absent guest", d.Delete(ctx, id))

	g := s.spec(t, id)
	must("start", d.Start(ctx, g))
	first := state(true)
	must("start again", d.Start(ctx, g))
	if again := state(true); again.Run != first.Run {
		t.Errorf("a second start made run %d of run %d", again.Run, first.Run)
	}
	ids, err := d.List(ctx)
	must("list", err)
	if !slices.Contains(ids, id) {
		t.Errorf("not listed: %v", ids)
	}
	must("hard stop", d.Stop(ctx, id, true))
	state(false)
	must("hard stop again", d.Stop(ctx, id, true))
	must("start after stop", d.Start(ctx, g))
	if second := state(true); second.Run == first.Run {
		t.Errorf("two runs have the number %d", first.Run)
	}
	must("soft stop", d.Stop(ctx, id, false))
	state(false)
	must("start to delete", d.Start(ctx, g))
	must("delete", d.Delete(ctx, id))
	absent()
	must("delete again", d.Delete(ctx, id))
}
