package hardening

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"github.com/cairn-cloud/cairn/hardening/pki"
)

// DatabaseServices are the services with a schema of their own.
var DatabaseServices = []string{"identity", "image", "network", "compute", "cluster"}

// DDLSuffix ends the name of the account that changes a service's schema.
const DDLSuffix = "_ddl"

// What accounts may do with their schema. The one that serves requests may not
// change tables; the other is for migrations only. Neither may touch a file,
// another schema, or hand rights on.
const (
	runtimeRights = "SELECT, INSERT, UPDATE, DELETE"
	ddlRights     = runtimeRights + ", CREATE, ALTER, DROP, INDEX, REFERENCES, LOCK TABLES, CREATE TEMPORARY TABLES"
)

// maxConnections bounds what one leaking service can take from the others.
const maxConnections = 64

// A DatabaseAccount is a service's schema with its two accounts. The name of
// both is bound to one address and to one certificate.
type DatabaseAccount struct {
	Schema  string // also the name of the account that serves requests
	Service string // common name of the certificate
	Cluster string // organisation of the certificate
	From    netip.Addr
	// Password is that of the account Schema, DDLPassword that of Schema_ddl.
	Password    string
	DDLPassword string
}

// DatabaseAccounts is MariaDB's init file: it makes the schemas and accounts
// that are missing, brings the others up to date, and removes every account
// that is not on the list. It may run at every start. One statement is one
// line, as the server wants it; passwords appear as hashes.
func DatabaseAccounts(accounts []DatabaseAccount) string {
	var b strings.Builder
	keep := []string{"User = 'mariadb.sys'", "(User = 'root' AND Host = 'localhost')"}
	for _, a := range accounts {
		keep = append(keep, fmt.Sprintf("(User IN (%s, %s) AND Host = %s)",
			sqlText(a.Schema), sqlText(a.Schema+DDLSuffix), sqlText(a.From.String())))
	}
	others := "NOT (" + strings.Join(keep, " OR ") + ")"
	fmt.Fprintf(&b, "DELETE FROM mysql.global_priv WHERE %s;\n", others)
	fmt.Fprintf(&b, "DELETE FROM mysql.db WHERE %s;\n", others)
	b.WriteString("FLUSH PRIVILEGES;\n")
	b.WriteString("ALTER USER 'root'@'localhost' IDENTIFIED VIA unix_socket;\n")
	b.WriteString("DROP DATABASE IF EXISTS test;\n")
	for _, a := range accounts {
		for _, statement := range a.Statements() {
			b.WriteString(statement + ";\n")
		}
	}
	return b.String()
}

// Statements make the schema and its accounts, or bring them up to date.
func (a DatabaseAccount) Statements() []string {
	list := []string{"CREATE DATABASE IF NOT EXISTS `" + a.Schema + "`"}
	list = append(list, a.account(a.Schema, a.Password, runtimeRights)...)
	return append(list, a.account(a.Schema+DDLSuffix, a.DDLPassword, ddlRights)...)
}

func (a DatabaseAccount) account(user, password, rights string) []string {
	name := sqlText(user) + "@" + sqlText(a.From.String())
	return []string{
		"CREATE USER IF NOT EXISTS " + name,
		fmt.Sprintf("ALTER USER %s IDENTIFIED BY PASSWORD '%s' REQUIRE ISSUER %s AND SUBJECT %s WITH MAX_USER_CONNECTIONS %d",
			name, passwordHash(password), sqlText(pki.Issuer(a.Cluster)),
			sqlText(pki.ServiceSubject(a.Cluster, a.Service)), maxConnections),
		"REVOKE ALL PRIVILEGES, GRANT OPTION FROM " + name,
		fmt.Sprintf("GRANT %s ON `%s`.* TO %s", rights, a.Schema, name),
	}
}

// passwordHash is what MariaDB stores for mysql_native_password. The password
// is long and random and travels inside TLS only, so the old hash is no loss.
func passwordHash(password string) string {
	inner := sha1.Sum([]byte(password))
	outer := sha1.Sum(inner[:])
	return "*" + strings.ToUpper(hex.EncodeToString(outer[:]))
}

// sqlText quotes a string for SQL.
func sqlText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}
