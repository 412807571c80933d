package hardening

import (
	"fmt"
	"net/netip"
	"strings"
)

// DatabasePort is MariaDB's port in a cluster.
const DatabasePort = 3306

// A MariaDBConfig is what differs between the servers that MariaDBConfig.Render
// configures. Every path is as the server sees it.
type MariaDBConfig struct {
	User     string // account that the server runs as
	DataDir  string
	Socket   string
	PIDFile  string
	FilesDir string // LOAD DATA and SELECT INTO OUTFILE stay inside; empty directory
	ErrorLog string // empty: standard error
	Bind     netip.Addr
	Port     int
	CA       string // file
	Cert     string // file
	Key      string // file, 0600
	InitFile string // statements of [DatabaseAccounts]
}

// Render is the server's option file. It holds for MariaDB 10.11 and 11.8.
//
// Durability is not for sale: flushing the log at every commit loses no
// acknowledged transaction at a power cut, the values 0 and 2 do. Memory is: an
// idle server of this size stays below 150 MB.
func (c MariaDBConfig) Render() string {
	var b strings.Builder
	line := func(key, value string) { fmt.Fprintf(&b, "%s=%s\n", key, value) }
	b.WriteString("[mariadbd]\n")
	line("user", c.User)
	line("datadir", c.DataDir)
	line("socket", c.Socket)
	line("pid-file", c.PIDFile)
	line("secure-file-priv", c.FilesDir)
	if c.ErrorLog != "" {
		line("log-error", c.ErrorLog)
	}
	b.WriteString("\n# Only TLS, only from known addresses.\n")
	line("bind-address", c.Bind.String())
	line("port", fmt.Sprint(c.Port))
	line("extra-port", "0")
	line("skip-name-resolve", "1")
	line("require-secure-transport", "ON")
	line("tls-version", "TLSv1.2,TLSv1.3")
	line("ssl-ca", c.CA)
	line("ssl-cert", c.Cert)
	line("ssl-key", c.Key)
	line("init-file", c.InitFile)
	b.WriteString(mariadbFixed)
	return b.String()
}

// mariadbFixed is the same everywhere.
const mariadbFixed = `
# No way to files of the server.
local-infile=0
symbolic-links=0

# Nothing that was acknowledged is lost.
innodb-flush-log-at-trx-commit=1
sync-binlog=1
skip-log-bin

# Errors instead of silently changed values.
sql-mode=STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE
character-set-server=utf8mb4
collation-server=utf8mb4_bin
default-time-zone=+00:00
transaction-isolation=READ-COMMITTED

# Small.
performance-schema=OFF
innodb-buffer-pool-size=64M
innodb-log-file-size=16M
innodb-log-buffer-size=4M
key-buffer-size=1M
aria-pagecache-buffer-size=1M
query-cache-size=0
table-open-cache=400
max-connections=200
thread-cache-size=16
max-connect-errors=100
`

// MariaDBInstall is the command line that fills an empty data directory with
// the system tables: no test database, no anonymous account, and root by the
// local socket only. The option file is one that Render made.
func MariaDBInstall(optionFile, dataDir string) []string {
	return []string{
		"mariadb-install-db", "--defaults-file=" + optionFile, "--datadir=" + dataDir,
		"--skip-test-db", "--skip-name-resolve",
		"--auth-root-authentication-method=socket", "--auth-root-socket-user=root",
	}
}
