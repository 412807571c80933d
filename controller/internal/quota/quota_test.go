package quota_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/quota"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// Of many who reserve at once, as many succeed as there is room for, and what
// is rolled back is free again.
func TestReserve(t *testing.T) {
	db := apitest.Database(t, "compute")
	q := quota.New(map[string]int64{"cores": 10, "ram": quota.Unlimited})
	reserve := func(n int64, fail error) error {
		return db.Transact(t.Context(), func(tx *store.Tx) error {
			if err := q.Reserve(t.Context(), tx, "p", "cores", n); err != nil {
				return err
			}
			return fail
		})
	}
	if err := reserve(10, errors.New("rolled back")); err == nil {
		t.Fatal("the transaction did not fail")
	}
	var wg sync.WaitGroup
	var got atomic.Int64
	for range 16 {
		wg.Go(func() {
			err := reserve(1, nil)
			switch {
			case err == nil:
				got.Add(1)
			case cloud.KindOf(err) != cloud.KindOverQuota:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got.Load() != 10 {
		t.Errorf("%d of 16 have got one of 10, want 10", got.Load())
	}
	err := db.Transact(t.Context(), func(tx *store.Tx) error {
		return errors.Join(q.Release(t.Context(), tx, "p", "cores", 4), q.Reserve(t.Context(), tx, "p", "ram", 1<<40))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.SetLimit(t.Context(), db, "p", "cores", 7); err != nil {
		t.Fatal(err)
	}
	usage, err := q.Usage(t.Context(), db, "p")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]quota.Usage{"cores": {Limit: 7, InUse: 6}, "ram": {Limit: quota.Unlimited, InUse: 1 << 40}}
	if d := cmp.Diff(want, usage); d != "" {
		t.Errorf("usage (-want +got):\n%s", d)
	}
	if err := reserve(2, nil); cloud.KindOf(err) != cloud.KindOverQuota {
		t.Errorf("over the project's own limit: %v", err)
	}
	if err := q.SetLimit(t.Context(), db, "p", "nope", 7); cloud.KindOf(err) != cloud.KindBadRequest {
		t.Errorf("a quota that does not exist: %v", err)
	}
}
