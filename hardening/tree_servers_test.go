package hardening

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	amqp "github.com/rabbitmq/amqp091-go"
)

// serve runs a server of the image until the test ends.
func serve(t *testing.T, target *Target, user string, env []string, name string, args ...string) {
	t.Helper()
	who, err := target.account(user)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	cmd.Env = append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}, env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot: target.Root, Setpgid: true,
		Credential: &syscall.Credential{Uid: uint32(who.uid), Gid: uint32(who.gid)},
	}
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	})
}

// eventually repeats what fails until it succeeds or the test's patience, two
// minutes, ends.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// MariaDB and RabbitMQ of the image start under the rendered configuration,
// and let in whom they should.
func TestImageServersRun(t *testing.T) {
	n := controllerNode()
	n.Management.Address = netip.MustParsePrefix("127.0.0.1/8")
	n.Controller = n.management()
	target := imageTree(t, n)
	for dir, owner := range map[string]string{"/run/mysqld": "mysql", "/var/log/rabbitmq": "rabbitmq"} {
		if err := target.write(File{Path: dir, Mode: os.ModeDir | 0o755, Owner: owner}); err != nil {
			t.Fatal(err)
		}
	}
	definitions := File{Path: brokerOwnDefinitions, Text: string(BrokerDefinitions(nil)), Owner: "rabbitmq"}
	if err := target.write(definitions); err != nil { // as the unit does
		t.Fatal(err)
	}
	for _, dir := range []string{target.Root, filepath.Dir(target.Root), filepath.Dir(filepath.Dir(target.Root))} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	serve(t, target, "mysql", nil, "/usr/sbin/mariadbd", "--defaults-file="+mariadbConfig)
	// Not the daemon that Erlang would leave behind.
	serve(t, target, "rabbitmq", []string{"ERL_EPMD_ADDRESS=127.0.0.1"}, "/usr/bin/epmd")
	serve(t, target, "rabbitmq", []string{"HOME=/var/lib/rabbitmq", "RUNNING_UNDER_SYSTEMD=1", "NOTIFY_SOCKET="},
		"/usr/lib/rabbitmq/bin/rabbitmq-server")

	c := controllerConfig(&n)
	t.Run("database", func(t *testing.T) {
		db := openDatabase(t, target, c.Database, "identity_ddl")
		eventually(t, "MariaDB", db.Ping)
		var version string
		if err := db.QueryRow("SELECT VERSION()").Scan(&version); err != nil {
			t.Fatal(err)
		}
		t.Log("MariaDB", version)
		if _, err := db.Exec("CREATE TABLE person (name VARCHAR(20) PRIMARY KEY)"); err != nil {
			t.Error(err)
		}
		runtime := openDatabase(t, target, c.Database, "identity")
		if _, err := runtime.Exec("INSERT INTO person VALUES ('alice')"); err != nil {
			t.Error(err)
		}
		if _, err := runtime.Exec("DROP TABLE person"); err == nil {
			t.Error("the account that serves requests dropped a table")
		}
		for _, f := range checkDatabase(t, target) {
			if !f.OK {
				t.Errorf("%s: found %s, wanted %s", f.Item, f.Found, f.Wanted)
			}
		}
	})
	t.Run("broker", func(t *testing.T) {
		config := clientConfig(t, target, c.Broker.ServerName, c.Broker.Cert, c.Broker.Key)
		eventually(t, "RabbitMQ", func() error {
			conn, err := amqp.DialConfig("amqps://"+c.Broker.Address, amqp.Config{
				Vhost: c.Broker.VHost, TLSClientConfig: config, SASL: []amqp.Authentication{&amqp.ExternalAuth{}},
			})
			if err != nil {
				return err
			}
			t.Log("RabbitMQ", conn.Properties["version"])
			return conn.Close()
		})
		out, err := exec.Command("/usr/sbin/chroot", "--userspec=rabbitmq", target.Root, "/usr/bin/env", "HOME=/var/lib/rabbitmq",
			"/usr/lib/rabbitmq/bin/rabbitmqctl", "--quiet", "import_definitions", BrokerDefinitionsFile).CombinedOutput()
		if err != nil {
			t.Errorf("rabbitmqctl: %v\n%s", err, out)
		}
		out, err = exec.Command("/usr/sbin/chroot", "--userspec=rabbitmq", target.Root, "/usr/bin/env", "HOME=/var/lib/rabbitmq",
			"/usr/lib/rabbitmq/bin/rabbitmqctl", "--quiet", "--no-table-headers", "list_users").CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "controller\t[]" {
			t.Errorf("broker accounts: %v\n%s", err, out)
		}
	})
}

// checkDatabase runs the audit's questions with the image's client.
func checkDatabase(t *testing.T, target *Target) []Finding {
	t.Helper()
	client := filepath.Join(t.TempDir(), "mariadb")
	script := "#!/bin/sh\nexec /usr/sbin/chroot " + target.Root + " /usr/bin/mariadb \"$@\"\n"
	if err := os.WriteFile(client, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(client)+":"+os.Getenv("PATH"))
	return checkDatabaseAccounts(t.Context(), target)
}

func openDatabase(t *testing.T, target *Target, at DatabaseEndpoint, account string) *sql.DB {
	t.Helper()
	login := at.Accounts[account]
	password, err := target.secret(login.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	config := mysql.NewConfig()
	config.Net, config.Addr, config.User, config.Passwd, config.DBName = "tcp", at.Address, login.User, password, login.Schema
	config.Logger = &mysql.NopLogger{}
	config.TLS = clientConfig(t, target, at.ServerName, login.Cert, login.Key)
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db
}

func clientConfig(t *testing.T, target *Target, server, cert, key string) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(target.Root, cert), filepath.Join(target.Root, key))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := target.ca()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate())
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, ServerName: server, MinVersion: tls.VersionTLS12}
}
