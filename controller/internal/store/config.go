package store

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// A Config says which database to use and as whom. The server is always asked
// for a certificate of CA for ServerName, and is always shown Cert.
type Config struct {
	Address      string // host:port
	ServerName   string // name in the server's certificate
	CA           string // file, PEM
	User         string
	PasswordFile string // one line; not readable by others
	Cert         string // file, PEM: the account's client certificate
	Key          string // file, PEM
	Database     string // the schema; empty: the user's name
}

// driverConfig reads the files that c names.
func (c Config) driverConfig() (*mysql.Config, error) {
	password, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return nil, fmt.Errorf("password of database account %s: %w", c.User, err)
	}
	conf, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	m := mysql.NewConfig()
	m.User, m.Passwd = c.User, strings.TrimSpace(string(password))
	m.Net, m.Addr = "tcp", c.Address
	m.DBName = c.Database
	if m.DBName == "" {
		m.DBName = c.User
	}
	m.TLS = conf
	m.ParseTime, m.Loc = true, time.UTC
	m.ClientFoundRows = true // a CAS update counts the rows that it found
	m.Timeout, m.ReadTimeout, m.WriteTimeout = 10*time.Second, time.Minute, time.Minute
	m.Params = map[string]string{
		"time_zone":    "'+00:00'",
		"sql_mode":     "'TRADITIONAL'",
		"tx_isolation": "'READ-COMMITTED'",
	}
	return m, nil
}

// tlsConfig is TLS 1.2 or newer with both sides' certificates checked.
func (c Config) tlsConfig() (*tls.Config, error) {
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, fmt.Errorf("certificate authority of the database: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("certificate authority of the database: %s holds no certificate", c.CA)
	}
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("client certificate of database account %s: %w", c.User, err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		RootCAs:      roots,
		ServerName:   c.ServerName,
		Certificates: []tls.Certificate{pair},
	}, nil
}
