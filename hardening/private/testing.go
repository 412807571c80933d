package private

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// shared is the one server of a test process. It ends with the process.
var shared = sync.OnceValues(func() (*Server, error) {
	dir, err := testDir("mariadb")
	if err != nil {
		return nil, err
	}
	return StartMariaDB(context.Background(), MariaDBOptions{Dir: dir})
})

// sharedBroker is the same for RabbitMQ.
var sharedBroker = sync.OnceValues(func() (*Broker, error) {
	dir, err := testDir("rabbitmq")
	if err != nil {
		return nil, err
	}
	return StartRabbitMQ(context.Background(), RabbitMQOptions{Dir: dir})
})

// RabbitMQ gives a test a real broker with accounts for the nodes. All tests
// of a process share it with all its queues: use ids of one's own. The test is
// skipped where RabbitMQ is not installed.
func RabbitMQ(t testing.TB, nodes ...string) *Broker {
	t.Helper()
	if _, err := exec.LookPath("rabbitmq-server"); err != nil {
		t.Skip("rabbitmq-server is not installed; on Debian: apt-get install rabbitmq-server")
	}
	b, err := sharedBroker()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.AddNodes(t.Context(), nodes...); err != nil {
		t.Fatal(err)
	}
	return b
}

// MariaDB gives a test empty schemas, one for each service, on a real server.
// All tests of a process share the server, no two calls share a schema: take
// the schema's name from Account. The test is skipped where MariaDB is not
// installed.
func MariaDB(t testing.TB, services ...string) *Databases {
	t.Helper()
	if _, err := exec.LookPath("mariadbd"); err != nil {
		t.Skip("mariadbd is not installed; on Debian: apt-get install mariadb-server")
	}
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	d := &Databases{Server: s, suffix: fmt.Sprintf("_t%d", s.calls.Add(1))}
	for _, service := range services {
		if err := d.make(t.Context(), service); err != nil {
			t.Fatalf("schema for %s: %v", service, err)
		}
		t.Cleanup(func() { d.drop(t, service) })
	}
	return d
}

// Databases are the schemas of one test.
type Databases struct {
	*Server
	suffix string
}

// Account is as Server.Account, for the schemas of this test.
func (d *Databases) Account(name string) Account {
	a := d.Server.Account(name)
	schema := a.Database + d.suffix
	user := schema + strings.TrimPrefix(name, a.Database)
	a.Database, a.User, a.PasswordFile = schema, user, d.path("secrets", user)
	return a
}

func (d *Databases) make(ctx context.Context, service string) error {
	a, err := d.account(service, service+d.suffix)
	if err != nil {
		return err
	}
	for _, statement := range a.Statements() {
		if _, err := d.root.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func (d *Databases) drop(t testing.TB, service string) {
	if _, err := d.root.ExecContext(context.Background(), "DROP DATABASE IF EXISTS `"+service+d.suffix+"`"); err != nil {
		t.Errorf("drop schema of %s: %v", service, err)
	}
}

// testDir makes a directory for this test process, and removes those of
// processes that have ended.
func testDir(kind string) (string, error) {
	prefix := filepath.Join(os.TempDir(), "cairn-test-"+kind+"-")
	old, err := filepath.Glob(prefix + "*")
	if err != nil {
		return "", err
	}
	for _, dir := range old {
		pid, _, _ := strings.Cut(strings.TrimPrefix(dir, prefix), "-")
		if n, err := strconv.Atoi(pid); err == nil && syscall.Kill(n, 0) == syscall.ESRCH {
			os.RemoveAll(dir)
		}
	}
	dir, err := os.MkdirTemp("", filepath.Base(prefix)+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o711)
}
