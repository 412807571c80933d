package hardening

import (
	"context"
	"strings"
)

// Files of the database on a controller.
const (
	mariadbConfig   = "/etc/mysql/cairn.cnf"
	mariadbAccounts = "/etc/mysql/accounts.sql"
)

func mariadb() Control {
	return Control{
		ID: "mariadb", Title: "The database talks TLS to known certificates at known addresses only",
		Why:    "it holds all state of the cloud; an account that leaks opens nothing without its key and its place",
		Source: "SECURITY.md 1.2, D1-D8; Security Guide, databases; OSSN-0039, OSSN-0045",
		Roles:  []string{Controller},
		Apply:  render(mariadbFiles),
		Check:  both(rendered(mariadbFiles), checkDatabaseAccounts),
	}
}

func mariadbFiles(t *Target) ([]File, error) {
	accounts, err := t.databaseAccounts()
	if err != nil {
		return nil, err
	}
	config := MariaDBConfig{
		User: "mysql", DataDir: "/var/lib/mysql", Socket: "/run/mysqld/mysqld.sock",
		PIDFile: "/run/mysqld/mysqld.pid", FilesDir: "/var/lib/mysql-files",
		Bind: t.Node.management(), Port: DatabasePort,
		CA:   PKIDir + "/ca.crt",
		Cert: PKIDir + "/mariadb/tls.crt", Key: PKIDir + "/mariadb/tls.key",
		InitFile: mariadbAccounts,
	}
	return []File{
		{Path: mariadbConfig, Text: config.Render(), Mode: 0o600, Owner: "mysql"},
		{Path: mariadbAccounts, Text: DatabaseAccounts(accounts), Mode: 0o600, Owner: "mysql", Secret: true},
		{Path: "/etc/mysql/debian.cnf", Gone: true}, // a maintenance account that we do not have
		{Path: unitDir + "/mariadb.service", Text: mariadbUnit},
	}, nil
}

func (t *Target) databaseAccounts() ([]DatabaseAccount, error) {
	var list []DatabaseAccount
	for _, s := range DatabaseServices {
		a := DatabaseAccount{Schema: s, Service: s, Cluster: t.Node.Cluster, From: t.Node.management()}
		var err error
		if a.Password, err = t.secret(databasePassword(s)); err != nil {
			return nil, err
		}
		if a.DDLPassword, err = t.secret(databasePassword(s + DDLSuffix)); err != nil {
			return nil, err
		}
		list = append(list, a)
	}
	return list, nil
}

// checkDatabaseAccounts asks the server over the local socket, which only root
// may use.
func checkDatabaseAccounts(ctx context.Context, _ *Target) []Finding {
	const (
		strangers = "SELECT CONCAT(User, '@', Host) FROM mysql.global_priv WHERE User = '' OR Host = '%' OR (User = 'root' AND Host <> 'localhost')"
		weak      = "SELECT CONCAT(User, '@', Host) FROM mysql.global_priv WHERE User NOT IN ('root', 'mariadb.sys') AND COALESCE(JSON_VALUE(Priv, '$.ssl_type'), 0) <> 3"
		wide      = "SELECT CONCAT(User, '@', Host, ' ', Db) FROM mysql.db WHERE User NOT LIKE '%\\_ddl' AND 'Y' IN (Create_priv, Drop_priv, Alter_priv, Grant_priv)"
		global    = "SELECT GRANTEE FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE <> 'USAGE' AND GRANTEE NOT LIKE '''root''@%' AND GRANTEE NOT LIKE '''mariadb.sys''@%'"
	)
	questions := []struct{ item, query string }{
		{"anonymous, remote root or unbound accounts", strangers},
		{"accounts without a certificate of their own", weak},
		{"accounts of running services that may change a schema", wide},
		{"accounts with rights on every schema", global},
	}
	var findings []Finding
	for _, q := range questions {
		f := Finding{Item: q.item, Wanted: "none"}
		out, err := run(ctx, "mariadb", "--no-defaults", "--socket=/run/mysqld/mysqld.sock", "--batch", "--skip-column-names", "--execute="+q.query)
		f.Found = orDefault(strings.Join(strings.Fields(out), " "), "none")
		if err != nil {
			f.Found = err.Error()
		}
		f.OK = f.Found == f.Wanted
		findings = append(findings, f)
	}
	return findings
}

// mariadbUnit replaces the package's unit: no wait for the network, no
// maintenance scripts at each start, fewer rights.
const mariadbUnit = `[Unit]
Description=MariaDB, all state of the cloud
DefaultDependencies=no
RequiresMountsFor=/var /run
After=local-fs.target systemd-tmpfiles-setup.service systemd-sysctl.service systemd-journald.socket
Conflicts=shutdown.target
Before=shutdown.target
StartLimitIntervalSec=0

[Service]
Type=notify
User=mysql
Group=mysql
RuntimeDirectory=mysqld
ExecStart=/usr/sbin/mariadbd --defaults-file=` + mariadbConfig + `
KillSignal=SIGTERM
SendSIGKILL=no
Restart=always
RestartSec=2
TimeoutStartSec=15min
TimeoutStopSec=5min
UMask=0077
LimitNOFILE=32768
LimitCORE=0
TasksMax=512
OOMScoreAdjust=-600
` + sandbox + `ReadWritePaths=/var/lib/mysql /var/lib/mysql-files
CapabilityBoundingSet=
PrivateDevices=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
`

// sandbox is what all services of a controller can do without.
const sandbox = `NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
KeyringMode=private
RemoveIPC=yes
`
