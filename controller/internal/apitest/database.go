package apitest

import (
	"log/slog"
	"testing"

	"github.com/cairn-cloud/cairn/controller/internal/quota"
	"github.com/cairn-cloud/cairn/controller/internal/store"
	"github.com/cairn-cloud/cairn/hardening/private"
)

// Database gives a test an empty schema of a service on a real MariaDB, over
// TLS and with the accounts that a controller has, after the migrations of
// the outbox, of quotas and of the sources.
func Database(t testing.TB, service string, sources ...store.Source) *store.DB {
	t.Helper()
	server := private.MariaDB(t, service)
	config := func(account string) store.Config {
		a := server.Account(account)
		return store.Config{
			Address: server.Address, ServerName: server.ServerName, CA: server.CA,
			User: a.User, PasswordFile: a.PasswordFile, Cert: a.Cert, Key: a.Key, Database: a.Database,
		}
	}
	all := append([]store.Source{{Name: "store", FS: store.Migrations}, {Name: "quota", FS: quota.Migrations}}, sources...)
	if err := store.Migrate(t.Context(), config(service+"_ddl"), slog.New(slog.DiscardHandler), all...); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(config(service))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
