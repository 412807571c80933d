package lab

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/cairn-cloud/cairn/qa/lab/bmc"
	"github.com/cairn-cloud/cairn/qa/lab/machine"
)

// Files of a machine's BMC, in the machine's directory. None of them is for
// others.
const (
	bmcPassword = "bmc-password"
	bmcCert     = "bmc.crt"
	bmcKey      = "bmc.key"
)

// bmcUser is the account that all BMCs have.
const bmcUser = "rack"

// bmcPort is where BMCs answer.
const bmcPort = 443

// bmcAddress is where a machine's BMC is on the management network.
func (m *Machine) bmcAddress() netip.Addr {
	a := managementNetwork.Addr().As4()
	a[3] = byte(200 + m.Number)
	return netip.AddrFrom4(a)
}

// bmcMAC is what the BMC says its own address is.
func (m *Machine) bmcMAC() string { return fmt.Sprintf("52:54:00:cb:%02x:00", m.Number) }

// makeBMC makes password and certificate of a machine's BMC, and returns what
// rack.yaml says of the machine.
func makeBMC(dir string, m *Machine) (map[string]any, error) {
	dir = filepath.Join(dir, m.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	secret := make([]byte, 18)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	chain, key, err := bmc.NewCertificate(m.Name)
	if err != nil {
		return nil, err
	}
	for name, text := range map[string][]byte{bmcPassword: []byte(base64.RawURLEncoding.EncodeToString(secret)), bmcCert: chain, bmcKey: key} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, err
		}
	}
	cert, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, err
	}
	return map[string]any{"name": m.Name, "mac": m.macIn(m.NICs[0]), "bmc": map[string]any{
		"address": m.bmcAddress().String(), "user": bmcUser, "ca": bmc.Fingerprint(cert)}}, nil
}

// makeBMCs makes those of all machines, and has rack.yaml name them.
func (c *Config) makeBMCs(dir string) error {
	var known []any
	for i := range c.Machines {
		k, err := makeBMC(dir, &c.Machines[i])
		if err != nil {
			return err
		}
		known = append(known, k)
	}
	if c.Fields == nil {
		c.Fields = map[string]any{}
	}
	if more, ok := c.Fields["machines"].([]any); ok {
		known = append(known, more...)
	}
	c.Fields["machines"] = known
	return nil
}

// A board is a machine as its BMC has it.
type board struct {
	*member
	s *supervisor
}

// PowerOn starts the machine's story anew.
func (b board) PowerOn(ctx context.Context) error {
	if !b.On() {
		b.story.begin()
	}
	return b.member.PowerOn(ctx)
}

// Reset starts the machine's story anew.
func (b board) Reset(ctx context.Context) error {
	b.story.begin()
	return b.member.Reset(ctx)
}

// BootNext translates Redfish's words.
func (b board) BootNext(next bmc.Boot) error {
	kind, ok := map[bmc.Boot]machine.Boot{bmc.BootNone: machine.BootSetup, bmc.BootPXE: machine.BootNetwork,
		bmc.BootDisk: machine.BootDisk, bmc.BootCD: machine.BootCD}[next]
	if !ok {
		return fmt.Errorf("BootSourceOverrideTarget is %s; allowed: %s, %s, %s, %s", next, bmc.BootNone, bmc.BootPXE, bmc.BootDisk, bmc.BootCD)
	}
	return b.member.BootNext(kind)
}

// Insert fetches the ISO and puts it into the drive.
func (b board) Insert(ctx context.Context, url string) error {
	if url == "" {
		return b.member.Insert(ctx, b.drive, "")
	}
	file := filepath.Join(b.s.dir, b.Name(), "virtual-cd.iso")
	if err := b.s.fetch(ctx, url, file); err != nil {
		return err
	}
	return b.member.Insert(ctx, b.drive, file)
}

// attend has a machine's BMC answer until the rack ends.
func (s *supervisor) attend(m *member, c *Machine) error {
	dir := filepath.Join(s.dir, c.Name)
	password, err := os.ReadFile(filepath.Join(dir, bmcPassword))
	if err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, bmcCert), filepath.Join(dir, bmcKey))
	if err != nil {
		return err
	}
	door := newDoor()
	b := bmc.New(bmc.Config{Name: c.Name, UUID: c.uuid(), UEFI: c.Firmware == machine.UEFI, User: bmcUser, Password: string(password),
		Cert: cert, Machine: board{m, s}, Log: s.log})
	m.bmc = door
	s.bmcs = append(s.bmcs, b)
	go func() { // ends with Close
		if err := b.Serve(door); err != nil {
			s.log.Error("BMC", "err", err)
		}
	}()
	return nil
}

// services are the BMCs on the management network: the gateway has this
// program join each connection to the supervisor.
func (s *supervisor) services() ([]machine.Service, error) {
	if !s.config.BMC {
		return nil, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var list []machine.Service
	for i := range s.config.Machines {
		m := &s.config.Machines[i]
		list = append(list, machine.Service{Address: netip.AddrPortFrom(m.bmcAddress(), bmcPort),
			Command: []string{self, "rack", "bmc", "--dir", s.dir, m.Name}})
	}
	return list, nil
}

// toBMC joins the asker's connection to a machine's BMC.
func (s *supervisor) toBMC(w http.ResponseWriter, r *http.Request) {
	m, err := s.find(r.PathValue("name"))
	if err == nil && m.bmc == nil {
		err = fmt.Errorf("machine %s has no BMC; `cairn rack up --bmc` gives all of them one", m.Name())
	}
	if err != nil {
		answer(w, r, func(*http.Request) (any, error) { return nil, err })
		return
	}
	conn, err := upgrade(w, r)
	if err != nil {
		s.log.Error("BMC", "err", err)
		return
	}
	m.bmc.enter(conn)
}
