package cloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// A layout is where things are in a cloud's directory.
type layout struct{ dir string }

func newLayout(dir string) layout { return layout{absolute(dir)} }

func (l layout) path(parts ...string) string {
	return filepath.Join(append([]string{l.dir}, parts...)...)
}

func (l layout) log() string      { return l.path("cloud.log") }
func (l layout) pid() string      { return l.path("cloud.pid") }
func (l layout) ready() string    { return l.path("ready") }
func (l layout) clouds() string   { return l.path("clouds.yaml") }
func (l layout) ca() string       { return l.path("pki", "ca.crt") }
func (l layout) password() string { return l.path("controller", "admin-password") }
func (l layout) config() string   { return l.path("controller.json") }

// supervisor is the process that runs the cloud; os.ErrNotExist if there is
// none. The lock on the file, not the number in it, says whether it lives.
func (l layout) supervisor() (int, error) {
	f, err := os.OpenFile(l.pid(), os.O_RDWR, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
		return 0, fmt.Errorf("%s: nobody holds it: %w", l.pid(), os.ErrNotExist)
	}
	text, err := os.ReadFile(l.pid())
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

// hold makes this process the supervisor until the file is closed.
func (l layout) hold() (*os.File, error) {
	f, err := os.OpenFile(l.pid(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: another cloud runs in this directory: %w", l.pid(), err)
	}
	if err := f.Truncate(0); err != nil {
		f.Close()
		return nil, err
	}
	_, err = fmt.Fprintln(f, os.Getpid())
	return f, err
}

// Ports are the controller's ports on 127.0.0.1, the same at every start.
type ports struct {
	API   int `json:"api"`
	Nodes int `json:"nodes"`
}

// lastPorts are those of the last start.
func (l layout) lastPorts() (p ports, err error) {
	b, err := os.ReadFile(l.path("ports.json"))
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return p, fmt.Errorf("%s: %w", l.path("ports.json"), err)
	}
	return p, nil
}

// ports are those of the last start where they are free, else new ones.
func (l layout) ports() (ports, error) {
	p, err := l.lastPorts()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return p, err
	}
	for _, port := range []*int{&p.API, &p.Nodes} {
		n, err := freePort(*port)
		if err != nil {
			return p, err
		}
		*port = n
	}
	b, err := json.Marshal(p)
	if err != nil {
		return p, err
	}
	return p, os.WriteFile(l.path("ports.json"), b, 0o600)
}

// freePort is the wanted port if it is free, else another.
func freePort(wanted int) (int, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", wanted)) //nolint:noctx // loopback: does not block
	if err != nil && wanted != 0 {
		return freePort(0)
	}
	if err != nil {
		return 0, err
	}
	defer l.Close()
	a, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("no TCP address")
	}
	return a.Port, nil
}

// writeClouds writes clouds.yaml for OpenStack's clients. The password in it is
// why it is for its owner alone.
func (l layout) writeClouds(p ports) error {
	password, err := os.ReadFile(l.password())
	if err != nil {
		return err
	}
	text := fmt.Sprintf(`clouds:
  cloud:
    auth:
      auth_url: https://127.0.0.1:%d/identity/v3
      username: admin
      password: %q
      project_name: admin
      user_domain_id: default
      project_domain_id: default
    cacert: %q
    region_name: RegionOne
    identity_api_version: 3
`, p.API, strings.TrimSpace(string(password)), l.ca())
	if err := os.Remove(l.clouds()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.WriteFile(l.clouds(), []byte(text), 0o600)
}
