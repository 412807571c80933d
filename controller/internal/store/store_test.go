package store_test

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/cloud"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/hardening/private"
)

//go:embed testdata/migrations/*.sql
var testdata embed.FS

type thing struct {
	ID     int64             `db:"id,key"`
	Name   string            `db:"name"`
	Rank   *int              `db:"rank"`
	Meta   map[string]string `db:"meta,json"`
	Status string            `db:"status"`
	At     time.Time         `db:"at"`
}

func things(t testing.TB) *store.Table[thing] {
	t.Helper()
	sub, err := fs.Sub(testdata, "testdata")
	if err != nil {
		t.Fatal(err)
	}
	return store.NewTable[thing](apitest.Database(t, "compute", store.Source{Name: "things", FS: sub}), "things")
}

func insert(t testing.TB, tab *store.Table[thing], rows ...thing) {
	t.Helper()
	for i := range rows {
		if rows[i].At.IsZero() {
			rows[i].At = cloud.SystemClock()
		}
		if err := tab.Insert(t.Context(), &rows[i]); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	tab := things(t)
	one := 1
	want := thing{ID: 7, Name: "it's \\ `quoted` %_", Rank: &one, Meta: map[string]string{"a": "ü"}, Status: "NEW", At: cloud.SystemClock()}
	insert(t, tab, want)
	got, err := tab.Get(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(&want, got); d != "" {
		t.Errorf("what was read differs from what was written (-want +got):\n%s", d)
	}
	if err := tab.Insert(t.Context(), &want); !cloud.IsConflict(err) {
		t.Errorf("the same key twice: %v, want a conflict", err)
	}
	if _, err := tab.Get(t.Context(), 8); !cloud.IsNotFound(err) {
		t.Errorf("no such row: %v, want not found", err)
	}
	want.Rank, want.Name = nil, "new"
	if err := tab.Update(t.Context(), &want, "rank", "name"); err != nil {
		t.Fatal(err)
	}
	if got, err = tab.First(t.Context(), store.Eq("rank", nil)); err != nil || got.Name != "new" {
		t.Errorf("after the update: %+v, %v", got, err)
	}
}

func TestConditions(t *testing.T) {
	tab := things(t)
	two, three := 2, 3
	insert(t, tab, thing{ID: 1, Name: "100%", Status: "A"}, thing{ID: 2, Name: "1000", Rank: &two, Status: "B"}, thing{ID: 3, Name: "c", Rank: &three, Status: "B"})
	for what, c := range map[string]struct {
		conds []store.Cond
		want  []int64
	}{
		"nothing":         {nil, []int64{1, 2, 3}},
		"equal":           {[]store.Cond{store.Eq("status", "B")}, []int64{2, 3}},
		"null":            {[]store.Cond{store.Eq("rank", nil)}, []int64{1}},
		"not null":        {[]store.Cond{store.Ne("rank", nil)}, []int64{2, 3}},
		"differs or null": {[]store.Cond{store.Ne("rank", 2)}, []int64{1, 3}},
		"both":            {[]store.Cond{store.Ge("rank", 2), store.Lt("rank", 3)}, []int64{2}},
		"contains %":      {[]store.Cond{store.Contains("name", "0%")}, []int64{1}},
		"in":              {[]store.Cond{store.In("id", 1, 3)}, []int64{1, 3}},
		"in nothing":      {[]store.Cond{store.In[int]("id")}, nil},
		"or":              {[]store.Cond{store.Or(store.Eq("id", 1), store.All(store.Eq("status", "B"), store.Gt("id", 2)))}, []int64{1, 3}},
		"or of nothing":   {[]store.Cond{store.Or()}, nil},
		"sub":             {[]store.Cond{store.Sub("id", "SELECT MAX(id) FROM things WHERE status = ?", "B")}, []int64{3}},
	} {
		rows, err := tab.List(t.Context(), store.Query{Where: c.conds})
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if d := cmp.Diff(c.want, ids(rows)); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
	}
	stop := errors.New("enough")
	var some []int64
	err := tab.Each(t.Context(), store.Query{Where: []store.Cond{store.Gt("id", 1)}}, func(row *thing) error {
		some = append(some, row.ID)
		return stop
	})
	if d := cmp.Diff([]int64{2}, some); d != "" || !errors.Is(err, stop) {
		t.Errorf("one by one until enough: %v (-want +got):\n%s", err, d)
	}
	for what, q := range map[string]store.Query{
		"column": {Where: []store.Cond{store.Eq("1=1 OR id", 1)}}, "sort": {Sort: []store.Sort{{Column: "id; DROP TABLE things"}}},
	} {
		if _, err := tab.List(t.Context(), q); err == nil {
			t.Errorf("a %s that does not exist was taken", what)
		}
	}
	if _, err := tab.Delete(t.Context()); err == nil {
		t.Error("a deletion without a condition was done")
	}
}

func ids(rows []thing) []int64 {
	var list []int64
	for i := range rows {
		list = append(list, rows[i].ID)
	}
	return list
}

// Paging visits each row once, forth and back, also where the sort column is
// equal or NULL.
func TestPaging(t *testing.T) {
	tab := things(t)
	for i := int64(1); i <= 23; i++ {
		row := thing{ID: i, Name: fmt.Sprint(i % 3), Status: "A"}
		if i%4 != 0 {
			r := int(i % 5)
			row.Rank = &r
		}
		insert(t, tab, row)
	}
	for _, sort := range [][]store.Sort{
		nil, {{Column: "rank"}}, {{Column: "rank", Desc: true}}, {{Column: "name"}, {Column: "rank", Desc: true}}, {{Column: "id", Desc: true}},
	} {
		all, err := tab.List(t.Context(), store.Query{Sort: sort})
		if err != nil {
			t.Fatal(err)
		}
		var forth, back []int64
		for q := (store.Query{Sort: sort, Limit: 4}); ; {
			page, err := tab.List(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			forth = append(forth, ids(page)...)
			q.Marker = page[len(page)-1].ID
		}
		for q := (store.Query{Sort: sort, Limit: 4, Backward: true}); ; {
			page, err := tab.List(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			back = append(ids(page), back...)
			q.Marker = page[0].ID
		}
		if d := cmp.Diff(ids(all), forth); d != "" {
			t.Errorf("sort %v, forth (-want +got):\n%s", sort, d)
		}
		if d := cmp.Diff(ids(all), back); d != "" {
			t.Errorf("sort %v, back (-want +got):\n%s", sort, d)
		}
	}
	if _, err := tab.List(t.Context(), store.Query{Marker: 99}); cloud.KindOf(err) != cloud.KindBadRequest {
		t.Errorf("unknown marker: %v, want a bad request", err)
	}
}

// Of many who change a status at once, one does.
func TestCompareAndSwap(t *testing.T) {
	tab := things(t)
	insert(t, tab, thing{ID: 1, Status: "IDLE"})
	var wg sync.WaitGroup
	won := make(chan int, 20)
	for i := range 20 {
		wg.Go(func() {
			n, err := tab.Change(t.Context(), store.Set{"status": "BUSY", "rank": i}, store.Eq("id", 1), store.Eq("status", "IDLE"))
			if err != nil {
				t.Error(err)
			}
			if n == 1 {
				won <- i
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Errorf("%d have changed it, want 1", len(won))
	}
}

// Two transactions that lock each other out both end, one of them after
// another try.
func TestDeadlock(t *testing.T) {
	tab := things(t)
	insert(t, tab, thing{ID: 1, Status: "A"}, thing{ID: 2, Status: "A"})
	var wg sync.WaitGroup
	var tries atomic.Int64
	twice := store.Set{"status": store.Expr("CONCAT(status, 'x')")}
	for _, order := range [][2]int64{{1, 2}, {2, 1}} {
		wg.Go(func() {
			err := tab.DB().Transact(t.Context(), func(tx *store.Tx) error {
				if _, err := tab.In(tx).Change(t.Context(), twice, store.Eq("id", order[0])); err != nil {
					return err
				}
				for tries.Add(1); tries.Load() < 2; { // until both have their first row
					time.Sleep(time.Millisecond)
				}
				_, err := tab.In(tx).Change(t.Context(), twice, store.Eq("id", order[1]))
				return err
			})
			if err != nil {
				t.Errorf("transaction %v: %v", order, err)
			}
		})
	}
	wg.Wait()
	rows, err := tab.List(t.Context(), store.Query{})
	if err != nil || rows[0].Status != "Axx" || rows[1].Status != "Axx" {
		t.Errorf("after both: %+v (%v), want Axx twice", rows, err)
	}
	if n := tries.Load(); n < 3 {
		t.Errorf("%d tries, want one more than the two that locked each other out", n)
	}
}

// What a transaction promised is published if and only if it commits, in
// order for each subject, and kept until publishing succeeds.
func TestOutbox(t *testing.T) {
	db := things(t).DB()
	refused := errors.New("no")
	err := db.Transact(t.Context(), func(tx *store.Tx) error {
		return errors.Join(tx.Publish(t.Context(), "x", "never", 0), refused)
	})
	if !errors.Is(err, refused) {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	got := map[string][]string{}
	down := true // for the node b
	done := make(chan error)
	total := 0
	go func() {
		done <- db.Dispatch(ctx, slog.New(slog.DiscardHandler), func(_ context.Context, m store.Message) error {
			mu.Lock()
			defer mu.Unlock()
			if m.Subject == "b" && down {
				down = len(got["a"]) < 10
				return errors.New("not there")
			}
			got[m.Subject] = append(got[m.Subject], string(m.Body))
			if total++; total == 20 {
				cancel()
			}
			return nil
		})
	}()
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprint(i))
		err := db.Transact(t.Context(), func(tx *store.Tx) error {
			return errors.Join(tx.Publish(t.Context(), "x", "a", i), tx.Publish(t.Context(), "x", "b", i))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string][]string{"a": want, "b": want}, got); d != "" {
		t.Errorf("published (-want +got):\n%s", d)
	}
}

// A file that has run must not change, and runs once.
func TestMigrations(t *testing.T) {
	server := private.MariaDB(t, "compute")
	a := server.Account("compute_ddl")
	config := store.Config{Address: server.Address, ServerName: server.ServerName, CA: server.CA, User: a.User, PasswordFile: a.PasswordFile, Cert: a.Cert, Key: a.Key, Database: a.Database}
	migrate := func(text string) error {
		files := fstest.MapFS{"migrations/0001_x.sql": {Data: []byte(text)}}
		return store.Migrate(t.Context(), config, slog.New(slog.DiscardHandler), store.Source{Name: "x", FS: files})
	}
	first := "-- a comment; with a semicolon\nCREATE TABLE x (\n  a INT\n);\nCREATE TABLE y (a INT);\n"
	for range 2 {
		if err := migrate(first); err != nil {
			t.Fatal(err)
		}
	}
	if err := migrate(first + "CREATE TABLE z (a INT);\n"); err != nil {
		t.Errorf("a statement more: %v", err)
	}
	if err := migrate(strings.Replace(first, "a INT", "b INT", 1)); err == nil || !strings.Contains(err.Error(), "0001_x.sql#1") {
		t.Errorf("a changed statement: %v, want an error that names it", err)
	}
}

// The pool must not be opened with a certificate of somebody else, or to a
// server with another name.
func TestTLS(t *testing.T) {
	server := private.MariaDB(t, "compute", "network")
	a, other := server.Account("compute"), server.Account("network")
	good := store.Config{Address: server.Address, ServerName: server.ServerName, CA: server.CA, User: a.User, PasswordFile: a.PasswordFile, Cert: a.Cert, Key: a.Key, Database: a.Database}
	wrongCert, wrongName := good, good
	wrongCert.Cert, wrongCert.Key = other.Cert, other.Key
	wrongName.ServerName = "rabbitmq"
	for what, c := range map[string]struct {
		config store.Config
		ok     bool
	}{"right": {good, true}, "certificate of another service": {wrongCert, false}, "name of another server": {wrongName, false}} {
		db, err := store.Open(c.config)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.PingContext(t.Context()); (err == nil) != c.ok {
			t.Errorf("%s: %v", what, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
