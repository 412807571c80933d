package identity

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/cairn-cloud/cairn/controller/internal/apitest"
	"github.com/cairn-cloud/cairn/controller/internal/store"
)

// A project is not put below one that is deleted meanwhile, nor a role
// given to a user who goes: one of both is refused, on two controllers.
func TestNothingOnWhatGoes(t *testing.T) {
	db := apitest.Database(t, "identity", store.Source{Name: "identity", FS: Migrations})
	dir := t.TempDir()
	one, two := startOn(t, db, dir), startOn(t, db, dir)
	p := &player{t: t}
	here, there := serve(t, one), serve(t, two)
	root := apitest.Token("root", "admin", "admin")
	role := one.now.Load().roleNamed.at("", "member").ID
	for i := range 12 {
		parent := firstID(p.asks(here, http.MethodPost, "/projects", fmt.Sprintf(`{"project": {"name": "p%d", "domain_id": "default"}}`, i), root).Body.String())
		user := firstID(p.asks(here, http.MethodPost, "/users", fmt.Sprintf(`{"user": {"name": "u%d", "domain_id": "default"}}`, i), root).Body.String())
		if err := two.follow(t.Context()); err != nil {
			t.Fatal(err)
		}
		var g sync.WaitGroup
		for _, do := range []func(){
			func() { p.asks(here, http.MethodDelete, "/projects/"+parent, "", root) },
			func() {
				p.asks(there, http.MethodPost, "/projects", fmt.Sprintf(`{"project": {"name": "c%d", "parent_id": "%s"}}`, i, parent), root)
			},
			func() { p.asks(here, http.MethodDelete, "/users/"+user, "", root) },
			func() { p.asks(there, http.MethodPut, "/domains/default/users/"+user+"/roles/"+role, "", root) },
		} {
			g.Go(do)
		}
		g.Wait()
	}
	for what, query := range map[string]string{
		"projects below nothing": "SELECT COUNT(*) FROM projects c WHERE parent_id <> '' AND NOT EXISTS (SELECT 1 FROM projects p WHERE p.id = c.parent_id)",
		"roles of nobody":        "SELECT COUNT(*) FROM assignments a WHERE actor_kind = 'user' AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = a.actor_id)",
	} {
		var n int
		if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil || n > 0 {
			t.Errorf("%d %s (%v)", n, what, err)
		}
	}
	checkSnapshot(t, one)
	checkSnapshot(t, two)
}
