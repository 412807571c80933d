package identity

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// Who guesses passwords of a directory is locked out here, before the
// directory is asked.
func TestDirectoryLocksOut(t *testing.T) {
	c := startCompany(t, somePeople())
	c.logInTo(201, "ann", "ann's", "")
	for range DefaultPasswordRules().LockoutAttempts - 1 {
		c.logInTo(401, "ann", "wrong", "")
	}
	c.logInTo(201, "ann", "ann's", "")
	for range DefaultPasswordRules().LockoutAttempts {
		c.logInTo(401, "ann", "wrong", "")
	}
	c.logInTo(401, "ann", "ann's", "")
	c.logInTo(201, "bob", "bob's", "")
	c.clock.move(time.Duration(DefaultPasswordRules().LockoutSeconds) * time.Second)
	c.logInTo(201, "ann", "ann's", "")
}

func TestTurns(t *testing.T) {
	var all turns
	var group sync.WaitGroup
	count := 0
	for range 50 {
		group.Go(func() {
			release, err := all.take(t.Context(), "ann")
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			count++ // the race detector sees two at a time
		})
	}
	group.Wait()
	release, err := all.take(t.Context(), "ann")
	if err != nil || count != 50 {
		t.Fatalf("%d turns (%v)", count, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := all.take(ended, "ann"); !errors.Is(err, context.Canceled) {
		t.Errorf("a turn that somebody has: %v", err)
	}
	other, err := all.take(t.Context(), "bob")
	if err != nil {
		t.Fatal(err)
	}
	other()
	release()
	if len(all.taken) != 0 {
		t.Errorf("%d turns are left", len(all.taken))
	}
}
