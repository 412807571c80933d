// Package directorytest starts a directory for tests: OpenLDAP's slapd with
// certificates of its own, in a folder of the test.
package directorytest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Suffix is what every entry is below.
const Suffix = "dc=example,dc=org"

// Reader may search, with ReaderPassword.
const (
	Reader         = "cn=reader," + Suffix
	ReaderPassword = "reads, never writes"
)

// base is what every directory has.
const base = `dn: dc=example,dc=org
objectClass: domain

dn: ou=Users,dc=example,dc=org
objectClass: organizationalUnit

dn: ou=Groups,dc=example,dc=org
objectClass: organizationalUnit

dn: cn=reader,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: ` + ReaderPassword + "\n\n"

// A Server is a slapd that runs.
type Server struct {
	Address string // host:port of LDAP with StartTLS
	TLS     string // host:port of LDAPS
	CA      string // PEM
	conf    string
	cmd     *exec.Cmd
	done    chan struct{}
}

// Start starts slapd with entries in LDIF below ou=Users and ou=Groups, and
// ends it with the test. It skips the test where there is no slapd.
func Start(t testing.TB, ldif string) *Server {
	t.Helper()
	for _, program := range []string{"/usr/sbin/slapd", "/usr/sbin/slapadd"} {
		if _, err := os.Stat(program); err != nil {
			t.Skipf("there is no %s (Debian: slapd): %v", program, err)
		}
	}
	// Not t.TempDir: names of tests make paths that are too long for GnuTLS's configuration lines.
	dir, err := os.MkdirTemp("", "cairn-test-slapd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Server{conf: filepath.Join(dir, "slapd.conf")}
	if s.CA, err = certify(dir); err != nil {
		t.Fatal(err)
	}
	write(t, s.conf, strings.ReplaceAll(config, "DIR", dir))
	write(t, filepath.Join(dir, "base.ldif"), base+ldif)
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "/usr/sbin/slapadd", "-q", "-f", s.conf, "-l", filepath.Join(dir, "base.ldif")).CombinedOutput(); err != nil {
		t.Fatalf("fill the directory: %v\n%s", err, out)
	}
	s.Address, s.TLS = freeAddress(t), freeAddress(t)
	s.Run(t)
	t.Cleanup(s.Stop)
	return s
}

// config is slapd's: only who has logged in reads, over TLS.
const config = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile DIR/pid
TLSCertificateFile DIR/server.crt
TLSCertificateKeyFile DIR/server.key
security tls=1
sizelimit size.soft=50 size.hard=50 size.prtotal=unlimited size.pr=50
database mdb
suffix "dc=example,dc=org"
rootdn "cn=root,dc=example,dc=org"
rootpw root
directory DIR/db
index objectClass,uid eq
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=reader,dc=example,dc=org" read by * none
`

// Run starts slapd again after [Server.Stop], on the same addresses.
func (s *Server) Run(t testing.TB) {
	t.Helper()
	// The test's own context has ended when what cleans up runs.
	s.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), "/usr/sbin/slapd", "-d", "0", "-f", s.conf, "-h", "ldap://"+s.Address+" ldaps://"+s.TLS)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.done = make(chan struct{})
	go func() {
		_ = s.cmd.Wait() // how it ended is in ProcessState
		close(s.done)
	}()
	for {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.TLS)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-s.done:
			t.Fatalf("slapd ended: %v", s.cmd.ProcessState)
		case <-t.Context().Done():
			t.Fatal(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends slapd, if it runs.
func (s *Server) Stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	<-s.done
}

// Change applies changes in LDIF, as the directory's administrator.
func (s *Server) Change(t testing.TB, ldif string) {
	t.Helper()
	s.Stop()
	file := s.conf + ".change.ldif"
	write(t, file, ldif)
	out, err := exec.CommandContext(t.Context(), "/usr/sbin/slapmodify", "-f", s.conf, "-l", file).CombinedOutput()
	if err != nil {
		t.Fatalf("change the directory: %v\n%s", err, out)
	}
	s.Run(t)
}

// Person is a user in LDIF: uid is the id, cn the name.
func Person(uid, name, password string) string {
	return fmt.Sprintf("dn: uid=%s,ou=Users,%s\nobjectClass: inetOrgPerson\nuid: %s\ncn: %s\nsn: %s\nmail: %s@example.org\ndescription: %s\nuserPassword: %s\n\n",
		uid, Suffix, uid, name, name, uid, "somebody", password)
}

// Group is a group in LDIF with the members by uid.
func Group(name string, members ...string) string {
	text := fmt.Sprintf("dn: cn=%s,ou=Groups,%s\nobjectClass: groupOfNames\ncn: %s\nou: %s\n", name, Suffix, name, name)
	for _, m := range members {
		text += fmt.Sprintf("member: uid=%s,ou=Users,%s\n", m, Suffix)
	}
	return text + "\n"
}

// Options are the options of a domain whose users are these.
func (s *Server) Options() map[string]any {
	return map[string]any{
		"url": "ldaps://" + s.TLS, "tls_cacertfile": s.CA, "user": Reader, "password": ReaderPassword, "suffix": Suffix, "page_size": float64(20),
		"user_id_attribute": "uid", "user_name_attribute": "cn", "group_tree_dn": "ou=Groups," + Suffix, "user_enabled_attribute": "employeeType",
	}
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// freeAddress is an address of this host that nobody listens at.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
