package private

import (
	"os"
	"path/filepath"
	"testing"
)

// The service's account reads and writes rows and cannot make a table; its
// migration account can.
func TestMariaDBGivesFreshSchemas(t *testing.T) {
	for range 2 {
		db := MariaDB(t, "identity", "compute")
		ddl, err := db.Open(db.Account("identity_ddl"))
		if err != nil {
			t.Fatal(err)
		}
		defer ddl.Close()
		if _, err := ddl.Exec("CREATE TABLE person (name VARCHAR(20) PRIMARY KEY)"); err != nil {
			t.Fatal(err)
		}
		run, err := db.Open(db.Account("identity"))
		if err != nil {
			t.Fatal(err)
		}
		defer run.Close()
		if _, err := run.Exec("INSERT INTO person VALUES ('alice')"); err != nil {
			t.Fatal(err)
		}
		if _, err := run.Exec("CREATE TABLE thing (name VARCHAR(20))"); err == nil {
			t.Error("the account that serves requests made a table")
		}
	}
}

func TestMariaDBKeepsItsData(t *testing.T) {
	needMariaDB(t)
	t.Run("open directory", func(t *testing.T) { keepsData(t, openDir(t)) })
	t.Run("closed directory", func(t *testing.T) { keepsData(t, t.TempDir()) })
}

func keepsData(t *testing.T, dir string) {
	options := MariaDBOptions{Dir: filepath.Join(dir, "db"), Services: []string{"identity"}}
	for round := range 3 {
		db, err := StartMariaDB(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		ddl, err := db.Open(db.Account("identity_ddl"))
		if err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			if _, err := ddl.Exec("CREATE TABLE round (n INT)"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := ddl.Exec("INSERT INTO round VALUES (?)", round); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := ddl.QueryRow("SELECT COUNT(*) FROM round").Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n != round+1 {
			t.Errorf("round %d: %d rows, want %d", round, n, round+1)
		}
		ddl.Close()
		if err := db.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// openDir is a temporary directory that the accounts of the servers can pass.
func openDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func needMariaDB(t testing.TB) {
	t.Helper()
	MariaDB(t)
}
