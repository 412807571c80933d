package private

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"github.com/go-sql-driver/mysql"

	"github.com/cairn-cloud/cairn/hardening"
	"github.com/cairn-cloud/cairn/hardening/pki"
)

// databaseAccount is the account that Debian's package makes for the server.
const databaseAccount = "mysql"

// admin is the service that makes databases while the server runs. The image
// has no such account.
const admin = "private-admin"

// MariaDBOptions say where and for whom a server runs.
type MariaDBOptions struct {
	Dir      string   // state; made if absent, used again if not
	PKI      string   // directory of the CA, founded if absent; default Dir/pki
	Services []string // each gets a schema and its two accounts
	Log      *slog.Logger
}

// A Server is a running MariaDB.
type Server struct {
	Home

	process *process
	root    *sql.DB
	calls   atomic.Int64 // of MariaDB for this server: each makes schemas of its own
}

// StartMariaDB starts a server and returns when it answers.
func StartMariaDB(ctx context.Context, o MariaDBOptions) (*Server, error) {
	s := &Server{Home: Home{ServerName: "mariadb"}}
	err := s.begin(o.Log, "MariaDB", func() error {
		if err := s.move(o.Dir, o.PKI, databaseAccount); err != nil {
			return err
		}
		return onFreePort(ctx, func() error { return s.run(ctx, o.Services) }, s.path("mariadb.log"))
	})
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// run starts the server once, on a port that was free a moment ago.
func (s *Server) run(ctx context.Context, services []string) error {
	port, err := s.prepare(ctx, services)
	if err != nil {
		return err
	}
	s.Address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := s.launch(); err != nil {
		return err
	}
	if s.root, err = s.open(admin, ""); err != nil {
		return err
	}
	if err := s.process.waitFor(ctx, s.root.PingContext); err != nil {
		return fmt.Errorf("mariadbd: %w\n%s", err, tail(s.path("mariadb.log")))
	}
	return nil
}

// prepare writes everything that the server reads, and returns its port.
func (s *Server) prepare(ctx context.Context, services []string) (int, error) {
	if _, err := os.Stat(s.path("data")); errors.Is(err, os.ErrNotExist) {
		from, err := template(ctx)
		if err != nil {
			return 0, err
		}
		if err := copyTree(from, s.path("data")); err != nil {
			return 0, err
		}
	}
	if err := os.MkdirAll(s.path("files"), 0o700); err != nil {
		return 0, err
	}
	if err := serverPair(s.ca, s.path("server"), s.ServerName); err != nil {
		return 0, err
	}
	accounts, err := s.accounts(services)
	if err != nil {
		return 0, err
	}
	port, err := freePort(ctx)
	if err != nil {
		return 0, err
	}
	config := hardening.MariaDBConfig{
		User: s.who.name, DataDir: s.path("data"), Socket: "mariadb.sock",
		PIDFile: s.path("data", "mariadb.pid"), FilesDir: s.path("files"), ErrorLog: s.path("mariadb.log"),
		Bind: netip.MustParseAddr("127.0.0.1"), Port: port,
		CA:   s.CA,
		Cert: s.path("server", pki.PairCert), Key: s.path("server", pki.PairKey),
		InitFile: s.path("init.sql"),
	}
	for name, text := range map[string]string{"my.cnf": config.Render(), "init.sql": accounts, "mariadb.log": ""} {
		if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
			return 0, err
		}
	}
	return port, s.own("data", "files", "server", "my.cnf", "init.sql", "mariadb.log")
}

// accounts is the init file for the services and for our own administration.
func (s *Server) accounts(services []string) (string, error) {
	var list []hardening.DatabaseAccount
	for _, name := range append([]string{admin}, services...) {
		a, err := s.account(name, name)
		if err != nil {
			return "", err
		}
		list = append(list, a)
	}
	return hardening.DatabaseAccounts(list) +
		"GRANT ALL ON *.* TO '" + admin + "'@'127.0.0.1' WITH GRANT OPTION;\n", nil
}

// account makes sure that the service has a certificate and that the schema
// has two passwords.
func (s *Server) account(service, schema string) (hardening.DatabaseAccount, error) {
	a := hardening.DatabaseAccount{
		Schema: schema, Service: service, Cluster: s.ca.Cluster(), From: netip.MustParseAddr("127.0.0.1"),
	}
	err := servicePair(s.ca, s.path("clients", service), service)
	if err != nil {
		return a, err
	}
	if a.Password, err = password(s.path("secrets", schema)); err != nil {
		return a, err
	}
	a.DDLPassword, err = password(s.path("secrets", schema+hardening.DDLSuffix))
	return a, err
}

// launch starts the server under the owner's account.
func (s *Server) launch() error {
	binary, err := exec.LookPath("mariadbd")
	if err != nil {
		return err
	}
	// The server outlives the context of its start.
	cmd := s.who.command(context.Background(), binary, "--defaults-file="+s.path("my.cnf"))
	cmd.Dir = s.dir
	s.process, err = start(cmd)
	return err
}

// Account is the account of a service, or with the suffix _ddl the one that
// may change its schema. The files are there if the service was named at the
// start.
func (s *Server) Account(name string) Account {
	service := name
	if n := len(name) - len(hardening.DDLSuffix); n > 0 && name[n:] == hardening.DDLSuffix {
		service = name[:n]
	}
	return s.accountOf(service, service, name)
}

func (s *Server) accountOf(service, schema, user string) Account {
	return Account{
		User: user, Database: schema, PasswordFile: s.path("secrets", user),
		Cert: s.path("clients", service, pki.PairCert), Key: s.path("clients", service, pki.PairKey),
	}
}

// Open connects as the account.
func (s *Server) Open(a Account) (*sql.DB, error) {
	config, err := s.config(a)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

func (s *Server) config(a Account) (*mysql.Config, error) {
	secret, err := password(a.PasswordFile)
	if err != nil {
		return nil, err
	}
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", s.Address
	config.User, config.Passwd, config.DBName = a.User, secret, a.Database
	config.ParseTime = true
	config.Logger = &mysql.NopLogger{}
	config.TLS, err = s.tls(filepath.Dir(a.Cert))
	return config, err
}

func (s *Server) tls(dir string) (*tls.Config, error) { return clientTLS(s.ca, dir, s.ServerName) }

// open connects as the service to the database, which may be empty.
func (s *Server) open(service, database string) (*sql.DB, error) {
	a := s.Account(service)
	a.Database = database
	return s.Open(a)
}

// Restart ends the server and starts it again at the same address over the
// same data: politely or, with crash, without a word.
func (s *Server) Restart(ctx context.Context, crash bool) error {
	if crash {
		if err := s.process.kill(); err != nil {
			return err
		}
	}
	if err := s.process.stop(); err != nil {
		return err
	}
	if err := s.launch(); err != nil {
		return err
	}
	if err := s.process.waitFor(ctx, s.root.PingContext); err != nil {
		return fmt.Errorf("mariadbd: %w\n%s", err, tail(s.path("mariadb.log")))
	}
	return nil
}

// Revive starts the server again if it has ended by itself, as systemd does on
// a controller.
func (s *Server) Revive(ctx context.Context) error {
	if !s.process.ended() {
		return nil
	}
	return s.Restart(ctx, false)
}

// CutConnections ends the connections of all accounts but our own, in the
// middle of what they do.
func (s *Server) CutConnections(ctx context.Context) error {
	ids, err := s.connections(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		_, err := s.root.ExecContext(ctx, fmt.Sprintf("KILL CONNECTION %d", id))
		if e, ok := errors.AsType[*mysql.MySQLError](err); err != nil && (!ok || e.Number != errNoSuchThread) {
			return err
		}
	}
	return nil
}

// connections are those of all accounts but our own.
func (s *Server) connections(ctx context.Context) (ids []int64, err error) {
	rows, err := s.root.QueryContext(ctx, "SELECT id FROM information_schema.processlist WHERE user NOT IN ('system user', ?)", admin)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// errNoSuchThread says that a connection has ended by itself.
const errNoSuchThread = 1094

// Stop ends the server. Its data stays.
func (s *Server) Stop() error {
	var err error
	if s.root != nil {
		err = s.root.Close()
	}
	if s.process == nil {
		return err
	}
	return errors.Join(err, s.process.stop())
}
