package private

import (
	"context"
	"crypto/tls"
	"database/sql"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/cairn-cloud/cairn/hardening/pki"
)

// login tries to log in as identity after the change to a good configuration.
func login(t *testing.T, db *Databases, edit func(*mysql.Config)) error {
	t.Helper()
	config, err := db.config(db.Account("identity"))
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(config)
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	pool := sql.OpenDB(connector)
	defer pool.Close()
	return pool.PingContext(t.Context())
}

// Whom the server refuses, and which servers a client refuses. The rows are D1
// to D4 of the security notes; the first shows that the rest would work but
// for what was changed.
func TestMariaDBRefuses(t *testing.T) {
	db := MariaDB(t, "identity", "compute")
	own := forge(t, filepath.Dir(db.CA))
	show := func(c tls.Certificate) func(*mysql.Config) {
		return func(m *mysql.Config) { m.TLS.Certificates = []tls.Certificate{c} }
	}
	other, err := tls.LoadX509KeyPair(db.Account("compute").Cert, db.Account("compute").Key)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		edit func(*mysql.Config)
		want string // part of the error; empty: let in
	}{
		"nothing changed":                       {nil, ""},
		"a good certificate by hand":            {show(own.client(t, "identity", nil)), ""},
		"no TLS":                                {func(m *mysql.Config) { m.TLS = nil }, "Access denied"},
		"no client certificate":                 {func(m *mysql.Config) { m.TLS.Certificates = nil }, "Access denied"},
		"certificate of another service":        {show(other), "Access denied"},
		"other CA with the same subject":        {show(rogue(t).client(t, "identity", nil)), "tls: "},
		"expired certificate":                   {show(own.client(t, "identity", expired)), "tls: "},
		"certificate for servers only":          {show(own.client(t, "identity", serverOnly)), "tls: "},
		"wrong password":                        {func(m *mysql.Config) { m.Passwd = strings.Repeat("0", 40) }, "Access denied"},
		"no password":                           {func(m *mysql.Config) { m.Passwd = "" }, "Access denied"},
		"another address":                       {from(t, "127.0.0.2"), "is not allowed to connect"},
		"TLS 1.1":                               {func(m *mysql.Config) { m.TLS.MinVersion, m.TLS.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 }, "tls: "},
		"root from the network":                 {func(m *mysql.Config) { m.User, m.Passwd, m.DBName = "root", "", "" }, "Access denied"},
		"nobody":                                {func(m *mysql.Config) { m.User, m.Passwd, m.DBName = "", "", "" }, "Access denied"},
		"schema of another service":             {func(m *mysql.Config) { m.DBName = db.Account("compute").Database }, "Access denied"},
		"a server by another name, by client":   {func(m *mysql.Config) { m.TLS.ServerName = "rabbitmq" }, "certificate is valid for"},
		"a server of another CA, by the client": {func(m *mysql.Config) { m.TLS.RootCAs = otherRoots(t) }, "certificate signed by unknown authority"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := login(t, db, test.edit)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && err == nil:
				t.Error("let in")
			case test.want != "" && !refused(err, test.want):
				t.Errorf("error %q, want one with %q", err, test.want)
			}
		})
	}
}

// refused tells whether the error is the wanted one. A server that hangs up in
// the middle of a handshake may be faster than its own alert.
func refused(err error, want string) bool {
	text := err.Error()
	hungUp := strings.Contains(text, "bad connection") || strings.Contains(text, "invalid connection") ||
		strings.Contains(text, "EOF") || strings.Contains(text, "connection reset") || strings.Contains(text, "broken pipe")
	return strings.Contains(text, want) || strings.HasPrefix(want, "tls: ") && hungUp
}

// from dials from the local address.
func from(t *testing.T, local string) func(*mysql.Config) {
	return func(m *mysql.Config) {
		m.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}
			c, err := d.DialContext(ctx, network, address)
			if err != nil {
				t.Error(err)
			}
			return c, err
		}
	}
}

// Accounts of the server: D5, D6 and D8.
func TestMariaDBAccounts(t *testing.T) {
	db := MariaDB(t, "identity")
	strangers := rows(t, db.root, "SELECT CONCAT(User, '@', Host) FROM mysql.global_priv WHERE User = '' OR Host = '%' OR (User = 'root' AND Host <> 'localhost')")
	if len(strangers) > 0 {
		t.Errorf("anonymous, unbound or remote root accounts: %v", strangers)
	}
	weak := rows(t, db.root, "SELECT CONCAT(User, '@', Host) FROM mysql.global_priv WHERE User NOT IN ('root', 'mariadb.sys') AND COALESCE(JSON_VALUE(Priv, '$.ssl_type'), 0) <> 3")
	if len(weak) > 0 {
		t.Errorf("accounts without a certificate of their own: %v", weak)
	}
	grants := strings.Join(rows(t, db.root, "SHOW GRANTS FOR '"+db.Account("identity").User+"'@'127.0.0.1'"), "\n")
	for _, right := range []string{"ALL PRIVILEGES", "CREATE", "DROP", "ALTER", "FILE", "SUPER", "GRANT OPTION"} {
		if strings.Contains(grants, right) {
			t.Errorf("the account that serves requests has %s:\n%s", right, grants)
		}
	}
}

// A new certificate comes into force without a restart: D7.
func TestMariaDBTakesANewCertificate(t *testing.T) {
	db := MariaDB(t, "identity")
	file := db.path("server", pki.PairCert)
	before := serial(t, file)
	names := []string{db.ServerName, "localhost"}
	pair, err := db.ca.IssueServer(names, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := pair.Save(filepath.Dir(file)); err != nil {
		t.Fatal(err)
	}
	who, err := ownerOf(databaseAccount, db.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := who.own(filepath.Dir(file)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.root.Exec("FLUSH SSL"); err != nil {
		t.Fatal(err)
	}
	var shown tls.ConnectionState
	err = login(t, db, func(m *mysql.Config) {
		m.TLS.VerifyConnection = func(s tls.ConnectionState) error { shown = s; return nil }
	})
	if err != nil {
		t.Fatal(err)
	}
	if shown.PeerCertificates[0].SerialNumber.Cmp(before) == 0 {
		t.Error("the server still shows its old certificate")
	}
	if shown.PeerCertificates[0].SerialNumber.Cmp(serial(t, file)) != 0 {
		t.Error("the server shows a certificate that is not the new one")
	}
}

func rows(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	found, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	var list []string
	for found.Next() {
		var text string
		if err := found.Scan(&text); err != nil {
			t.Fatal(err)
		}
		list = append(list, text)
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}
